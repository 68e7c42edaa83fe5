// SPDX-License-Identifier: MPL-2.0

//! Boxes of MP4 in memory.

use mp4_splice::boxes::{FourCc, Header};

/// Returns the boxes that follow each other, up to the first that is not whole.
pub fn boxes(bytes: &[u8]) -> impl Iterator<Item = (FourCc, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let header = Header::parse(rest)?;
        let length = usize::try_from(header.length).ok()?;
        let size = match header.size {
            Some(size) => usize::try_from(size).ok()?,
            None => rest.len(),
        };
        let (whole, after) = rest.split_at_checked(size)?;
        rest = after;
        Some((header.kind, whole.get(length..)?))
    })
}
