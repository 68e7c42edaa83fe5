// SPDX-License-Identifier: MPL-2.0

//! The colour of a video in the caps of its decoded frames.

use gst::prelude::*;
use gst_video::VideoInfo;

use super::{stream::Colour, tags::is_rgb};

/// Corrects all caps of decoded frames that pass this pad. Decoders follow what the demuxer says, even if the bitstream contradicts it, and GStreamer
/// takes large pictures for BT.2020 where nothing is stated.
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
    let info = VideoInfo::from_caps(caps).ok().filter(|info| !is_rgb(info.format()))?;
    let mut caps = caps.clone();
    let colorimetry = colour.coded.assumed_colorimetry(info.width(), info.height());
    for structure in caps.make_mut().iter_mut() {
        structure.set("colorimetry", colorimetry.to_string());
        structure.set("chroma-site", colour.coded.chroma_site().to_string());
    }
    Some(caps)
}
