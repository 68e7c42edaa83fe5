// SPDX-License-Identifier: MPL-2.0

//! The colour of a video and the shape of its pixels in the caps of its decoded frames.

use gst::prelude::*;
use gst_video::VideoInfo;

use super::{stream::Colour, tags::is_rgb};

const PIXEL_SHAPE: &str = "pixel-aspect-ratio";

/// Corrects all caps of decoded frames that pass this pad. Decoders follow what the demuxer says, even if the bitstream contradicts it, and GStreamer
/// takes large pictures for BT.2020 where nothing is stated. An aspect ratio of pixels that cannot be one is dropped.
pub fn correct_caps(pad: &gst::Pad, colour: Colour) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let caps = match info.event().map(|event| event.view()) {
            Some(gst::EventView::Caps(event)) => event.caps_owned(),
            _ => return gst::PadProbeReturn::Ok,
        };
        if let Some(caps) = corrected(&caps, &colour) {
            info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
        }
        gst::PadProbeReturn::Ok
    });
}

fn corrected(caps: &gst::Caps, colour: &Colour) -> Option<gst::Caps> {
    let square = with_square_pixels(caps);
    with_colour(square.as_ref().unwrap_or(caps), colour).or(square)
}

/// Returns the caps with square pixels, if these state an aspect ratio of pixels that is not positive. `avidemux` of GStreamer 1.22 makes -1/1 of a picture
/// of RGB whose rows go down, for which AVI has a negative height.
fn with_square_pixels(caps: &gst::Caps) -> Option<gst::Caps> {
    let stated = caps.structure(0)?.get::<gst::Fraction>(PIXEL_SHAPE).ok()?;
    if stated.numer() > 0 && stated.denom() > 0 {
        return None;
    }
    let mut caps = caps.clone();
    caps.make_mut().set(PIXEL_SHAPE, gst::Fraction::new(1, 1));
    Some(caps)
}

fn with_colour(caps: &gst::Caps, colour: &Colour) -> Option<gst::Caps> {
    let info = VideoInfo::from_caps(caps).ok().filter(|info| !is_rgb(info.format()))?;
    let mut caps = caps.clone();
    let colorimetry = colour.coded.assumed_colorimetry(info.width(), info.height());
    for structure in caps.make_mut().iter_mut() {
        structure.set("colorimetry", colorimetry.to_string());
        structure.set("chroma-site", colour.coded.chroma_site().to_string());
    }
    Some(caps)
}
