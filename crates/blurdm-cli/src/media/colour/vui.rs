// SPDX-License-Identifier: MPL-2.0

//! The part of the video usability information that H.264 and H.265 share (ITU-T H.264, annex E; ITU-T H.265, annex E).

use std::ops::Range;

use super::tags::Tags;
use crate::media::bitstream::{BitReader, BitWriter};

/// The value of `video_format` that says nothing about the video before it was coded.
const UNSPECIFIED_FORMAT: u32 = 5;

/// The value of `aspect_ratio_idc` that is followed by a width and a height.
const EXTENDED_ASPECT_RATIO: u32 = 255;

/// The video usability information of a sequence parameter set.
#[derive(Debug)]
pub struct Vui {
    pub tags: Tags,
    /// The bit of `vui_parameters_present_flag`.
    flag: usize,
    /// The bits from `video_signal_type_present_flag` to the place of chroma, if the information is present.
    fields: Option<Range<usize>>,
}

impl Vui {
    /// Reads from `vui_parameters_present_flag` to the place of chroma.
    pub fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let flag = bits.position();
        let mut tags = Tags::default();
        if !bits.bit()? {
            return Some(Self {
                tags,
                flag,
                fields: None,
            });
        }
        if bits.bit()? && bits.bits(8)? == EXTENDED_ASPECT_RATIO {
            bits.skip(32)?;
        }
        if bits.bit()? {
            bits.bit()?;
        }
        let start = bits.position();
        if bits.bit()? {
            bits.skip(3)?;
            let full_range = Some(bits.bit()?);
            let mut codes = [2; 3];
            if bits.bit()? {
                for code in &mut codes {
                    *code = bits.bits(8)? as u8;
                }
            }
            tags = Tags::new(full_range, codes);
        }
        if bits.bit()? {
            tags.chroma_location = u8::try_from(bits.exp_golomb()?).ok().filter(|&location| location <= 5);
            bits.exp_golomb()?;
        }
        Some(Self {
            tags,
            flag,
            fields: Some(start..bits.position()),
        })
    }

    /// Returns the payload of the parameter set with other tags. `flags` is the number of flags that follow them where nothing else is present.
    pub fn written(&self, payload: &[u8], tags: Tags, flags: u32) -> Vec<u8> {
        // Zeros after the last bit belong to the next start code.
        let length = payload.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let bit = |at: usize| payload[at / 8] >> (7 - at % 8) & 1 == 1;
        let mut new = BitWriter::default();
        let (before, after) = match &self.fields {
            Some(fields) => (fields.start, fields.end),
            None => (self.flag, self.flag + 1),
        };
        (0..before).for_each(|at| new.bit(bit(at)));
        if self.fields.is_none() {
            // Present, without aspect ratio and overscan.
            new.bits(0b100, 3);
        }
        write_signal_type(&mut new, tags);
        if self.fields.is_none() {
            new.bits(0, flags);
        }
        (after..length * 8).for_each(|at| new.bit(bit(at)));
        let mut written = new.finish();
        // The bits may end one byte earlier than before.
        while written.last() == Some(&0) {
            written.pop();
        }
        written
    }
}

fn write_signal_type(new: &mut BitWriter, tags: Tags) {
    let codes = tags.code_points();
    let described = codes != [2; 3];
    new.bit(described || tags.full_range.is_some());
    if described || tags.full_range.is_some() {
        new.bits(UNSPECIFIED_FORMAT, 3);
        new.bit(tags.full_range.unwrap_or(false));
        new.bit(described);
        if described {
            codes.into_iter().for_each(|code| new.bits(code.into(), 8));
        }
    }
    new.bit(tags.chroma_location.is_some());
    if let Some(location) = tags.chroma_location {
        // For both fields.
        new.exp_golomb(location.into());
        new.exp_golomb(location.into());
    }
}
