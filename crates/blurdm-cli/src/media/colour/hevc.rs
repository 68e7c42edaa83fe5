// SPDX-License-Identifier: MPL-2.0

//! What the sequence parameter set of H.265 says about colour (ITU-T H.265, sections 7.3.2.2 and E.2.1).

use super::vui::Vui;
use crate::media::bitstream::{BitReader, h265::SequenceParameterSet};

/// The flags of further fields after those about colour.
pub const VUI_FLAGS: u32 = 6;

/// Limits of the standard (section 7.4.3.2.1), beyond which a stream is damaged.
const MAX_REFERENCE_SETS: u32 = 64;
const MAX_REFERENCES: u32 = 16;
const MAX_LONG_TERM: u32 = 32;

/// Reads as far as the place of chroma. `None` where the set is damaged.
pub fn read_sps(payload: &[u8]) -> Option<Vui> {
    let mut bits = BitReader::new(payload);
    let set = SequenceParameterSet::read(&mut bits)?;
    let (sub_layers, order_count_bits) = (set.sub_layers, set.order_count_bits);
    let all_sub_layers = bits.bit()?;
    for _ in if all_sub_layers { 0 } else { sub_layers }..=sub_layers {
        for _ in 0..3 {
            bits.exp_golomb()?;
        }
    }
    // Sizes of coding and transform blocks, and depths of their hierarchy.
    for _ in 0..6 {
        bits.exp_golomb()?;
    }
    if bits.bit()? && bits.bit()? {
        skip_scaling_lists(&mut bits)?;
    }
    // Asymmetric partitions, sample adaptive offset.
    bits.skip(2)?;
    if bits.bit()? {
        bits.skip(8)?;
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.bit()?;
    }
    skip_reference_sets(&mut bits)?;
    if bits.bit()? {
        let count = bits.exp_golomb()?;
        (count <= MAX_LONG_TERM).then_some(())?;
        bits.skip(count as usize * (order_count_bits as usize + 1))?;
    }
    // Temporal motion vector prediction, strong smoothing.
    bits.skip(2)?;
    Vui::read(&mut bits)
}

/// Section 7.3.4.
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.bit()? {
                bits.exp_golomb()?;
                continue;
            }
            if size > 1 {
                bits.signed_exp_golomb()?;
            }
            for _ in 0..64.min(1 << (4 + (size << 1))) {
                bits.signed_exp_golomb()?;
            }
        }
    }
    Some(())
}

/// The short-term reference picture sets. Section 7.3.7; 7.4.8 for the number of pictures of a predicted set.
fn skip_reference_sets(bits: &mut BitReader<'_>) -> Option<()> {
    let sets = bits.exp_golomb()?;
    (sets <= MAX_REFERENCE_SETS).then_some(())?;
    let mut pictures = 0u32;
    for set in 0..sets {
        if set > 0 && bits.bit()? {
            // The difference to the set before, whose pictures are each used or not.
            bits.bit()?;
            bits.exp_golomb()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                let used = bits.bit()?;
                if used || bits.bit()? {
                    kept += 1;
                }
            }
            pictures = kept;
        } else {
            let (before, after) = (bits.exp_golomb()?, bits.exp_golomb()?);
            (before <= MAX_REFERENCES && after <= MAX_REFERENCES).then_some(())?;
            pictures = before + after;
            for _ in 0..pictures {
                bits.exp_golomb()?;
                bits.bit()?;
            }
        }
    }
    Some(())
}
