// SPDX-License-Identifier: MPL-2.0

//! Detecting Matroska files, and truncated ones. The file states its length (RFC 8794 for sizes, RFC 9559 for the segment), and demuxers end without
//! an error where it ends early.

use std::{fs::File, path::Path};

use crate::media::matroska::ebml::{HEADER, Place, SEGMENT};

/// Whether a file is Matroska, or WebM.
pub fn is_matroska(path: &Path) -> bool {
    let header = File::open(path).and_then(|mut file| Place::read(&mut file, 0));
    header.is_ok_and(|header| header.is_some_and(|header| header.id == HEADER))
}

/// Returns the number of bytes that a file lacks. `None` where it is complete, where it does not state its length, as live recordings
/// do, and where it is not Matroska.
pub fn missing_bytes(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let header = Place::read(&mut file, 0).ok()?.filter(|header| header.id == HEADER)?;
    let segment = Place::read(&mut file, header.end?)
        .ok()?
        .filter(|segment| segment.id == SEGMENT)?;
    segment.end?.checked_sub(length).filter(|&missing| missing > 0)
}
