// SPDX-License-Identifier: MPL-2.0

//! Muxers, without what ends the process in one of them, and without what they refuse for no reason.

use gst::prelude::*;

const CHROMA_SITE: &str = "chroma-site";
const FRAME_RATE: &str = "framerate";

/// Creates a muxer.
///
/// # Errors
/// It is not installed.
pub fn create(factory: &str) -> Result<gst::Element, gst::glib::BoolError> {
    let muxer = gst::ElementFactory::make(factory).build()?;
    let complete = match factory {
        "mp4mux" | "qtmux" => with_chroma_site,
        "matroskamux" | "webmmux" => with_frame_rate,
        _ => return Ok(muxer),
    };
    muxer.connect_pad_added(move |_, pad| {
        let what = gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(what, move |_, info| {
            let completed = info.event().and_then(|event| match event.view() {
                gst::EventView::Caps(caps) => Some((complete(caps.caps())?, event.seqnum())),
                _ => None,
            });
            if let Some((caps, seqnum)) = completed {
                let event = gst::event::Caps::builder(&caps).seqnum(seqnum).build();
                info.data = Some(gst::PadProbeData::Event(event));
            }
            gst::PadProbeReturn::Ok
        });
    });
    Ok(muxer)
}

/// Returns the caps of VP9 with a chroma site, if they have none. GStreamer 1.22's muxer for MP4 reads the missing text through a null
/// pointer. VP9 has no chroma site of its own, and of 4:2:0 that of MPEG-2 is meant where none is given.
fn with_chroma_site(caps: &gst::CapsRef) -> Option<gst::Caps> {
    let first = caps.structure(0)?;
    if first.name() != "video/x-vp9" || first.has_field(CHROMA_SITE) {
        return None;
    }
    let mut completed = caps.to_owned();
    completed.make_mut().set(CHROMA_SITE, "mpeg2");
    Some(completed)
}

/// Returns the caps of VP9 and others with a frame rate, if they have none: 0/1, which means that it varies. The muxers for Matroska and WebM want one of
/// some codecs, and demuxers of MP4 state none where frames are not evenly spaced.
fn with_frame_rate(caps: &gst::CapsRef) -> Option<gst::Caps> {
    let first = caps.structure(0)?;
    if !first.name().starts_with("video/") || first.has_field(FRAME_RATE) {
        return None;
    }
    let mut completed = caps.to_owned();
    completed.make_mut().set(FRAME_RATE, gst::Fraction::new(0, 1));
    Some(completed)
}
