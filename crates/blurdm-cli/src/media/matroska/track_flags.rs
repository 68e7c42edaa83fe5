// SPDX-License-Identifier: MPL-2.0

//! Flags of tracks, by which players choose what they show unasked. The muxer of GStreamer 1.22 writes none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use super::{
    ebml::{Element, HEADER, Place, VOID, children},
    tracks::{self, TRACK_ENTRY, TRACKS, number},
};

const DOC_TYPE_VERSION: u32 = 0x4287;
/// Settings of video and of sound, whose sizes muxers write with 8 bytes.
const SETTINGS: [u32; 2] = [0xe0, 0xe1];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    id: u32,
    /// The value of a flag that is not there.
    default: bool,
    name: &'static str,
    /// The version of Matroska that has it.
    version: u8,
}

const ENABLED: u32 = 0xb9;
const DEFAULT: u32 = 0x88;

const KINDS: [Kind; 8] = [
    Kind::new(ENABLED, true, "enabled", 2),
    Kind::new(DEFAULT, true, "default", 1),
    Kind::new(0x55aa, false, "forced", 1),
    Kind::new(0x55ab, false, "for the hearing impaired", 4),
    Kind::new(0x55ac, false, "for the visually impaired", 4),
    Kind::new(0x55ad, false, "a description in text", 4),
    Kind::new(0x55ae, false, "in the original language", 4),
    Kind::new(0x55af, false, "a commentary", 4),
];

impl Kind {
    const fn new(id: u32, default: bool, name: &'static str, version: u8) -> Self {
        Self {
            id,
            default,
            name,
            version,
        }
    }
}

/// The flags of a track that are not as in a track without any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackFlags(BTreeSet<Kind>);

impl TrackFlags {
    /// The flags of a track that players do not show unasked.
    pub fn not_default() -> Self {
        Self(KINDS.into_iter().filter(|kind| kind.id == DEFAULT).collect())
    }

    /// Returns what they say, as in "not default" and "forced".
    pub fn names(&self) -> impl Iterator<Item = String> {
        let name = |kind: &Kind| format!("{}{}", if kind.default { "not " } else { "" }, kind.name);
        self.0.iter().map(name)
    }

    fn of(entry: &[u8]) -> Self {
        let differs = |kind: &Kind| {
            let flag = children(entry).find(|element| element.id == kind.id);
            flag.and_then(|flag| flag.number())
                .is_some_and(|value| (value != 0) != kind.default)
        };
        Self(KINDS.into_iter().filter(differs).collect())
    }
}

/// Returns the flags of each track by its number.
///
/// # Errors
/// Errors in reading.
pub fn read(path: &Path) -> io::Result<BTreeMap<u64, TrackFlags>> {
    let tracks = tracks::read(&mut File::open(path)?)?;
    let body = tracks.map(|(_, body)| body).unwrap_or_default();
    Ok(tracks::entries(&body)
        .filter_map(|entry| Some((number(entry.body)?, TrackFlags::of(entry.body))))
        .collect())
}

/// Gives tracks of a file flags, by their numbers. Returns whether there is room for them, which comes from sizes that were written with more bytes
/// than they need. Otherwise nothing is changed.
///
/// # Errors
/// Errors in reading and writing.
pub fn write(path: &Path, flags: &BTreeMap<u64, TrackFlags>) -> io::Result<bool> {
    if flags.values().all(|flags| flags.0.is_empty()) {
        return Ok(true);
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    let Some((place, body)) = tracks::read(&mut file)? else {
        return Ok(false);
    };
    let room = (place.body - place.start) as usize + body.len();
    let Some(bytes) = filled(&with_flags(&body, flags), room) else {
        return Ok(false);
    };
    file.seek(SeekFrom::Start(place.start))?;
    file.write_all(&bytes)?;
    let kinds = flags.values().flat_map(|flags| &flags.0);
    state_version(&mut file, kinds.map(|kind| kind.version).max().unwrap_or(1))?;
    file.sync_all()?;
    Ok(true)
}

/// Raises the version that the head of a file states, where it is lower.
fn state_version(file: &mut File, version: u8) -> io::Result<()> {
    let Some(header) = Place::read(file, 0)?.filter(|header| header.id == HEADER) else {
        return Ok(());
    };
    let mut next = header.body;
    while let Some(element) = Place::read(file, next)? {
        let Some(end) = element.end.filter(|&end| header.end.is_some_and(|limit| end <= limit)) else {
            break;
        };
        if element.id == DOC_TYPE_VERSION && end - element.body == 1 {
            let mut stated = [0];
            file.seek(SeekFrom::Start(element.body))?;
            file.read_exact(&mut stated)?;
            file.seek(SeekFrom::Start(element.body))?;
            return file.write_all(&[stated[0].max(version)]);
        }
        next = end;
    }
    Ok(())
}

/// Returns the body of the tracks with these flags, and with sizes in as few bytes as possible.
fn with_flags(body: &[u8], flags: &BTreeMap<u64, TrackFlags>) -> Vec<u8> {
    let mut tracks = Vec::with_capacity(body.len());
    for element in children(body).filter(|element| element.id != VOID) {
        let of_track = number(element.body).and_then(|number| flags.get(&number));
        let (TRACK_ENTRY, Some(flags)) = (element.id, of_track) else {
            element.write(1, &mut tracks);
            continue;
        };
        let mut entry = Vec::with_capacity(element.body.len());
        let is_flag = |id: u32| KINDS.iter().any(|kind| kind.id == id);
        for element in children(element.body).filter(|element| !is_flag(element.id) && element.id != VOID) {
            let mut settings = Vec::new();
            if SETTINGS.contains(&element.id) {
                children(element.body).for_each(|setting| setting.write(1, &mut settings));
                Element {
                    body: &settings,
                    ..element
                }
                .write(1, &mut entry);
            } else {
                element.write(1, &mut entry);
            }
        }
        for kind in &flags.0 {
            let value = [u8::from(!kind.default)];
            Element {
                id: kind.id,
                body: &value,
            }
            .write(1, &mut entry);
        }
        Element {
            body: &entry,
            ..element
        }
        .write(1, &mut tracks);
    }
    tracks
}

/// Returns the element of the tracks in exactly `room` bytes, with an empty element after it. `None` where it is larger.
fn filled(body: &[u8], room: usize) -> Option<Vec<u8>> {
    let tracks = Element { id: TRACKS, body };
    let mut bytes = Vec::with_capacity(room);
    tracks.write(1, &mut bytes);
    if bytes.len() + 1 == room {
        // An empty element has two bytes at least.
        let width = bytes.len() - body.len() - 4;
        bytes.clear();
        tracks.write(width + 1, &mut bytes);
    }
    let rest = room.checked_sub(bytes.len())?;
    if rest > 0 {
        // Its own id and size take 2 bytes, or 9.
        let width = if rest < 128 { 1 } else { 8 };
        let empty = vec![0; rest.checked_sub(1 + width)?];
        Element { id: VOID, body: &empty }.write(width, &mut bytes);
    }
    (bytes.len() == room).then_some(bytes)
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::{super::tracks::TRACK_NUMBER, *};

    fn element(id: u32, body: &[u8], width: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        Element { id, body }.write(width, &mut bytes);
        bytes
    }

    /// A file as the muxer writes it, with two tracks and a cluster.
    fn file(width: usize) -> Vec<u8> {
        let head = [element(DOC_TYPE_VERSION, &[2], 1), element(0x4285, &[2], 1)].concat();
        let video = element(0xe0, &element(0xb0, &[96], 1), width);
        let track = |number: u8| {
            let entry = [
                element(TRACK_NUMBER, &[number], 1),
                element(0x86, b"V_TEST", 1),
                video.clone(),
            ];
            element(TRACK_ENTRY, &entry.concat(), width)
        };
        let tracks = element(TRACKS, &[track(1), track(2)].concat(), width);
        let segment = [tracks, element(0x1f43_b675, b"frames", 8)].concat();
        [element(HEADER, &head, 8), element(0x1853_8067, &segment, 8)].concat()
    }

    fn flags(names: &[&str]) -> TrackFlags {
        let kinds = KINDS.into_iter();
        TrackFlags(kinds.filter(|kind| names.contains(&kind.name)).collect())
    }

    #[test]
    fn flags_find_room_and_nothing_else_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mkv");
        let bytes = file(8);
        for wanted in [
            vec![flags(&["default"])],
            vec![flags(&["forced", "default"]), flags(&["enabled"])],
            vec![
                flags(&[]),
                flags(&["a commentary", "in the original language", "forced", "default"]),
            ],
        ] {
            std::fs::write(&path, &bytes).unwrap();
            let wanted: BTreeMap<u64, TrackFlags> = (1..).zip(wanted).collect();
            assert!(write(&path, &wanted).unwrap());
            let found = read(&path).unwrap();
            assert_eq!(found.len(), 2);
            for (number, flags) in &wanted {
                assert_eq!(&found[number], flags);
            }
            let written = std::fs::read(&path).unwrap();
            assert_eq!(written.len(), bytes.len());
            assert!(written.ends_with(b"frames"));
            let cluster = |bytes: &[u8]| Place::find(&mut io::Cursor::new(bytes), 0x1f43_b675).unwrap().unwrap();
            assert_eq!(cluster(&written), cluster(&bytes));
            let version = written
                .windows(4)
                .position(|window| window[..2] == [0x42, 0x87])
                .unwrap();
            let is_new = wanted
                .values()
                .any(|flags| flags.0.iter().any(|kind| kind.version == 4));
            assert_eq!(written[version + 3], if is_new { 4 } else { 2 });
        }
    }

    #[test]
    fn where_there_is_no_room_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mkv");
        std::fs::write(&path, file(1)).unwrap();
        assert!(!write(&path, &BTreeMap::from([(1, flags(&["forced"]))])).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), file(1));
    }

    #[test]
    fn a_rest_of_any_length_is_filled() {
        for rest in 0..300 {
            let bytes = filled(&[0; 40], 45 + rest).unwrap();
            assert_eq!(bytes.len(), 45 + rest);
            assert_eq!(children(&bytes).next().unwrap().body, [0; 40]);
            assert!(children(&bytes).skip(1).all(|element| element.id == VOID));
        }
        assert_eq!(filled(&[0; 40], 44), None);
    }
}
