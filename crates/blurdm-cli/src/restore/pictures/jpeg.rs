// SPDX-License-Identifier: MPL-2.0

//! What a JPEG file holds besides its pixels, and whether these are complete.

use bytes::Bytes;
use image::metadata::Orientation;
use img_parts::{
    ImageEXIF,
    jpeg::{Jpeg, JpegSegment, markers},
};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, options::DecoderOptions},
};

const END_OF_IMAGE: [u8; 2] = [0xff, markers::EOI];
const START_OF_SCAN: [u8; 2] = [0xff, markers::SOS];

/// How APP2 begins that tells where further pictures are in the file.
const FURTHER_PICTURES: &[u8] = b"MPF\0";
/// How APP2 with a part of a colour profile begins.
const PROFILE: &[u8] = b"ICC_PROFILE\0";

/// What `zune-jpeg` says of bytes between headers.
const PADDED: &str = "Extra bytes between headers";

/// Returns what of a file is not kept.
pub fn lost(file: &[u8]) -> Vec<String> {
    let Some(jpeg) = parse(file) else {
        return vec!["its metadata cannot be read and is not kept".into()];
    };
    let mut lost = Vec::new();
    let has = |marker, start: &[u8]| {
        jpeg.segments_by_marker(marker)
            .any(|found| found.contents().starts_with(start))
    };
    if has(markers::APP2, FURTHER_PICTURES) {
        lost.push("the further pictures in the file (MPF) are not kept".into());
    }
    if is_cmyk(&jpeg) {
        lost.push("CMYK becomes RGB".into());
        if has(markers::APP2, PROFILE) {
            lost.push("its colour profile, which is for CMYK, is not kept".into());
        }
    }
    lost
}

/// Returns how viewers turn a picture, as the metadata say that is kept. Readers differ on which of a damaged file's that is.
pub fn orientation(file: &[u8]) -> Orientation {
    let exif = parse(file).and_then(|jpeg| jpeg.exif());
    exif.and_then(|exif| Orientation::from_exif_chunk(&exif))
        .unwrap_or(Orientation::NoTransforms)
}

/// Adds the metadata of a file to an encoded picture.
///
/// # Errors
/// The encoded picture is not JPEG.
pub fn with_metadata(encoded: Vec<u8>, file: &[u8]) -> Result<Vec<u8>, String> {
    let Some(original) = parse(file) else {
        return Ok(encoded);
    };
    let mut jpeg = Jpeg::from_bytes(encoded.into()).map_err(|error| error.to_string())?;
    let is_cmyk = is_cmyk(&original);
    let kept: Vec<JpegSegment> = original
        .segments()
        .iter()
        .filter(|segment| is_kept(segment, is_cmyk))
        .cloned()
        .collect();
    if kept.iter().any(|segment| segment.marker() == markers::APP0) {
        jpeg.remove_segments_by_marker(markers::APP0);
    }
    jpeg.segments_mut().splice(0..0, kept);
    Ok(jpeg.encoder().bytes().to_vec())
}

/// Whether a segment is metadata that is true of the restored picture. APP14 tells how the samples were coded.
fn is_kept(segment: &JpegSegment, is_cmyk: bool) -> bool {
    let starts = |start| segment.contents().starts_with(start);
    match segment.marker() {
        markers::APP2 => !(starts(FURTHER_PICTURES) || (is_cmyk && starts(PROFILE))),
        markers::APP14 => false,
        markers::APP0..=markers::APP15 | markers::COM => true,
        _ => false,
    }
}

/// Returns what a decoder has to conceal, if anything.
pub fn damage(file: &[u8]) -> Option<String> {
    let scan = rposition(file, START_OF_SCAN)?;
    if rposition(file, END_OF_IMAGE).is_none_or(|end| end < scan) {
        return Some("it is cut off".into());
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let decoded = JpegDecoder::new_with_options(ZCursor::new(file), options).decode();
    let reason = decoded.err()?.to_string();
    // Cameras pad headers. No pixel is lost by that.
    (!reason.contains(PADDED)).then_some(reason)
}

fn rposition(file: &[u8], marker: [u8; 2]) -> Option<usize> {
    file.windows(2).rposition(|bytes| bytes == marker)
}

fn parse(file: &[u8]) -> Option<Jpeg> {
    Jpeg::from_bytes(Bytes::copy_from_slice(file)).ok()
}

/// Whether the frame has four components.
fn is_cmyk(jpeg: &Jpeg) -> bool {
    let is_frame = |marker: u8| {
        (markers::SOF0..=markers::SOF15).contains(&marker)
            && ![markers::DHT, markers::JPG, markers::DAC].contains(&marker)
    };
    let frame = jpeg.segments().iter().find(|segment| is_frame(segment.marker()));
    frame.is_some_and(|frame| frame.contents().get(5) == Some(&4))
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use image::{ImageBuffer, Rgb, codecs::jpeg::JpegEncoder};

    use super::{super::codec, *};

    fn file() -> Vec<u8> {
        let picture = ImageBuffer::from_fn(64, 64, |x, y| Rgb([(x * 4) as u8, (y * 4) as u8, (x * y) as u8]));
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, 95)
            .encode_image(&picture)
            .unwrap();
        file
    }

    #[test]
    fn a_file_that_lacks_its_end_or_is_overwritten_within_is_damaged() {
        assert_eq!(damage(&file()), None);
        let whole = file();
        assert_eq!(damage(&whole[..whole.len() - 100]), Some("it is cut off".into()));
        let mut overwritten = whole.clone();
        let middle = whole.len() / 2;
        overwritten[middle..middle + 200].fill(0xff);
        assert!(damage(&overwritten).is_some());
    }

    #[test]
    fn a_picture_with_damaged_headers_is_written_with_the_orientation_that_it_was_read_with() {
        let damaged = include_bytes!("../../../../../fuzz/seeds/picture/damaged-headers.jpg");
        let picture = codec::decode(damaged).unwrap();
        let written = codec::encode(&picture.pixels, &picture, damaged).unwrap();
        assert_eq!(codec::prove(&written, &picture.pixels, &picture), Ok(()));
        assert_eq!(picture.orientation, Orientation::Rotate90);
    }

    #[test]
    fn padding_between_headers_and_bytes_after_the_end_are_no_damage() {
        let mut padded = file();
        let first = usize::from(u16::from_be_bytes([padded[4], padded[5]])) + 4;
        padded.splice(first..first, [0; 16]);
        padded.extend(b"a video that a phone appends");
        assert_eq!(damage(&padded), None);
    }
}
