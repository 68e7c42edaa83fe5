// SPDX-License-Identifier: MPL-2.0

//! The number for both eyes side by side with the right one first. For GStreamer up to 1.22 it is 9, which means interleaved columns (RFC 9559, section
//! 5.1.4.1.28.3).

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use super::{
    ebml::{Element, children},
    tracks::{self, VIDEO},
};

pub const STEREO_MODE: u32 = 0x53b8;
const INTERLEAVED_COLUMNS: u64 = 9;
const RIGHT_LEFT: u8 = 11;

/// Corrects the number in a file that GStreamer has muxed. That of `original` stays what it is, since it is read and written alike.
///
/// # Errors
/// Errors in reading and writing.
pub fn correct(path: &Path, original: &Path) -> io::Result<()> {
    // What cannot be read is no Matroska.
    let stated = File::open(original).and_then(|mut file| tracks::read(&mut file));
    let stated = stated.ok().flatten().map(|(_, body)| body).unwrap_or_default();
    if interleaved_columns(&stated).next().is_some() {
        return Ok(());
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    let Some((place, body)) = tracks::read(&mut file)? else {
        return Ok(());
    };
    for number in interleaved_columns(&body) {
        // Its lowest byte is the last one.
        let end = number.as_ptr_range().end as usize - body.as_ptr() as usize;
        file.seek(SeekFrom::Start(place.body + end as u64 - 1))?;
        file.write_all(&[RIGHT_LEFT])?;
    }
    Ok(())
}

/// Returns the bytes of the numbers that say so, of all tracks.
fn interleaved_columns(tracks: &[u8]) -> impl Iterator<Item = &[u8]> {
    let videos = tracks::entries(tracks).flat_map(|entry| children(entry.body).filter(|element| element.id == VIDEO));
    let settings = videos.flat_map(|video| children(video.body));
    let is_one = |mode: &Element| mode.id == STEREO_MODE && mode.number() == Some(INTERLEAVED_COLUMNS);
    settings.filter(is_one).map(|mode| mode.body)
}
