// SPDX-License-Identifier: MPL-2.0

//! Tracks of an MP4 that GStreamer's demuxer does not read, such as time codes, positions and other data of cameras. Their samples are found by
//! `mp4parse`, which has no part in writing them.

use std::{
    fmt,
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use mp4_splice::{Movie, boxes::Header};
use mp4parse::unstable::{CheckedInteger, create_sample_table};
use sha2::{Digest, Sha256};

use super::packets::Streams;
use crate::media::CAT;

/// A larger index is not parsed.
const MAX_MOOV: u64 = 128 << 20;

/// A track that GStreamer does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenTrack {
    id: u32,
    /// The type of its media, four characters.
    kind: String,
    /// Whether all its samples are in the file, and not in another one.
    is_inside: bool,
    /// The tracks for whose streaming it holds hints (ISO/IEC 14496-12, 9).
    hints_for: Vec<u32>,
}

/// As in "track 2 ('tmcd'), which GStreamer does not read".
impl fmt::Display for HiddenTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "track {} ('{}'), which GStreamer does not read", self.id, self.kind)
    }
}

impl HiddenTrack {
    /// Returns those of a file in which GStreamer has found these streams. None where it is no MP4.
    pub fn all(path: &Path, streams: &Streams) -> Vec<Self> {
        let Ok(movie) = Movie::open(path) else {
            return Vec::new();
        };
        let read: Vec<u32> = streams.by_id.keys().filter_map(|id| id.parse().ok()).collect();
        let hidden = movie.tracks().iter();
        hidden
            .filter(|track| track.samples > 0 && !read.contains(&track.id))
            .map(|track| Self {
                id: track.id,
                kind: track.handler.iter().map(|&byte| char::from(byte)).collect(),
                is_inside: track.chunks.iter().all(|chunk| track.is_in_this_file(chunk)),
                hints_for: match &track.handler {
                    b"hint" => track.referred(b"hint").collect(),
                    _ => Vec::new(),
                },
            })
            .collect()
    }

    /// Whether it holds hints for one of these videos, which are of no use for a new one.
    fn hints_for_any(&self, videos: &[&str]) -> bool {
        let ids = videos.iter().filter_map(|id| id.parse().ok());
        ids.into_iter().any(|id| self.hints_for.contains(&id))
    }
}

/// Checks that these tracks have the same samples at the same times in both files, but for the hints for the `restored` videos. What the parser cannot
/// read of them is not compared: it knows fewer codecs than GStreamer.
pub fn check_same(tracks: &[HiddenTrack], restored: &[&str], original: &Path, written: &Path) -> Result<(), String> {
    let is_compared = |track: &&HiddenTrack| track.is_inside && !track.hints_for_any(restored);
    let tracks: Vec<&HiddenTrack> = tracks.iter().filter(is_compared).collect();
    if tracks.is_empty() {
        return Ok(());
    }
    let [mut before, mut after] = match [original, written].map(Samples::open) {
        [Ok(before), Ok(after)] => [before, after],
        [Err(error), _] | [_, Err(error)] => {
            gst::info!(CAT, "tracks that GStreamer does not read are not compared: {error}");
            return Ok(());
        }
    };
    for track in tracks {
        let Ok(Some(expected)) = before.hash(track.id) else {
            gst::info!(CAT, "track {} is not compared", track.id);
            continue;
        };
        let found = after.hash(track.id).map_err(|error| error.to_string())?;
        if found.as_ref() != Some(&expected) {
            return Err(format!(
                "track {} ('{}') is not that of the original",
                track.id, track.kind
            ));
        }
    }
    Ok(())
}

/// The samples of a file's tracks.
struct Samples {
    file: File,
    tracks: Vec<mp4parse::Track>,
}

impl Samples {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let moov = read_moov(&mut file)?;
        let context = mp4parse::read_mp4(&mut Cursor::new(moov));
        let context = context.map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(Self {
            file,
            tracks: context.tracks.into_iter().collect(),
        })
    }

    /// Returns the hash of the times, sizes and bytes of a track's samples. `None` where the parser does not know them.
    fn hash(&mut self, id: u32) -> io::Result<Option<Vec<u8>>> {
        let track = self.tracks.iter().find(|track| track.track_id == Some(id));
        let Some(samples) = track.and_then(|track| create_sample_table(track, CheckedInteger(0))) else {
            return Ok(None);
        };
        let mut digest = Sha256::new();
        for sample in &samples {
            let (start, end) = (sample.start_offset.0, sample.end_offset.0);
            let size = end.saturating_sub(start);
            for number in [sample.start_decode.0, sample.start_composition.0] {
                digest.update(number.to_be_bytes());
            }
            digest.update(size.to_be_bytes());
            self.file.seek(SeekFrom::Start(start))?;
            let copied = io::copy(&mut Read::take(&self.file, size), &mut HashWriter(&mut digest))?;
            if copied < size {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("a sample of track {id} is behind the end of the file"),
                ));
            }
        }
        Ok(Some(digest.finalize().to_vec()))
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the index, so that the parser need not read the whole file.
pub(super) fn read_moov(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let none = || io::Error::new(io::ErrorKind::InvalidData, "it has no moov box");
    let mut at = 0;
    while at < length {
        let mut header = Vec::with_capacity(16);
        file.seek(SeekFrom::Start(at))?;
        Read::take(&*file, 16).read_to_end(&mut header)?;
        let found = Header::parse(&header).ok_or_else(none)?;
        let size = found.size.unwrap_or(length - at);
        if &found.kind == b"moov" && size <= MAX_MOOV {
            let mut moov = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            Read::take(&*file, size).read_to_end(&mut moov)?;
            return Ok(moov);
        }
        at = at.checked_add(size).ok_or_else(none)?;
    }
    Err(none())
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use std::{collections::BTreeMap, fs};

    use super::*;

    fn container(kind: &[u8; 4], bodies: &[Vec<u8>]) -> Vec<u8> {
        let body = bodies.concat();
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
    }

    fn table(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
        let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
        container(kind, &[vec![0; 4], numbers.collect()])
    }

    /// A file with one track of this type, whose three samples of 4 bytes last `ticks` each. `moved`: bytes before them.
    fn file(kind: &[u8; 4], samples: &[u8; 12], ticks: u32, moved: usize) -> Vec<u8> {
        let build = |offset: u32| {
            let hdlr = container(b"hdlr", &[vec![0; 8], kind.to_vec(), vec![0; 13]]);
            let entry = container(kind, &[vec![0, 0, 0, 0, 0, 0, 0, 1]]);
            let stbl = [
                container(b"stsd", &[vec![0, 0, 0, 0, 0, 0, 0, 1], entry]),
                table(b"stts", &[1, 3, ticks]),
                table(b"stsc", &[1, 1, 3, 1]),
                table(b"stsz", &[4, 3]),
                table(b"stco", &[1, offset]),
            ];
            let minf = container(b"minf", &[container(b"stbl", &stbl)]);
            let mdia = container(b"mdia", &[table(b"mdhd", &[0, 0, 1000, 3 * ticks, 0]), hdlr, minf]);
            let tkhd = table(b"tkhd", &[[0, 0, 7].to_vec(), vec![0; 17]].concat());
            let mvhd = table(b"mvhd", &[[0, 0, 1000, 120].to_vec(), vec![0; 20]].concat());
            let moov = container(b"moov", &[mvhd, container(b"trak", &[tkhd, mdia])]);
            let ftyp = container(b"ftyp", &[b"isom\0\0\0\0".to_vec()]);
            [ftyp, moov, container(b"free", &[vec![0; moved]])].concat()
        };
        let offset = build(0).len() as u32 + 8;
        [build(offset), container(b"mdat", &[samples.to_vec()])].concat()
    }

    fn check(before: &[u8], after: &[u8]) -> (Vec<HiddenTrack>, Result<(), String>) {
        let folder = tempfile::tempdir().unwrap();
        let [original, written] = ["a.mp4", "b.mp4"].map(|name| folder.path().join(name));
        fs::write(&original, before).unwrap();
        fs::write(&written, after).unwrap();
        let streams = Streams {
            by_id: BTreeMap::new(),
            error: None,
        };
        let tracks = HiddenTrack::all(&original, &streams);
        let same = check_same(&tracks, &[], &original, &written);
        (tracks, same)
    }

    #[test]
    fn samples_may_move_but_must_be_the_same_at_the_same_times() {
        for kind in [b"tmcd", b"gps ", b"meta", b"camm"] {
            let original = file(kind, b"abcdefghijkl", 40, 0);
            let (tracks, same) = check(&original, &file(kind, b"abcdefghijkl", 40, 99));
            assert_eq!((tracks.len(), same), (1, Ok(())));
            let name = String::from_utf8_lossy(kind);
            assert_eq!(
                tracks[0].to_string(),
                format!("track 7 ('{name}'), which GStreamer does not read")
            );
            for other in [file(kind, b"abcdefghijkL", 40, 99), file(kind, b"abcdefghijkl", 41, 0)] {
                let refused = Err(format!("track 7 ('{name}') is not that of the original"));
                assert_eq!(check(&original, &other).1, refused);
            }
        }
    }

    #[test]
    fn an_index_that_leads_nowhere_is_found() {
        let original = file(b"tmcd", b"abcdefghijkl", 40, 0);
        let mut cut = original.clone();
        cut.truncate(cut.len() - 4);
        assert!(
            check(&original, &cut)
                .1
                .unwrap_err()
                .contains("behind the end of the file")
        );
    }
}
