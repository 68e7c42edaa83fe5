// SPDX-License-Identifier: MPL-2.0

//! Visual sample entries. ISO/IEC 14496-12, section 12.1.3.

use super::{
    byte_reader::ByteReader,
    header::{FourCc, Header},
};

/// Bytes of a visual sample entry before its boxes, header included.
const FIXED: usize = 86;

/// Where the index of the data reference is: after the header and 6 reserved bytes.
const DATA_REFERENCE: std::ops::Range<usize> = 14..16;

/// Boxes that describe the pictures and not their coding: pixel aspect ratio, colour, mastering display, light levels, spherical and
/// stereoscopic video.
const PICTURE_BOXES: [&FourCc; 10] = [
    b"pasp", b"colr", b"mdcv", b"clli", b"SmDm", b"CoLL", b"st3d", b"sv3d", b"vexu", b"hfov",
];

/// The boxes among them that are about colour. An encoder's are those of the bitstream; the original's are what its maker stated.
const COLOUR_BOXES: [&FourCc; 5] = [b"colr", b"mdcv", b"clli", b"SmDm", b"CoLL"];

/// Returns the new encoder's entry, with those boxes of the original's that still apply: about colour in place of its own, others where it lacks
/// them. The bit rate (`btrt`) is left out, since it describes one segment only.
///
/// # Errors
/// The reason, as a part of a sentence.
pub fn merged(new: &[u8], original: &[u8], data_reference: u16) -> Result<Vec<u8>, String> {
    let fixed = new.get(..FIXED).ok_or("a sample entry is too short")?;
    let same_size = size(new) == size(original);
    let original = boxes(original);
    let mut new = boxes(new);
    let codes_rgb = |boxes: &[(FourCc, &[u8])]| boxes.iter().any(|(kind, bytes)| kind == b"colr" && is_rgb(bytes));
    let same_coding = codes_rgb(&original) == codes_rgb(&new);
    let is_replaced = |kind: &FourCc| {
        let there = original.iter().any(|(other, _)| other == kind);
        there && COLOUR_BOXES.contains(&kind) && (same_coding || kind != b"colr")
    };
    new.retain(|(kind, _)| kind != b"btrt" && !is_replaced(kind));
    let mut merged = fixed.to_vec();
    merged[DATA_REFERENCE].copy_from_slice(&data_reference.to_be_bytes());
    for (_, bytes) in &new {
        merged.extend(*bytes);
    }
    let lacks = |kind: &FourCc| !new.iter().any(|(other, _)| other == kind);
    for (kind, bytes) in original {
        let applies = PICTURE_BOXES.contains(&&kind) || (&kind == b"clap" && same_size);
        if applies && lacks(&kind) {
            merged.extend(bytes);
        }
    }
    let size = u32::try_from(merged.len()).map_err(|_| "a sample entry is too large")?;
    merged[..4].copy_from_slice(&size.to_be_bytes());
    Ok(merged)
}

/// Whether a `colr` box has the matrix of red, green and blue.
fn is_rgb(colr: &[u8]) -> bool {
    matches!(colr.get(8..12), Some(b"nclx" | b"nclc")) && colr.get(16..18) == Some(&[0, 0])
}

/// Returns the boxes of an entry, up to the first that is not complete.
pub fn boxes(entry: &[u8]) -> Vec<(FourCc, &[u8])> {
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

/// Returns width and height in pixels.
pub fn size(entry: &[u8]) -> Option<(u16, u16)> {
    let mut reader = ByteReader::new(entry);
    reader.bytes(32)?;
    Some((reader.u16()?, reader.u16()?))
}

/// Whether the samples of an entry are encrypted.
pub fn is_encrypted(entry: &[u8]) -> bool {
    entry.get(4..8) == Some(b"encv") || boxes(entry).iter().any(|(kind, _)| kind == b"sinf")
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::boxes::Mp4Box;

    fn entry(kind: &FourCc, size: (u16, u16), boxes: &[&FourCc]) -> Vec<u8> {
        let mut fixed = vec![0; FIXED - 8];
        fixed[24..26].copy_from_slice(&size.0.to_be_bytes());
        fixed[26..28].copy_from_slice(&size.1.to_be_bytes());
        for inner in boxes {
            // The content says which entry the box comes from.
            fixed.extend(Mp4Box::bytes(inner, kind.to_vec()).to_bytes());
        }
        Mp4Box::bytes(kind, fixed).to_bytes()
    }

    fn content(entry: &[u8]) -> Vec<(FourCc, &[u8])> {
        assert_eq!(entry[..4], (entry.len() as u32).to_be_bytes());
        boxes(entry)
            .into_iter()
            .map(|(kind, bytes)| (kind, &bytes[8..]))
            .collect()
    }

    #[test]
    fn boxes_about_the_picture_are_kept_where_the_new_entry_lacks_them() {
        let old = entry(
            b"avc1",
            (64, 48),
            &[b"avcC", b"colr", b"btrt", b"pasp", b"clap", b"mdcv"],
        );
        let new = entry(b"hvc1", (64, 48), &[b"hvcC", b"pasp", b"btrt"]);
        let merged = merged(&new, &old, 2).unwrap();
        let expected: [(FourCc, &[u8]); 5] = [
            (*b"hvcC", b"hvc1"),
            (*b"pasp", b"hvc1"),
            (*b"colr", b"avc1"),
            (*b"clap", b"avc1"),
            (*b"mdcv", b"avc1"),
        ];
        assert_eq!(content(&merged), expected);
        assert_eq!(merged[4..8], *b"hvc1");
        assert_eq!(merged[DATA_REFERENCE], [0, 2]);
    }

    fn colr(matrix: u8, transfer: u8) -> Vec<u8> {
        let content = [b"nclx", &[0, 1, 0, transfer, 0, matrix, 0x80][..]].concat();
        Mp4Box::bytes(b"colr", content).to_bytes()
    }

    fn with(mut entry: Vec<u8>, inner: &[u8]) -> Vec<u8> {
        entry.extend(inner);
        let size = entry.len() as u32;
        entry[..4].copy_from_slice(&size.to_be_bytes());
        entry
    }

    #[test]
    fn the_colour_is_what_the_original_states_unless_rgb_is_coded_as_something_else() {
        let plain = |kind| entry(kind, (64, 48), &[]);
        let stated = |entry: Vec<u8>| {
            let entry = crate::SampleEntry {
                kind: *b"avc1",
                data_reference: 1,
                bytes: entry,
            };
            entry.colour()
        };
        let old = with(plain(b"avc1"), &colr(1, 16));
        let kept = stated(merged(&with(plain(b"hvc1"), &colr(1, 1)), &old, 1).unwrap());
        assert_eq!((kept.codes, kept.full_range), (Some([1, 16, 1]), Some(true)));
        let rgb = with(plain(b"avc1"), &colr(0, 13));
        let coded_otherwise = stated(merged(&with(plain(b"vp09"), &colr(6, 13)), &rgb, 1).unwrap());
        assert_eq!(coded_otherwise.codes, Some([1, 13, 6]));
        assert_eq!(stated(plain(b"avc1")), super::super::ColourBoxes::default());
    }

    #[test]
    fn an_aperture_for_pictures_of_another_size_is_not_kept() {
        let old = entry(b"avc1", (64, 48), &[b"clap", b"pasp"]);
        let new = entry(b"avc1", (128, 48), &[]);
        let expected: [(FourCc, &[u8]); 1] = [(*b"pasp", b"avc1")];
        assert_eq!(content(&merged(&new, &old, 1).unwrap()), expected);
    }

    #[test]
    fn an_entry_that_is_cut_off_is_refused() {
        let old = entry(b"avc1", (64, 48), &[]);
        assert!(merged(&old[..FIXED - 1], &old, 1).is_err());
        assert!(merged(&old, &old[..20], 1).is_ok());
    }

    #[test]
    fn encrypted_entries_are_known() {
        assert!(is_encrypted(&entry(b"encv", (64, 48), &[])));
        assert!(is_encrypted(&entry(b"avc1", (64, 48), &[b"avcC", b"sinf"])));
        assert!(!is_encrypted(&entry(b"avc1", (64, 48), &[b"avcC"])));
    }
}
