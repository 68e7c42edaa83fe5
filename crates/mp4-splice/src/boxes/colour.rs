// SPDX-License-Identifier: MPL-2.0

//! What a visual sample entry says about colour: `colr` (ISO/IEC 14496-12, section 12.1.5; QuickTime File Format, "Color Parameter Atoms"),
//! `vpcC` of VP9, `mdcv` and `clli`.

use super::{byte_reader::ByteReader, header::FourCc, sample_entry};
use crate::SampleEntry;

/// The boxes of a sample entry that are about colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColourBoxes {
    /// The code points of primaries, transfer and matrix (ISO/IEC 23091-2).
    pub codes: Option<[u16; 3]>,
    /// `None` where the range is not stated, as in QuickTime.
    pub full_range: Option<bool>,
    /// The content of `mdcv`.
    pub mastering: Option<[u8; 24]>,
    /// The greatest and the average light level, of `clli`.
    pub light: Option<[u16; 2]>,
}

impl SampleEntry {
    /// Returns what the entry of a video says about colour. An ICC profile is not read.
    pub fn colour(&self) -> ColourBoxes {
        let mut colour = ColourBoxes::default();
        for (kind, bytes) in sample_entry::boxes(&self.bytes) {
            let content = bytes.get(8..).unwrap_or_default();
            match &kind {
                b"colr" => read_colr(content, &mut colour),
                b"vpcC" if colour.codes.is_none() => read_vpcc(content, &mut colour),
                b"mdcv" => colour.mastering = content.get(..24).and_then(|bytes| bytes.try_into().ok()),
                b"clli" => colour.light = read_clli(content),
                _ => {}
            }
        }
        colour
    }
}

fn read_colr(content: &[u8], colour: &mut ColourBoxes) {
    let mut reader = ByteReader::new(content);
    let kind: Option<FourCc> = reader.four_cc();
    let mut codes = || Some([reader.u16()?, reader.u16()?, reader.u16()?]);
    if let Some(b"nclx" | b"nclc") = kind.as_ref()
        && let Some(codes) = codes()
    {
        colour.codes = Some(codes);
        colour.full_range = reader
            .u8()
            .filter(|_| kind == Some(*b"nclx"))
            .map(|range| range & 0x80 != 0);
    }
}

/// VP Codec ISO Media File Format Binding, "VP Codec Configuration Box".
fn read_vpcc(content: &[u8], colour: &mut ColourBoxes) {
    if let Some(&[depth_and_range, primaries, transfer, matrix]) = content.get(6..10) {
        colour.codes = Some([primaries, transfer, matrix].map(u16::from));
        colour.full_range = Some(depth_and_range & 1 == 1);
    }
}

fn read_clli(content: &[u8]) -> Option<[u16; 2]> {
    let mut reader = ByteReader::new(content);
    Some([reader.u16()?, reader.u16()?])
}
