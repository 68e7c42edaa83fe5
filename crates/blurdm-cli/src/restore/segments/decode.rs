// SPDX-License-Identifier: MPL-2.0

//! Decoding the video of a file: `filesrc ! parsebin ! decodebin`, with the colour that the file states in the caps.

use gst::prelude::*;
use gst_video::VideoInfo;

use super::{packed, sample_range};
use crate::{
    error::Error,
    media::{
        CAT, colour,
        demuxer::{self, Parsing, Stream},
        pipeline::Pipeline,
        stereo,
    },
    restore::plan::Scan,
};

/// Decoders that keep what another one of the same codec and a higher rank loses: `jpegdec` of GStreamer 1.22 has no output but 4:2:0, and is faster than
/// exact.
const PREFERRED: [&str; 1] = ["avdec_mjpeg"];

/// Returns a pipeline that decodes the video and links it to this pad, whose element is not in the pipeline yet.
///
/// # Errors
/// An element of GStreamer's own is missing.
pub fn pipeline(scan: &Scan, target: gst::Pad) -> Result<gst::Pipeline, Error> {
    prefer_decoders();
    let decode = gst::ElementFactory::make("decodebin").build()?;
    let decoder = decode
        .static_pad("sink")
        .ok_or_else(|| Error::Failed("decodebin has no pad".into()))?;
    let video = scan.video.stream.clone();
    let on_stream = move |pipeline: &gst::Pipeline, pad: &gst::Pad, stream: &Stream, caps: &gst::Caps| {
        if stream.id == video
            && !decoder.is_linked()
            && let Err(refused) = link(pipeline, pad, caps, &decoder)
        {
            gst::error!(CAT, obj = pad, "decodebin does not take this stream: {refused}");
        }
    };
    let pipeline = demuxer::pipeline(&scan.path, Parsing::All, on_stream)?;
    pipeline.add(&decode)?;
    if let Some(bin) = decode.dynamic_cast_ref::<gst::Bin>() {
        bin.connect_deep_element_added(|_, _, element| allow_any_format(element));
    }
    colour::correct_caps(&target, scan.colour);
    stereo::hide_in_caps(&target, &scan.caps);
    packed::state_layout(&target);
    sample_range::limit(&target);
    decode.connect_pad_added(move |_, pad| {
        if !target.is_linked() && pad.link(&target).is_err() {
            gst::error!(CAT, obj = pad, "the decoded stream is not video");
        }
    });
    Ok(pipeline)
}

/// The property of gst-libav's decoders to decode into downstream's buffers.
const DIRECT_RENDERING: &str = "direct-rendering";

/// Makes a decoder of gst-libav fail at a pixel format that GStreamer 1.22 does not know, such as the 16 bits of FFV1. Where it decodes into downstream's
/// buffers it crashes, or waits for ever.
fn allow_any_format(element: &gst::Element) {
    if element.has_property(DIRECT_RENDERING) {
        element.set_property(DIRECT_RENDERING, false);
    }
}

/// Returns a sentence about a decoder that could not say in which format its pixels are, if one in a pipeline that has failed is such.
pub fn unknown_format(pipeline: &gst::Pipeline) -> Option<String> {
    let decoders = pipeline.iterate_recurse().into_iter().flatten();
    let mut stuck = decoders.filter(|element| element.has_property(DIRECT_RENDERING)).filter_map(|decoder| {
        let caps = |name| decoder.static_pad(name).and_then(|pad| pad.current_caps());
        let coded = caps("sink").filter(|_| caps("src").is_none())?;
        let media = coded.structure(0)?.name().to_string();
        Some(format!(
            "its video ({media}) has a pixel format that GStreamer's decoder {} cannot pass on; convert it before, as with \
             'ffmpeg -i IN -c:v ffv1 -pix_fmt yuv420p10le OUT.mkv'",
            decoder.factory()?.name()
        ))
    });
    stuck.next()
}

/// Links a demuxed stream to a decoder, Motion JPEG through a parser: Matroska does not say that frames are whole, without which `decodebin` does not
/// consider decoders that must know it.
fn link(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::Caps,
    decoder: &gst::Pad,
) -> Result<(), gst::glib::BoolError> {
    let is_unparsed = |first: &gst::StructureRef| first.name() == "image/jpeg" && !first.has_field("parsed");
    let refused = |refused| gst::glib::bool_error!("{refused}");
    if !caps.structure(0).is_some_and(is_unparsed) {
        return pad.link(decoder).map(drop).map_err(refused);
    }
    let parser = gst::ElementFactory::make("jpegparse").build()?;
    pipeline.add(&parser)?;
    parser.sync_state_with_parent()?;
    let no_pad = || gst::glib::bool_error!("jpegparse has no pads");
    let source = parser.static_pad("src").ok_or_else(no_pad)?;
    source.link(decoder).map_err(refused)?;
    let sink = parser.static_pad("sink").ok_or_else(no_pad)?;
    pad.link(&sink).map(drop).map_err(refused)
}

fn prefer_decoders() {
    let above = gst::Rank::PRIMARY + 1;
    for factory in PREFERRED.into_iter().filter_map(gst::ElementFactory::find) {
        if factory.rank() < above {
            factory.set_rank(above);
        }
    }
}

/// Decodes the first frame, and returns what frames are like. `None` where it cannot be decoded.
///
/// # Errors
/// [`Error::Interrupted`]; an element of GStreamer's own is missing.
pub fn decoded_info(scan: &Scan) -> Result<Option<VideoInfo>, Error> {
    let sink = gst::ElementFactory::make("fakesink").property("sync", false).build()?;
    let target = sink.static_pad("sink");
    let target = target.ok_or_else(|| Error::Failed("fakesink has no pad".into()))?;
    let decoding = pipeline(scan, target.clone())?;
    decoding.add(&sink)?;
    let pipeline = Pipeline::new(decoding);
    if pipeline.set_state(gst::State::Paused).is_err() || pipeline.wait_state_change()?.is_some() {
        return Ok(None);
    }
    let caps = target.current_caps();
    Ok(caps.and_then(|caps| VideoInfo::from_caps(&caps).ok()))
}
