// SPDX-License-Identifier: MPL-2.0

//! Whether a Matroska file is all there: it says how long it is (RFC 8794 for sizes, RFC 9559 for the segment), and demuxers end without a word
//! where it ends too early.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

const HEADER: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];

/// How many bytes a file lacks; none where it is whole, where it does not say, as a live recording, and where it is no Matroska.
pub fn missing_bytes(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let header = element(&mut file, HEADER).ok()??;
    file.seek(SeekFrom::Start(header)).ok()?;
    let end = element(&mut file, SEGMENT).ok()??;
    end.checked_sub(length).filter(|&missing| missing > 0)
}

/// Where the element ends that begins here; none if it is another, or does not say.
fn element(file: &mut File, id: [u8; 4]) -> io::Result<Option<u64>> {
    let mut found = [0; 5];
    file.read_exact(&mut found)?;
    let [a, b, c, d, first] = found;
    // The zeros in front of the first one tell how many bytes more the size has.
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
