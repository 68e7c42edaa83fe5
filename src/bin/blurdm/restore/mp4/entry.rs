// SPDX-License-Identifier: MPL-2.0

//! Visual sample entries: what the new encoder says of its pictures, and what of the original's entry is still true of them.

use super::{
    boxes::{Header, Kind},
    video,
};

/// Bytes of a visual sample entry before the boxes in it, header included. ISO/IEC 14496-12, section 12.1.3.
const FIXED: usize = 86;

/// Bytes of the index of the data reference, after the header and 6 that are reserved.
const DATA_REFERENCE: std::ops::Range<usize> = 14..16;

/// Of the pictures, not of their coding: shape of the pixels, colours, mastering display and light, and what sphere or pair of eyes they are for.
const OF_THE_PICTURE: [&Kind; 10] = [
    b"pasp", b"colr", b"mdcv", b"clli", b"SmDm", b"CoLL", b"st3d", b"sv3d", b"vexu", b"hfov",
];

/// The new entry, with those boxes of the original's that are still true and that it lacks. What it says of the bit rate is left out: it
/// would be of one segment only.
///
/// # Errors
/// What does not fit, as a part of a sentence.
pub fn joined(new: &[u8], original: &[u8], data_reference: u16) -> Result<Vec<u8>, String> {
    let fixed = new.get(..FIXED).ok_or("a sample entry is too short")?;
    let size = video::size(new);
    let new = boxes(new);
    let mut joined = fixed.to_vec();
    joined[DATA_REFERENCE].copy_from_slice(&data_reference.to_be_bytes());
    for (_, bytes) in new.iter().filter(|(kind, _)| kind != b"btrt") {
        joined.extend(*bytes);
    }
    let same_size = size == video::size(original);
    let lacks = |kind: &Kind| !new.iter().any(|(other, _)| other == kind);
    for (kind, bytes) in boxes(original) {
        let true_still = OF_THE_PICTURE.contains(&&kind) || (&kind == b"clap" && same_size);
        if true_still && lacks(&kind) {
            joined.extend(bytes);
        }
    }
    let size = u32::try_from(joined.len()).map_err(|_| "a sample entry is too large")?;
    joined[..4].copy_from_slice(&size.to_be_bytes());
    Ok(joined)
}

/// Boxes of an entry, as far as they are whole.
fn boxes(entry: &[u8]) -> Vec<(Kind, &[u8])> {
    let mut rest = entry.get(FIXED..).unwrap_or(&[]);
    let mut boxes = Vec::new();
    while let Some(header) = Header::parse(rest) {
        let size = header.size.and_then(|size| usize::try_from(size).ok());
        let Some((bytes, after)) = size.and_then(|size| rest.split_at_checked(size)) else {
            break;
        };
        boxes.push((header.kind, bytes));
        rest = after;
    }
    boxes
}

/// Whether an entry is of an encrypted track.
pub fn is_encrypted(entry: &[u8]) -> bool {
    entry.get(4..8) == Some(b"encv") || boxes(entry).iter().any(|(kind, _)| kind == b"sinf")
}
