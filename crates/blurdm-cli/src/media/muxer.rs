// SPDX-License-Identifier: MPL-2.0

//! Muxers, without what ends the process in one of them, and without what they refuse for no reason.

use gst::prelude::*;

use super::pipeline::{End, Pipeline};
use crate::error::Error;

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

/// Whether a muxer cannot hold a stream: it has no pad for these caps, or refuses them when they come, as that of MP4 does for some headers of ALAC.
///
/// # Errors
/// [`Error::Interrupted`]; an element of GStreamer's own is missing.
pub fn refuses(factory: &str, caps: &gst::Caps) -> Result<bool, Error> {
    let mux = create(factory)?;
    let templates = mux.pad_template_list();
    // Demuxers pass plain text on as markup, which is converted back.
    let plain = caps.structure(0).filter(|first| first.name() == "text/x-raw");
    let plain = plain.map(|_| gst::Caps::builder("text/x-raw").field("format", "utf8").build());
    let caps = plain.as_ref().unwrap_or(caps);
    let accepts = |template: &&gst::PadTemplate| {
        template.direction() == gst::PadDirection::Sink && template.caps().can_intersect(caps)
    };
    let Some(template) = templates.iter().find(accepts) else {
        return Ok(true);
    };
    let is_text = caps.structure(0).is_some_and(|first| first.name().starts_with("text/"));
    if is_text || !caps.is_fixed() {
        return Ok(false);
    }
    let Some(pad) = mux.request_pad(template, None, None) else {
        return Ok(true);
    };
    let input = gst_app::AppSrc::builder().caps(caps).format(gst::Format::Time).build();
    let sink = gst::ElementFactory::make("fakesink").property("async", false).build()?;
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([input.upcast_ref(), &mux, &sink])?;
    mux.link(&sink)?;
    let linked = input.static_pad("src").map(|source| source.link(&pad));
    if !matches!(linked, Some(Ok(_))) {
        return Ok(true);
    }
    let mut packet = gst::Buffer::from_slice([0; 64]);
    if let Some(packet) = packet.get_mut() {
        packet.set_pts(gst::ClockTime::ZERO);
        packet.set_dts(gst::ClockTime::ZERO);
        packet.set_duration(gst::ClockTime::from_mseconds(20));
    }
    let Ok(pipeline) = Pipeline::start(pipeline) else {
        return Ok(false);
    };
    // What is wrong with them is told by the pipeline.
    input.push_buffer(packet).ok();
    input.end_of_stream().ok();
    // The muxer itself complains about the packet, which is none, and the source about caps that it cannot send.
    Ok(match pipeline.wait_end()? {
        End::Failed(reason) => reason.ends_with(&format!("({})", input.name())),
        End::Eos | End::MissingPlugin(_) => false,
    })
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
