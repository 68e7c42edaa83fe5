// SPDX-License-Identifier: MPL-2.0

//! The sequence parameter set of H.265, up to the order of pictures (ITU-T H.265, section 7.3.2.2).

use super::BitReader;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceParameterSet {
    pub id: u32,
    /// Number of temporal sub-layers but one.
    pub sub_layers: u32,
    /// Whether the planes of a picture are coded apart.
    pub separate_planes: bool,
    /// In how many bits the order of pictures is stated.
    pub order_count_bits: u32,
}

impl SequenceParameterSet {
    /// Reads a payload as far as these fields go. `None` where it is damaged.
    pub fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        bits.skip(4)?;
        let sub_layers = bits.bits(3)?;
        bits.bit()?;
        skip_profile_tier_level(bits, sub_layers)?;
        let id = bits.exp_golomb()?;
        let separate_planes = bits.exp_golomb()? == 3 && bits.bit()?;
        // Width and height.
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        if bits.bit()? {
            for _ in 0..4 {
                bits.exp_golomb()?;
            }
        }
        // Bit depths.
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        let order_count_bits = bits.exp_golomb()?.checked_add(4).filter(|&bits| bits <= 16)?;
        Some(Self {
            id,
            sub_layers,
            separate_planes,
            order_count_bits,
        })
    }
}

/// Section 7.3.3.
fn skip_profile_tier_level(bits: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.bit()?, bits.bit()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}
