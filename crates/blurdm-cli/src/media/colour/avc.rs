// SPDX-License-Identifier: MPL-2.0

//! What the sequence parameter set of H.264 says about colour, and writing it (ITU-T H.264, sections 7.3.2.1.1 and E.1.1).

use super::{
    bits::BitReader,
    hdr::Hdr,
    nal::{self, Vui},
    sei,
    tags::Tags,
};

const SEQUENCE_PARAMETER_SET: u8 = 7;

/// Supplemental enhancement information.
const SEI: u8 = 6;

/// The flags of further fields after those about colour.
const VUI_FLAGS: u32 = 5;

/// The values of `profile_idc` with the fields of High profile.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Returns the tags of the first sequence parameter set among NAL units. `None` where there is none.
pub fn tags(data: &[u8], codec_data: Option<&[u8]>) -> Option<Tags> {
    let mut units = codec_data.map(in_avcc).unwrap_or_default();
    units.extend(nal::units(data));
    let unit = units
        .into_iter()
        .find(|unit| nal_type(unit) == Some(SEQUENCE_PARAMETER_SET))?;
    let payload = nal::without_emulation_prevention(unit.get(1..)?);
    Some(read_sps(&payload).map(|vui| vui.tags).unwrap_or_default())
}

/// Returns what is said of HDR10.
pub fn hdr(data: &[u8]) -> Hdr {
    let units = nal::units(data).into_iter();
    units
        .filter(|unit| nal_type(unit) == Some(SEI))
        .filter_map(|unit| unit.get(1..))
        .map(|unit| sei::read(&nal::without_emulation_prevention(unit)))
        .fold(Hdr::default(), Hdr::or)
}

/// Returns an access unit with start codes whose parameter sets have these tags. `None` where it has none.
pub fn with_tags(data: &[u8], tags: Tags) -> Option<Vec<u8>> {
    nal::with_parameter_sets(data, |unit| {
        let is_one = nal_type(unit) == Some(SEQUENCE_PARAMETER_SET);
        is_one.then(|| {
            let (head, payload) = unit.split_at_checked(1)?;
            let payload = nal::without_emulation_prevention(payload);
            Some((head, read_sps(&payload)?.written(&payload, tags, VUI_FLAGS)))
        })?
    })
}

fn nal_type(unit: &[u8]) -> Option<u8> {
    unit.first().map(|first| first & 0x1f)
}

/// Returns the sequence parameter sets of an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, section 5.3.3.1).
fn in_avcc(record: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let count = record.get(5).map_or(0, |count| count & 0x1f);
    let mut rest = record.get(6..).unwrap_or_default();
    for _ in 0..count {
        let Some((unit, after)) = nal::sized(rest, 2) else {
            break;
        };
        units.push(unit);
        rest = after;
    }
    units
}

fn read_sps(payload: &[u8]) -> Option<Vui> {
    let mut bits = BitReader::new(payload);
    let profile = bits.bits(8)?;
    bits.skip(16)?;
    bits.exp_golomb()?;
    if HIGH_PROFILES.contains(&profile) {
        let chroma_format = bits.exp_golomb()?;
        if chroma_format == 3 {
            bits.bit()?;
        }
        // Bit depths and the bypass of lossless coding.
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.bit()?;
        if bits.bit()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.bit()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.exp_golomb()?;
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.bit()?;
            bits.signed_exp_golomb()?;
            bits.signed_exp_golomb()?;
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.signed_exp_golomb()?;
            }
        }
        _ => {}
    }
    // Reference frames, gaps, width and height.
    bits.exp_golomb()?;
    bits.bit()?;
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    if !bits.bit()? {
        bits.bit()?;
    }
    bits.bit()?;
    if bits.bit()? {
        for _ in 0..4 {
            bits.exp_golomb()?;
        }
    }
    Vui::read(&mut bits)
}

fn skip_scaling_list(bits: &mut BitReader<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_exp_golomb()? + 256) % 256;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}
