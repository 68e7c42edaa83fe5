// SPDX-License-Identifier: MPL-2.0

//! The sequence parameter set of H.264, up to the size of pictures (ITU-T H.264, section 7.3.2.1.1).

use super::BitReader;

/// The values of `profile_idc` with the fields of High profile.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// How the order in which pictures are shown is coded (section 8.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderCount {
    /// In so many bits.
    Stated(u32),
    /// By cycles of differences.
    Cycles,
    /// They are shown as they are decoded.
    AsDecoded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceParameterSet {
    pub id: u32,
    /// Whether the planes of a picture are coded apart.
    pub separate_planes: bool,
    pub frame_number_bits: u32,
    pub order_count: OrderCount,
    /// Whether no picture is a field.
    pub frames_only: bool,
}

impl SequenceParameterSet {
    /// Reads a payload as far as these fields go. `None` where it is damaged.
    pub fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let profile = bits.bits(8)?;
        bits.skip(16)?;
        let id = bits.exp_golomb()?;
        let mut separate_planes = false;
        if HIGH_PROFILES.contains(&profile) {
            let chroma_format = bits.exp_golomb()?;
            if chroma_format == 3 {
                separate_planes = bits.bit()?;
            }
            // Bit depths and the bypass of lossless coding.
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            bits.bit()?;
            if bits.bit()? {
                for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                    if bits.bit()? {
                        skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        let frame_number_bits = number_bits(bits)?;
        let order_count = match bits.exp_golomb()? {
            0 => OrderCount::Stated(number_bits(bits)?),
            1 => {
                bits.bit()?;
                bits.signed_exp_golomb()?;
                bits.signed_exp_golomb()?;
                for _ in 0..bits.exp_golomb()?.min(255) {
                    bits.signed_exp_golomb()?;
                }
                OrderCount::Cycles
            }
            _ => OrderCount::AsDecoded,
        };
        // Reference frames, gaps, width and height.
        bits.exp_golomb()?;
        bits.bit()?;
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        let frames_only = bits.bit()?;
        Some(Self {
            id,
            separate_planes,
            frame_number_bits,
            order_count,
            frames_only,
        })
    }
}

/// Reads how many bits a number has.
fn number_bits(bits: &mut BitReader<'_>) -> Option<u32> {
    bits.exp_golomb()?.checked_add(4).filter(|&bits| bits <= 16)
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
