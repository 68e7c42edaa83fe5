// SPDX-License-Identifier: MPL-2.0

//! What the sequence parameter set of H.264 says about colour (ITU-T H.264, sections 7.3.2.1.1 and E.1.1).

use super::vui::Vui;
use crate::media::bitstream::{BitReader, h264::SequenceParameterSet};

/// The flags of further fields after those about colour.
pub const VUI_FLAGS: u32 = 5;

/// Reads as far as the place of chroma. `None` where the set is damaged.
pub fn read_sps(payload: &[u8]) -> Option<Vui> {
    let mut bits = BitReader::new(payload);
    if !SequenceParameterSet::read(&mut bits)?.frames_only {
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
