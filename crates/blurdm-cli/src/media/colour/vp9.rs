// SPDX-License-Identifier: MPL-2.0

//! What a key frame of VP9 says about colour, and writing it: a colour space and a range (VP9 bitstream specification, sections 6.2 and 7.2.2).

use super::tags::Tags;
use crate::media::bitstream::BitReader;

const SYNC_CODE: u32 = 0x49_8342;
const RGB: u32 = 7;

/// The matrices of the colour spaces, in their order. There is one for each of the two names of BT.601.
const MATRICES: [u8; 8] = [2, 5, 1, 6, 7, 9, 2, 0];

/// Returns the tags of a key frame. `None` for another frame.
pub fn tags(frame: &[u8]) -> Option<Tags> {
    let (space, space_at) = colour_space(frame)?;
    let mut bits = BitReader::new(frame);
    bits.skip(space_at + 3)?;
    let full_range = space == RGB || bits.bit()?;
    Some(Tags::new(Some(full_range), [2, 2, MATRICES[space as usize]]))
}

/// Writes the tags into a key frame, where they fit. Another frame stays as it is.
pub fn set_tags(frame: &mut [u8], tags: Tags) {
    let Some((old, at)) = colour_space(frame).filter(|&(space, _)| space != RGB) else {
        return;
    };
    let matrix = tags.code_points()[2];
    let space = MATRICES.iter().position(|&known| known == matrix && matrix != 0);
    let space = space.map_or(old, |space| space as u32);
    for (place, bit) in (0..3).map(|place| (place, space >> (2 - place) & 1 == 1)) {
        set_bit(frame, at + place, bit);
    }
    set_bit(frame, at + 3, tags.full_range.unwrap_or(false));
}

fn set_bit(bytes: &mut [u8], at: usize, bit: bool) {
    if let Some(byte) = bytes.get_mut(at / 8) {
        let mask = 0x80 >> (at % 8);
        *byte = if bit { *byte | mask } else { *byte & !mask };
    }
}

/// Returns the colour space of a key frame, and at which bit it is.
fn colour_space(frame: &[u8]) -> Option<(u32, usize)> {
    let mut bits = BitReader::new(frame);
    (bits.bits(2)? == 2).then_some(())?;
    let (low, high) = (bits.bit()?, bits.bit()?);
    let profile = u32::from(low) | u32::from(high) << 1;
    if profile == 3 {
        bits.bit()?;
    }
    let (shows_existing, inter) = (bits.bit()?, bits.bit()?);
    if shows_existing || inter {
        return None;
    }
    bits.skip(2)?;
    (bits.bits(24)? == SYNC_CODE).then_some(())?;
    if profile >= 2 {
        bits.bit()?;
    }
    let at = bits.position();
    Some((bits.bits(3)?, at))
}
