// SPDX-License-Identifier: MPL-2.0

//! The orientation that the bitstream states: the message of display orientation (ITU-T H.264, sections D.1.27 and D.2.27; ITU-T H.265, sections D.2.17 and
//! D.3.17). GStreamer 1.22 does not read it.

use super::turns::Orientation;
use crate::media::bitstream::{self, AccessUnit, BitReader};

const DISPLAY_ORIENTATION: usize = 47;

/// A quarter turn, in units of 2^-16 of a turn.
const QUARTER: u32 = 1 << 14;

/// Reads the orientation that the first frame of a video with these caps states, or what came before it. `None` for one that is no whole number of quarter turns.
pub fn read(caps: &gst::CapsRef, early: &[Vec<u8>], frame: &[u8]) -> Option<Orientation> {
    let Some(first) = caps.structure(0) else {
        return Some(Orientation::UPRIGHT);
    };
    let codec_data = bitstream::codec_data(first);
    let unit = AccessUnit::of(first, codec_data.as_ref().map(|map| map.as_slice()), frame);
    let messages = unit.map(|unit| unit.after(early).messages()).unwrap_or_default();
    let message = messages.iter().rfind(|(kind, _)| *kind == DISPLAY_ORIENTATION);
    message.map_or(Some(Orientation::UPRIGHT), |(_, payload)| of_message(payload))
}

/// Pictures are mirrored and then turned. A damaged message says nothing.
fn of_message(payload: &[u8]) -> Option<Orientation> {
    let mut bits = BitReader::new(payload);
    let mut fields = || {
        let is_cancelled = bits.bit()?;
        (!is_cancelled).then_some(())?;
        Some((bits.bit()?, bits.bit()?, bits.bits(16)?))
    };
    let Some((mirrored, flipped, anticlockwise)) = fields() else {
        return Some(Orientation::UPRIGHT);
    };
    if anticlockwise % QUARTER != 0 {
        return None;
    }
    let flip = match (mirrored, flipped) {
        (false, false) => "rotate-0",
        (true, false) => "flip-rotate-0",
        (false, true) => "flip-rotate-180",
        (true, true) => "rotate-180",
    };
    let turn = format!("rotate-{}", (4 - anticlockwise / QUARTER) % 4 * 90);
    Some(Orientation::from_tag(flip)?.then(Orientation::from_tag(&turn)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_mirrored_and_then_turned_counter_clockwise() {
        // Cancelled or not, mirrored, flipped, and 16 bits of the angle from the fourth on.
        let of = |flags: u8, angle: u16| {
            let bits = u32::from(flags) << 29 | u32::from(angle) << 13;
            of_message(&bits.to_be_bytes()).map(Orientation::tag)
        };
        assert_eq!(of(0b000, 0), Some("rotate-0"));
        assert_eq!(of(0b000, 0x4000), Some("rotate-270"));
        assert_eq!(of(0b000, 0xc000), Some("rotate-90"));
        assert_eq!(of(0b010, 0), Some("flip-rotate-0"));
        assert_eq!(of(0b001, 0), Some("flip-rotate-180"));
        assert_eq!(of(0b011, 0x8000), Some("rotate-0"));
        assert_eq!(of(0b010, 0xc000), Some("flip-rotate-90"));
        assert_eq!(of(0b100, 0x4000), Some("rotate-0"), "cancelled");
        assert_eq!(of(0b000, 0x2000), None);
        assert_eq!(of_message(&[0]), Some(Orientation::UPRIGHT));
    }
}
