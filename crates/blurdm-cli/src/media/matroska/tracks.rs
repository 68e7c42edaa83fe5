// SPDX-License-Identifier: MPL-2.0

//! The description of the tracks of a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::ebml::{Element, Place, children};

pub const TRACKS: u32 = 0x1654_ae6b;
pub const TRACK_ENTRY: u32 = 0xae;
pub const TRACK_NUMBER: u32 = 0xd7;
/// The settings of a track that is a video.
pub const VIDEO: u32 = 0xe0;
/// How the pictures of a video lie before the one who sees them, among these, and its kind: flat, or one of spherical video.
pub const PROJECTION: u32 = 0x7670;
pub const PROJECTION_TYPE: u32 = 0x7671;
const CODEC_DELAY: u32 = 0x56aa;

/// More bytes of tracks are taken for damage.
const MAX_TRACKS: u64 = 64 << 20;

/// Reads the element that describes the tracks. `None` where there is none, or it is not whole.
///
/// # Errors
/// Errors in reading.
pub fn read(file: &mut File) -> io::Result<Option<(Place, Vec<u8>)>> {
    let tracks = Place::find(file, TRACKS)?;
    let whole = tracks.and_then(|tracks| Some((tracks, tracks.end? - tracks.body)));
    let Some((tracks, size)) = whole.filter(|(_, size)| *size <= MAX_TRACKS) else {
        return Ok(None);
    };
    let mut body = Vec::new();
    file.seek(SeekFrom::Start(tracks.body))?;
    Read::take(&mut *file, size).read_to_end(&mut body)?;
    Ok((body.len() as u64 == size).then_some((tracks, body)))
}

/// Returns the tracks that are described in the body of that element.
pub fn entries(body: &[u8]) -> impl Iterator<Item = Element<'_>> {
    children(body).filter(|element| element.id == TRACK_ENTRY)
}

/// Returns the number of a track.
pub fn number(entry: &[u8]) -> Option<u64> {
    children(entry).find(|element| element.id == TRACK_NUMBER)?.number()
}

/// Returns the delay of the decoder of each track that states one, in nanoseconds, by the number of the track. None where the file is not Matroska.
pub fn codec_delays(path: &Path) -> BTreeMap<u64, u64> {
    let tracks = File::open(path).and_then(|mut file| read(&mut file)).ok().flatten();
    let body = tracks.map(|(_, body)| body).unwrap_or_default();
    let delay = |entry: Element| {
        let delay = children(entry.body).find(|element| element.id == CODEC_DELAY)?;
        Some((number(entry.body)?, delay.number()?))
    };
    entries(&body).filter_map(delay).collect()
}
