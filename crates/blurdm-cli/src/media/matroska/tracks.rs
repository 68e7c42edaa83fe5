// SPDX-License-Identifier: MPL-2.0

//! The description of the tracks of a file.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use super::ebml::{Element, Place, children};

pub const TRACKS: u32 = 0x1654_ae6b;
pub const TRACK_ENTRY: u32 = 0xae;
pub const TRACK_NUMBER: u32 = 0xd7;

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
