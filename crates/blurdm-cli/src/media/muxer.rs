// SPDX-License-Identifier: MPL-2.0

//! Muxers, without what ends the process in one of them.

use gst::prelude::*;

const CHROMA_SITE: &str = "chroma-site";

/// Creates a muxer.
///
/// # Errors
/// It is not installed.
pub fn create(factory: &str) -> Result<gst::Element, gst::glib::BoolError> {
    let muxer = gst::ElementFactory::make(factory).build()?;
    if ["mp4mux", "qtmux"].contains(&factory) {
        muxer.connect_pad_added(|_, pad| {
            let what = gst::PadProbeType::EVENT_DOWNSTREAM;
            pad.add_probe(what, |_, info| {
                let completed = info.event().and_then(|event| with_chroma_site(event));
                if let Some(event) = completed {
                    info.data = Some(gst::PadProbeData::Event(event));
                }
                gst::PadProbeReturn::Ok
            });
        });
    }
    Ok(muxer)
}

/// Returns the caps of VP9 with a chroma site, if they have none. GStreamer 1.22's muxer for MP4 reads the missing text through a null
/// pointer. VP9 has no chroma site of its own, and of 4:2:0 that of MPEG-2 is meant where none is given.
fn with_chroma_site(event: &gst::EventRef) -> Option<gst::Event> {
    let gst::EventView::Caps(caps) = event.view() else {
        return None;
    };
    let first = caps.caps().structure(0)?;
    if first.name() != "video/x-vp9" || first.has_field(CHROMA_SITE) {
        return None;
    }
    let mut completed = caps.caps_owned();
    completed.make_mut().set(CHROMA_SITE, "mpeg2");
    Some(gst::event::Caps::builder(&completed).seqnum(event.seqnum()).build())
}
