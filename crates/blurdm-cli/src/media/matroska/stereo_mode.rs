// SPDX-License-Identifier: MPL-2.0

//! The number for both eyes side by side with the right one first. For GStreamer up to 1.22 it is 9, which means interleaved columns (RFC 9559, section
//! 5.1.4.1.28.3).

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use super::{
    ebml::{Element, Place, children},
    tracks::{self, TRACK_ENTRY, TRACKS},
};

const VIDEO: u32 = 0xe0;
const STEREO_MODE: u32 = 0x53b8;
const INTERLEAVED_COLUMNS: u64 = 9;
const RIGHT_LEFT: u8 = 11;

/// Corrects the number in a file that GStreamer has muxed. That of `original` stays what it is, since it is read and written alike.
///
/// # Errors
/// Errors in reading and writing.
pub fn correct(path: &Path, original: &Path) -> io::Result<()> {
    // What cannot be read is no Matroska.
    if has_interleaved_columns(original).unwrap_or(false) {
        return Ok(());
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    let Some(tracks) = Place::find(&mut file, TRACKS)? else {
        return Ok(());
    };
    for entry in within(&mut file, tracks, TRACK_ENTRY)? {
        for video in within(&mut file, entry, VIDEO)? {
            for mode in within(&mut file, video, STEREO_MODE)? {
                correct_number(&mut file, mode)?;
            }
        }
    }
    Ok(())
}

fn has_interleaved_columns(path: &Path) -> io::Result<bool> {
    let body = tracks::read(&mut File::open(path)?)?.map(|(_, body)| body);
    let body = body.unwrap_or_default();
    let is_one = |mode: Element| mode.number() == Some(INTERLEAVED_COLUMNS);
    Ok(tracks::entries(&body).any(|entry| modes(entry.body).any(is_one)))
}

/// Returns the elements of a track that say how both eyes are in one picture.
fn modes(entry: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let videos = children(entry).filter(|element| element.id == VIDEO);
    let settings = videos.flat_map(|video| children(video.body));
    settings.filter(|element| element.id == STEREO_MODE)
}

/// Returns the elements with this id in another.
fn within(file: &mut File, parent: Place, id: u32) -> io::Result<Vec<Place>> {
    let (mut found, mut at) = (Vec::new(), parent.body);
    while let (Some(end), Some(place)) = (parent.end.filter(|&end| at < end), Place::read(file, at)?) {
        let Some(next) = place.end.filter(|&next| next <= end) else {
            break;
        };
        found.extend((place.id == id).then_some(place));
        at = next;
    }
    Ok(found)
}

/// Numbers have their lowest byte last.
fn correct_number(file: &mut File, place: Place) -> io::Result<()> {
    let Some(size) = place.end.map(|end| end - place.body).filter(|&size| size == 1) else {
        return Ok(());
    };
    let at = SeekFrom::Start(place.body + size - 1);
    let mut number = [0];
    file.seek(at)?;
    io::Read::read_exact(file, &mut number)?;
    if u64::from(number[0]) == INTERLEAVED_COLUMNS {
        file.seek(at)?;
        file.write_all(&[RIGHT_LEFT])?;
    }
    Ok(())
}
