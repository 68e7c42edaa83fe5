// SPDX-License-Identifier: MPL-2.0

//! What the sequence parameter set of H.264 says about colour (ITU-T H.264, sections 7.3.2.1.1 and E.1.1).

use super::vui::Vui;
use crate::media::bitstream::BitReader;

/// The flags of further fields after those about colour.
pub const VUI_FLAGS: u32 = 5;

/// The values of `profile_idc` with the fields of High profile.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Reads as far as the place of chroma. `None` where the set is damaged.
pub fn read_sps(payload: &[u8]) -> Option<Vui> {
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
