// SPDX-License-Identifier: MPL-2.0

//! NAL units, and the part of the video usability information that H.264 and H.265 share (ITU-T H.264, annexes B and E; ITU-T H.265, annexes
//! B and E).

use std::ops::Range;

use super::{
    bits::{BitReader, BitWriter},
    tags::Tags,
};

/// The value of `video_format` that says nothing about the video before it was coded.
const UNSPECIFIED_FORMAT: u32 = 5;

/// The value of `aspect_ratio_idc` that is followed by a width and a height.
const EXTENDED_ASPECT_RATIO: u32 = 255;

/// Returns the NAL units of an access unit: after start codes or, in MP4 and Matroska, after sizes of four bytes.
pub fn units(data: &[u8]) -> Vec<&[u8]> {
    if data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1]) {
        return after_start_codes(data);
    }
    let mut units = Vec::new();
    let mut rest = data;
    while let Some((unit, after)) = sized(rest, 4) {
        units.push(unit);
        rest = after;
    }
    units
}

fn after_start_codes(data: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..data.len().saturating_sub(2))
        .filter(|&at| data[at..at + 3] == [0, 0, 1])
        .collect();
    let ends = starts.iter().skip(1).copied().chain([data.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| &data[start + 3..end])
        .collect()
}

/// Splits off what follows a big-endian size of `bytes` bytes, with the rest.
pub fn sized(data: &[u8], bytes: usize) -> Option<(&[u8], &[u8])> {
    let (size, rest) = data.split_at_checked(bytes)?;
    let size = size.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
    rest.split_at_checked(size)
}

/// Returns the payload of a NAL unit without the bytes that keep start codes out of it.
pub fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

/// Returns the bytes of a NAL unit, in which nothing looks like a start code.
fn with_emulation_prevention(head: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut unit = head.to_vec();
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

/// Returns an access unit with start codes in which parameter sets are replaced: `new` returns the header and the new payload of one, and `None` for
/// another unit. `None` where there is none.
pub fn with_parameter_sets<'a>(
    data: &'a [u8],
    new: impl Fn(&'a [u8]) -> Option<(&'a [u8], Vec<u8>)>,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len() + 64);
    let mut replaced = false;
    for unit in after_start_codes(data) {
        out.extend([0, 0, 0, 1]);
        match new(unit) {
            Some((head, payload)) => {
                out.extend(with_emulation_prevention(head, &payload));
                replaced = true;
            }
            None => out.extend(unit),
        }
    }
    replaced.then_some(out)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_start_code_is_escaped_and_unescaped() {
        let payload = [0, 0, 1, 0, 0, 0, 0, 3, 7, 0, 0];
        let unit = with_emulation_prevention(&[0x67], &payload);
        assert_eq!(unit, [0x67, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 7, 0, 0]);
        assert_eq!(without_emulation_prevention(&unit[1..]), payload);
    }
}
