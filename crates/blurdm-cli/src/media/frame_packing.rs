// SPDX-License-Identifier: MPL-2.0

//! Both eyes in one picture, as the bitstream states it: the message of frame packing (ITU-T H.264, section D.1.26; ITU-T H.265, section D.2.16).

use gst_video::VideoMultiviewMode;

use super::{
    bitstream::{self, AccessUnit, BitReader},
    stereo,
};

const FRAME_PACKING: usize = 45;
/// The values of `content_interpretation_type` by which the first view is that of the right eye.
const RIGHT_FIRST: u32 = 2;

/// Returns the caps of a video with what its first frame, or what came before it, states about both eyes. `None` where that is nothing new.
pub fn stated(caps: &gst::CapsRef, early: &[Vec<u8>], frame: &[u8]) -> Option<gst::Caps> {
    if stereo::is_stereo(caps) {
        return None;
    }
    let first = caps.structure(0)?;
    let record = bitstream::codec_data(first);
    let messages = AccessUnit::of(first, record.as_deref(), frame)?.after(early).messages();
    let (_, payload) = messages.iter().rfind(|(kind, _)| *kind == FRAME_PACKING)?;
    let (mode, right_first) = of_message(payload)?;
    stereo::with(&caps.to_owned(), mode, right_first)
}

/// Returns the arrangement, and whether the right eye is first. `None` where it is cancelled, not known or damaged.
fn of_message(payload: &[u8]) -> Option<(VideoMultiviewMode, bool)> {
    let mut bits = BitReader::new(payload);
    bits.exp_golomb()?;
    if bits.bit()? {
        return None;
    }
    let mode = match bits.bits(7)? {
        0 => VideoMultiviewMode::Checkerboard,
        1 => VideoMultiviewMode::ColumnInterleaved,
        2 => VideoMultiviewMode::RowInterleaved,
        3 => VideoMultiviewMode::SideBySide,
        4 => VideoMultiviewMode::TopBottom,
        5 => VideoMultiviewMode::FrameByFrame,
        _ => return None,
    };
    // Sampling in a quincunx.
    bits.bit()?;
    Some((mode, bits.bits(6)? == RIGHT_FIRST))
}
