// SPDX-License-Identifier: MPL-2.0

//! Fragmented MP4 (ISO/IEC 14496-12, section 8.8): boxes follow each other up to the end of the file, and so they do inside the index of a fragment.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use mp4_splice::boxes::{FourCc, Header};

use super::{bytes::Bytes, kind::Damage};

/// Boxes whose content is boxes.
const PARENTS: [&FourCc; 2] = [b"moof", b"traf"];

/// The longest header of a box.
const HEADER: u64 = 16;

/// Returns what a file lacks. The demuxer reads nothing behind a box that is none.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut at = 0;
    while at < length {
        // Such as are too few for a box are padding.
        let found = match length - at {
            ..8 => break,
            _ => header(&mut file, at).ok()?,
        };
        let Some(found) = found else {
            // A file that was made larger before it was recorded has zeros at its end.
            let data = Bytes::open(path).ok()?.skip_zeros(at..length).ok()?;
            return data.map(|_| Damage::Unreadable(at..length, 0));
        };
        let end = found.size.map_or(length, |size| at.saturating_add(size));
        if end > length {
            return Some(Damage::Cut(end - length));
        }
        if &found.kind == b"moof" && !is_whole(&mut file, at, end).ok()? {
            return Some(Damage::Unreadable(at..end, 0));
        }
        at = end;
    }
    None
}

/// Returns the header of the box at this place. `None` where there is none: the type of a box is four characters.
///
/// # Errors
/// Errors in reading.
pub fn header(file: &mut File, at: u64) -> io::Result<Option<Header>> {
    let mut bytes = Vec::with_capacity(HEADER as usize);
    file.seek(SeekFrom::Start(at))?;
    file.by_ref().take(HEADER).read_to_end(&mut bytes)?;
    let is_character = |byte: &u8| byte.is_ascii_graphic() || [b' ', 0xa9].contains(byte);
    let found = Header::parse(&bytes);
    Ok(found.filter(|found| found.kind.iter().all(is_character)))
}

/// Whether the boxes of a range end where it does, and those in them too.
fn is_whole(file: &mut File, start: u64, end: u64) -> io::Result<bool> {
    // Boxes that are looked into take the place of their content.
    let mut ends = vec![end];
    let mut at = start;
    while let Some(&end) = ends.last() {
        if at == end {
            ends.pop();
            continue;
        }
        let Some(found) = header(file, at)? else {
            return Ok(false);
        };
        let Some(next) = found
            .size
            .map(|size| at.saturating_add(size))
            .filter(|&next| next <= end)
        else {
            return Ok(false);
        };
        if PARENTS.contains(&&found.kind) {
            ends.push(next);
            at += found.length;
        } else {
            at = next;
        }
    }
    Ok(true)
}
