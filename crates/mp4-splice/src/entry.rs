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

#[cfg(test)]
mod tests {
    // A test may panic: that is how it fails.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::boxes::Mp4Box;

    fn entry(kind: &Kind, size: (u16, u16), boxes: &[&Kind]) -> Vec<u8> {
        let mut fixed = vec![0; FIXED - 8];
        fixed[24..26].copy_from_slice(&size.0.to_be_bytes());
        fixed[26..28].copy_from_slice(&size.1.to_be_bytes());
        for inner in boxes {
            // So that it can be told whose box it is.
            fixed.extend(Mp4Box::bytes(inner, kind.to_vec()).to_bytes());
        }
        Mp4Box::bytes(kind, fixed).to_bytes()
    }

    fn told(entry: &[u8]) -> Vec<(Kind, &[u8])> {
        assert_eq!(entry[..4], (entry.len() as u32).to_be_bytes());
        boxes(entry)
            .into_iter()
            .map(|(kind, bytes)| (kind, &bytes[8..]))
            .collect()
    }

    #[test]
    fn what_is_true_of_the_picture_is_kept_where_the_new_entry_lacks_it() {
        let old = entry(
            b"avc1",
            (64, 48),
            &[b"avcC", b"colr", b"btrt", b"pasp", b"clap", b"mdcv"],
        );
        let new = entry(b"hvc1", (64, 48), &[b"hvcC", b"pasp", b"btrt"]);
        let joined = joined(&new, &old, 2).unwrap();
        let expected: [(Kind, &[u8]); 5] = [
            (*b"hvcC", b"hvc1"),
            (*b"pasp", b"hvc1"),
            (*b"colr", b"avc1"),
            (*b"clap", b"avc1"),
            (*b"mdcv", b"avc1"),
        ];
        assert_eq!(told(&joined), expected);
        assert_eq!(joined[4..8], *b"hvc1");
        assert_eq!(joined[DATA_REFERENCE], [0, 2]);
    }

    #[test]
    fn an_aperture_for_pictures_of_another_size_is_not_kept() {
        let old = entry(b"avc1", (64, 48), &[b"clap", b"pasp"]);
        let new = entry(b"avc1", (128, 48), &[]);
        let expected: [(Kind, &[u8]); 1] = [(*b"pasp", b"avc1")];
        assert_eq!(told(&joined(&new, &old, 1).unwrap()), expected);
    }

    #[test]
    fn an_entry_that_is_cut_off_is_refused() {
        let old = entry(b"avc1", (64, 48), &[]);
        assert!(joined(&old[..FIXED - 1], &old, 1).is_err());
        assert!(joined(&old, &old[..20], 1).is_ok());
    }

    #[test]
    fn encrypted_entries_are_known() {
        assert!(is_encrypted(&entry(b"encv", (64, 48), &[])));
        assert!(is_encrypted(&entry(b"avc1", (64, 48), &[b"avcC", b"sinf"])));
        assert!(!is_encrypted(&entry(b"avc1", (64, 48), &[b"avcC"])));
    }
}
