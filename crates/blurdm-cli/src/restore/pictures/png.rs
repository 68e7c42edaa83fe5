// SPDX-License-Identifier: MPL-2.0

//! What a PNG file holds besides its pixels.

use bytes::Bytes;
use img_parts::png::{Png, PngChunk};

const HEADER: [u8; 4] = *b"IHDR";
const ANIMATION: [u8; 4] = *b"acTL";

/// Chunks that the encoder writes, or whose content is in the pixels.
const OF_PIXELS: [&[u8; 4]; 5] = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"];

/// Chunks that are true of the restored pixels as well: colour, resolution, text and time.
const KEPT: [&[u8; 4]; 14] = [
    b"cHRM", b"gAMA", b"iCCP", b"sRGB", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"eXIf", b"pHYs", b"tEXt",
    b"zTXt", b"iTXt",
];

/// Chunks that are true where samples have the same meaning.
const KEPT_FOR_EQUAL_SAMPLES: [&[u8; 4]; 2] = [b"sBIT", b"bKGD"];

pub fn is_animation(file: &[u8]) -> bool {
    parse(file).is_some_and(|png| png.chunk_by_type(ANIMATION).is_some())
}

/// Returns what of a file is not kept.
pub fn lost(file: &[u8]) -> Vec<String> {
    let Some(png) = parse(file) else {
        return vec!["its metadata cannot be read and is not kept".into()];
    };
    let mut lost = Vec::new();
    let (bits, colour) = sample_kind(&png).unwrap_or_default();
    let has_palette = colour == 3;
    if has_palette {
        lost.push("its palette becomes RGB".into());
    } else if bits < 8 {
        lost.push(format!("its samples of {bits} bits become samples of 8 bits"));
    }
    for chunk in png.chunks() {
        let kind = chunk.kind();
        let is_of_palette = has_palette && KEPT_FOR_EQUAL_SAMPLES.contains(&&kind);
        let is_known = OF_PIXELS.contains(&&kind) || is_of_palette || is_kept(&kind, !has_palette);
        if !is_known {
            let sentence = format!("its {} is not kept", String::from_utf8_lossy(&kind));
            if !lost.contains(&sentence) {
                lost.push(sentence);
            }
        }
    }
    lost
}

/// Adds the metadata of a file to an encoded picture.
///
/// # Errors
/// The encoded picture is not PNG.
pub fn with_metadata(encoded: Vec<u8>, file: &[u8]) -> Result<Vec<u8>, String> {
    let Some(original) = parse(file) else {
        return Ok(encoded);
    };
    let mut png = Png::from_bytes(encoded.into()).map_err(|error| error.to_string())?;
    let equal_samples = sample_kind(&png) == sample_kind(&original);
    let kept: Vec<PngChunk> = original
        .chunks()
        .iter()
        .filter(|chunk| is_kept(&chunk.kind(), equal_samples))
        .cloned()
        .collect();
    png.chunks_mut().splice(1..1, kept);
    Ok(png.encoder().bytes().to_vec())
}

fn parse(file: &[u8]) -> Option<Png> {
    Png::from_bytes(Bytes::copy_from_slice(file)).ok()
}

/// Returns bit depth and colour type.
fn sample_kind(png: &Png) -> Option<(u8, u8)> {
    let header = png.chunk_by_type(HEADER)?.contents();
    Some((*header.get(8)?, *header.get(9)?))
}

/// Whether a chunk goes on. A lower-case fourth letter says that it does not depend on the pixels.
fn is_kept(kind: &[u8; 4], equal_samples: bool) -> bool {
    let is_known = OF_PIXELS.contains(&kind) || matches!(kind, b"acTL" | b"fcTL" | b"fdAT");
    KEPT.contains(&kind)
        || (equal_samples && KEPT_FOR_EQUAL_SAMPLES.contains(&kind))
        || (!is_known && kind[3].is_ascii_lowercase())
}
