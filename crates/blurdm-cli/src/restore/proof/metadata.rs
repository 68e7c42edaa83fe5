// SPDX-License-Identifier: MPL-2.0

//! What a file says about itself in names and values, as its container stores them. GStreamer passes on those that it has a tag for.

use std::{
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use mp4_splice::boxes::FourCc;

use super::{hidden::read_moov, mp4_boxes::boxes, shown_as};
use crate::media::matroska::{
    ebml::{Element, Place, children},
    tracks::{TRACK_ENTRY, TRACKS},
};

/// Where Matroska has names and values.
const TAGS: u32 = 0x1254_c367;
const TAG: u32 = 0x7373;
const SIMPLE_TAG: u32 = 0x67c8;
const TAG_NAME: u32 = 0x45a3;
const TAG_STRING: u32 = 0x4487;
const INFO: u32 = 0x1549_a966;
const TITLE: u32 = 0x7ba9;
const TRACK_NAME: u32 = 0x536e;

/// More bytes than these are not read.
const MAX_BYTES: u64 = 64 << 20;

/// How deep boxes and tags may be nested.
const MAX_DEPTH: usize = 6;

/// Names of what describes the coding or the file, and changes with it: of Matroska the beginnings, of MP4 whole ones. What [`super::labels`] compares is
/// among them: covers, chapters, the position and the date.
const OF_THE_FILE: [&str; 9] = [
    "ENCODER",
    "DURATION",
    "BPS",
    "BITSPS",
    "CODEC",
    "NUMBER_OF_",
    "_STATISTICS_",
    "SOURCE_ID",
    "enhanced by",
];
const COMPARED_OR_OF_THE_FILE: [&str; 15] = [
    "©too", "©enc", "encoder", "covr", "chpl", "©day", "©xyz", "hnti", "hinf", "free", "skip", "loci", "trkn", "disk",
    "tmpo",
];

/// How much of a value a sentence has.
const SHOWN: usize = 60;

/// A name with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadatum {
    /// Empty for titles of files and tracks, which [`super::labels`] compares.
    name: String,
    /// `None` where it is no text.
    value: Option<String>,
}

impl Metadatum {
    /// One that has no text.
    fn named(name: String) -> Self {
        Self { name, value: None }
    }
}

/// As in "the metadata camera_model 'X100'".
impl fmt::Display for Metadatum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the metadata {}", self.name)?;
        let Some(value) = &self.value else { return Ok(()) };
        match value.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, " '{}...'", &value[..end]),
            None => write!(f, " '{value}'"),
        }
    }
}

/// Returns what `original` says and `written` does not, under whatever name. `told`: sentences about what else is lost, which end in values as well.
pub fn lost(original: &Path, written: &Path, told: &[String]) -> Vec<String> {
    let after = all(written);
    let is_lost = |datum: &Metadatum| {
        let Some(value) = &datum.value else {
            let is_same = |other: &Metadatum| other.value.is_none() && shown_as::is_same(&datum.name, &other.name);
            return !after.iter().any(is_same);
        };
        let quoted = format!("'{value}'");
        !after.iter().any(|other| other.value.as_ref() == Some(value))
            && !told.iter().any(|told| told.ends_with(&quoted))
    };
    let mut lost: Vec<String> = Vec::new();
    for datum in all(original)
        .iter()
        .filter(|datum| !datum.name.is_empty() && is_lost(datum))
    {
        let sentence = datum.to_string();
        if !lost.contains(&sentence) {
            lost.push(sentence);
        }
    }
    lost
}

/// Returns all of a file. None where its container is neither MP4 nor Matroska, or cannot be read.
fn all(path: &Path) -> Vec<Metadatum> {
    let Ok(mut file) = File::open(path) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Ok(moov) = read_moov(&mut file) {
        for (_, body) in boxes(&moov) {
            of_movie(body, MAX_DEPTH, &mut found);
        }
        found.retain(|datum| !COMPARED_OR_OF_THE_FILE.contains(&datum.name.as_str()));
    } else {
        for (parent, of) in [
            (TAGS, of_tags as fn(&[u8], &mut Vec<Metadatum>)),
            (INFO, of_info),
            (TRACKS, of_tracks),
        ] {
            if let Some(body) = element(&mut file, parent) {
                of(&body, &mut found);
            }
        }
        found.retain(|datum| !OF_THE_FILE.iter().any(|name| datum.name.starts_with(name)));
    }
    found
}

/// Returns the body of the first element with this id in a segment. Tags may be behind clusters whose size is not stated, and are not found then.
fn element(file: &mut File, id: u32) -> Option<Vec<u8>> {
    let place = Place::find(file, id).ok()??;
    let size = place.end?.checked_sub(place.body).filter(|&size| size <= MAX_BYTES)?;
    let mut body = Vec::new();
    file.seek(SeekFrom::Start(place.body)).ok()?;
    Read::take(&mut *file, size).read_to_end(&mut body).ok()?;
    Some(body)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn of_tags(tags: &[u8], found: &mut Vec<Metadatum>) {
    for tag in children(tags).filter(|element| element.id == TAG) {
        of_simple_tags(tag.body, MAX_DEPTH, found);
    }
}

fn of_simple_tags(parent: &[u8], depth: usize, found: &mut Vec<Metadatum>) {
    for simple in children(parent).filter(|element| element.id == SIMPLE_TAG && depth > 0) {
        let field = |id: u32| children(simple.body).find(|element: &Element| element.id == id);
        if let Some(name) = field(TAG_NAME) {
            found.push(Metadatum {
                name: text(name.body),
                value: field(TAG_STRING).map(|value| text(value.body)),
            });
        }
        of_simple_tags(simple.body, depth - 1, found);
    }
}

fn of_info(info: &[u8], found: &mut Vec<Metadatum>) {
    push_texts(info, TITLE, found);
}

fn of_tracks(tracks: &[u8], found: &mut Vec<Metadatum>) {
    for track in children(tracks).filter(|element| element.id == TRACK_ENTRY) {
        push_texts(track.body, TRACK_NAME, found);
        found.extend(shown_as::of_matroska(track.body).map(Metadatum::named));
    }
}

fn push_texts(parent: &[u8], id: u32, found: &mut Vec<Metadatum>) {
    for field in children(parent).filter(|element| element.id == id) {
        found.push(Metadatum {
            name: String::new(),
            value: Some(text(field.body)),
        });
    }
}

fn name(kind: FourCc) -> String {
    kind.iter().map(|&byte| char::from(byte)).collect()
}

/// Finds what a movie says, and its tracks: metadata are in `udta`, and in `meta` there and beside it.
fn of_movie(parent: &[u8], depth: usize, found: &mut Vec<Metadatum>) {
    for (kind, body) in boxes(parent).filter(|_| depth > 0) {
        match &kind {
            b"trak" => {
                of_movie(body, depth - 1, found);
                found.extend(shown_as::of_mp4(body).into_iter().map(Metadatum::named));
            }
            b"meta" => of_meta(body, found),
            b"udta" => {
                for (kind, body) in boxes(body) {
                    match &kind {
                        b"meta" => of_meta(body, found),
                        _ => found.push(Metadatum {
                            name: name(kind),
                            value: of_quicktime(kind, body),
                        }),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns the text of an entry of QuickTime, which has its length and its language before it.
fn of_quicktime(kind: FourCc, body: &[u8]) -> Option<String> {
    let &[high, low, _, _, ref rest @ ..] = body else {
        return None;
    };
    let is_text = kind.first() == Some(&0xa9);
    let bytes = rest.get(..usize::from(u16::from_be_bytes([high, low])));
    bytes.filter(|_| is_text).map(text)
}

/// Entries are named by their type, by a name in them, or by their place in a list of keys (Apple's QuickTime File Format, metadata atoms).
fn of_meta(body: &[u8], found: &mut Vec<Metadatum>) {
    // QuickTime's has no version before its boxes.
    let body = match body.get(4..8) {
        Some(b"hdlr") => body,
        _ => body.get(4..).unwrap_or_default(),
    };
    let part = |kind: &FourCc| boxes(body).find(|(found, _)| found == kind).map(|(_, body)| body);
    let keys: Vec<String> = part(b"keys")
        .and_then(|keys| keys.get(8..))
        .map(|keys| boxes(keys).map(|(_, key)| text(key)).collect())
        .unwrap_or_default();
    for (kind, entry) in part(b"ilst").into_iter().flat_map(boxes) {
        let field = |kind: &FourCc| boxes(entry).find(|(found, _)| found == kind).map(|(_, body)| body);
        let key = (u32::from_be_bytes(kind) as usize)
            .checked_sub(1)
            .and_then(|key| keys.get(key));
        let own = field(b"name").and_then(|name| name.get(4..)).map(text);
        found.push(Metadatum {
            name: key.cloned().or(own).unwrap_or_else(|| name(kind)),
            value: field(b"data").and_then(of_data),
        });
    }
}

/// Returns the value of an entry where it is text, of type 1.
fn of_data(data: &[u8]) -> Option<String> {
    let &[0, 0, 0, 1, _, _, _, _, ref value @ ..] = data else {
        return None;
    };
    Some(text(value))
}
