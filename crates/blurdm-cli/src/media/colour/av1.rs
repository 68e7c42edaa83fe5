// SPDX-License-Identifier: MPL-2.0

//! What the sequence header of AV1 says about colour, and writing it (AV1 specification, sections 5.3, 5.5 and 5.8). GStreamer's `av1enc` writes
//! nothing about colour before 1.24.

use super::{
    hdr::{ContentLight, Hdr, MasteringDisplay},
    tags::Tags,
};
use crate::media::bitstream::{BitReader, BitWriter};

const SEQUENCE_HEADER: u8 = 1;
const METADATA: u8 = 5;
const HDR_CLL: u8 = 1;
const HDR_MDCV: u8 = 2;

/// BT.709 primaries, the transfer of sRGB and RGB: with these, range and subsampling are not written.
const SRGB: [u8; 3] = [1, 13, 0];

/// An open bitstream unit.
struct Unit<'a> {
    kind: u8,
    /// Header and size.
    head: &'a [u8],
    payload: &'a [u8],
}

/// Where the fields about colour are in a sequence header.
#[derive(Debug)]
struct ColourFields {
    tags: Tags,
    /// Bits before `color_description_present_flag`.
    before: usize,
    /// Bits up to the end of `chroma_sample_position`.
    end: usize,
    monochrome: bool,
    /// Subsampling as it is written, which depends on the profile: its bits and their number.
    subsampling: (u32, u32),
    has_chroma_position: bool,
}

/// Returns the tags of the first sequence header in a temporal unit or, in MP4 and Matroska, in the codec data.
pub fn tags(data: &[u8], codec_data: Option<&[u8]>) -> Option<Tags> {
    // `AV1CodecConfigurationRecord` has four bytes before its units.
    let record = codec_data.and_then(|record| record.get(4..)).unwrap_or_default();
    [data, record].into_iter().find_map(|data| {
        let header = units(data).into_iter().find(|unit| unit.kind == SEQUENCE_HEADER)?;
        Some(read(header.payload).map(|fields| fields.tags).unwrap_or_default())
    })
}

/// Returns what is said of HDR10, in a temporal unit or in the codec data.
pub fn hdr(data: &[u8], codec_data: Option<&[u8]>) -> Hdr {
    let record = codec_data.and_then(|record| record.get(4..)).unwrap_or_default();
    let mut found = Hdr::default();
    for unit in [data, record].into_iter().flat_map(units) {
        match unit.payload.split_first() {
            Some((&HDR_MDCV, payload)) if unit.kind == METADATA => {
                found.mastering = found
                    .mastering
                    .or(payload.first_chunk().map(MasteringDisplay::from_av1_payload));
            }
            Some((&HDR_CLL, &[a, b, c, d, ..])) if unit.kind == METADATA => {
                found.light.get_or_insert(ContentLight {
                    maximum: u16::from_be_bytes([a, b]),
                    average: u16::from_be_bytes([c, d]),
                });
            }
            _ => {}
        }
    }
    found
}

/// Returns a temporal unit whose sequence headers have these tags and are followed by this metadata. `None` where it has no sequence header.
pub fn with_tags(
    data: &[u8],
    tags: Tags,
    mastering: Option<&MasteringDisplay>,
    light: Option<&ContentLight>,
) -> Option<Vec<u8>> {
    let units = units(data);
    if !units.iter().any(|unit| unit.kind == SEQUENCE_HEADER) {
        return None;
    }
    let mut out = Vec::with_capacity(data.len() + 64);
    for unit in units {
        if unit.kind != SEQUENCE_HEADER {
            out.extend(unit.head);
            out.extend(unit.payload);
            continue;
        }
        put(SEQUENCE_HEADER, &written(unit.payload, tags)?, &mut out);
        if let Some(light) = light {
            let levels = [light.maximum, light.average].map(u16::to_be_bytes);
            let payload = [&[HDR_CLL], levels.as_flattened(), &[0x80]].concat();
            put(METADATA, &payload, &mut out);
        }
        if let Some(mastering) = mastering {
            let payload = [&[HDR_MDCV], mastering.av1_payload().as_slice(), &[0x80]].concat();
            put(METADATA, &payload, &mut out);
        }
    }
    Some(out)
}

/// Splits a temporal unit, up to the first unit that is not complete. A unit without a size extends to the end.
fn units(data: &[u8]) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    let mut rest = data;
    while let Some(&first) = rest.first() {
        let (kind, extended, sized) = (first >> 3 & 0xf, first & 4 != 0, first & 2 != 0);
        let mut head = 1 + usize::from(extended);
        let size = if sized {
            let Some((size, length)) = rest.get(head..).and_then(leb128) else {
                break;
            };
            head += length;
            size
        } else {
            rest.len().saturating_sub(head)
        };
        let Some((unit, after)) = head.checked_add(size).and_then(|end| rest.split_at_checked(end)) else {
            break;
        };
        units.push(Unit {
            kind,
            head: &unit[..head],
            payload: &unit[head..],
        });
        rest = after;
    }
    units
}

/// Reads a number, and returns it with the number of its bytes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, place + 1));
        }
    }
    None
}

fn put(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(kind << 3 | 2);
    let mut size = payload.len();
    while size >= 0x80 {
        out.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
    out.extend(payload);
}

fn read(payload: &[u8]) -> Option<ColourFields> {
    let mut bits = BitReader::new(payload);
    let profile = bits.bits(3)?;
    skip_to_colour(&mut bits)?;
    let high_depth = bits.bit()?;
    let twelve = profile == 2 && high_depth && bits.bit()?;
    let monochrome = profile != 1 && bits.bit()?;
    let before = bits.position();
    let mut codes = [2; 3];
    if bits.bit()? {
        for code in &mut codes {
            *code = bits.bits(8)? as u8;
        }
    }
    let mut full_range = true;
    let (mut subsampling, mut has_chroma_position, mut position) = ((0, 0), false, 0);
    if monochrome {
        full_range = bits.bit()?;
    } else if codes != SRGB {
        full_range = bits.bit()?;
        let (x, y) = match profile {
            0 => (true, true),
            1 => (false, false),
            _ if twelve => {
                let x = bits.bit()?;
                let y = x && bits.bit()?;
                subsampling = if x { (2 | u32::from(y), 2) } else { (0, 1) };
                (x, y)
            }
            _ => (true, false),
        };
        has_chroma_position = x && y;
        if has_chroma_position {
            position = bits.bits(2)?;
        }
    }
    let mut tags = Tags::new(Some(full_range), codes);
    tags.chroma_location = match position {
        1 => Some(0),
        2 => Some(2),
        _ => None,
    };
    Some(ColourFields {
        tags,
        before,
        end: bits.position(),
        monochrome,
        subsampling,
        has_chroma_position,
    })
}

/// Skips what precedes `color_config()`. Section 5.5.1.
fn skip_to_colour(bits: &mut BitReader<'_>) -> Option<()> {
    bits.bit()?;
    let reduced = bits.bit()?;
    if reduced {
        bits.skip(5)?;
    } else {
        skip_operating_points(bits)?;
    }
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    bits.skip((width_bits + height_bits) as usize)?;
    if !reduced && bits.bit()? {
        bits.skip(7)?;
    }
    bits.skip(3)?;
    if !reduced {
        bits.skip(4)?;
        let order_hint = bits.bit()?;
        if order_hint {
            bits.skip(2)?;
        }
        let screen_content = bits.bit()? || bits.bit()?;
        if screen_content && !bits.bit()? {
            bits.bit()?;
        }
        if order_hint {
            bits.skip(3)?;
        }
    }
    bits.skip(3)
}

fn skip_operating_points(bits: &mut BitReader<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(64)?;
        if bits.bit()? {
            bits.exp_golomb()?;
        }
        if bits.bit()? {
            delay_bits = Some(bits.bits(5)? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let display_delay = bits.bit()?;
    for _ in 0..=bits.bits(5)? {
        bits.skip(12)?;
        if bits.bits(5)? > 7 {
            bits.bit()?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits as usize + 1)?;
        }
        if display_delay && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// Returns the payload of a sequence header with other tags.
fn written(payload: &[u8], tags: Tags) -> Option<Vec<u8>> {
    let fields = read(payload)?;
    let mut old = BitReader::new(payload);
    let mut new = BitWriter::default();
    for _ in 0..fields.before {
        new.bit(old.bit()?);
    }
    let codes = tags.code_points();
    let described = codes != [2; 3];
    new.bit(described);
    if described {
        codes.into_iter().for_each(|code| new.bits(code.into(), 8));
    }
    if fields.monochrome || codes != SRGB {
        new.bit(tags.full_range.unwrap_or(false));
        new.bits(fields.subsampling.0, fields.subsampling.1);
    }
    if fields.has_chroma_position {
        let position = match tags.chroma_location {
            Some(0) => 1,
            Some(2) => 2,
            _ => 0,
        };
        new.bits(position, 2);
    }
    old.skip(fields.end - fields.before)?;
    while let Some(bit) = old.bit() {
        new.bit(bit);
    }
    Some(new.finish())
}
