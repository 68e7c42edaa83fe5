// SPDX-License-Identifier: MPL-2.0

//! Detecting Matroska files, and truncated ones. The file states its length (RFC 8794 for sizes, RFC 9559 for the segment), and demuxers end without
//! an error where it ends early.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

const HEADER: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];

/// Whether a file is Matroska, or WebM.
pub fn is_matroska(path: &Path) -> bool {
    let mut id = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut id));
    read.is_ok() && id == HEADER
}

/// Returns the number of bytes that a file lacks. `None` where it is complete, where it does not state its length, as live recordings
/// do, and where it is not Matroska.
pub fn missing_bytes(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let header = element_end(&mut file, HEADER).ok()??;
    file.seek(SeekFrom::Start(header)).ok()?;
    let end = element_end(&mut file, SEGMENT).ok()??;
    end.checked_sub(length).filter(|&missing| missing > 0)
}

/// Returns the end of the element that starts here. `None` if it has another id, or no stated size.
fn element_end(file: &mut File, id: [u8; 4]) -> io::Result<Option<u64>> {
    let mut found = [0; 5];
    file.read_exact(&mut found)?;
    let [a, b, c, d, first] = found;
    // The number of leading zeros is the number of further bytes of the size.
    let more = first.leading_zeros();
    if [a, b, c, d] != id || more > 7 {
        return Ok(None);
    }
    let mut rest = [0; 7];
    let rest = &mut rest[..more as usize];
    file.read_exact(rest)?;
    let lead = u64::from(first) & (0x7f >> more);
    let size = rest.iter().fold(lead, |size, &byte| size << 8 | u64::from(byte));
    let unknown = (1 << (7 * (more + 1))) - 1;
    let here = file.stream_position()?;
    Ok((size != unknown).then(|| here.saturating_add(size)))
}
