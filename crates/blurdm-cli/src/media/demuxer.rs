// SPDX-License-Identifier: MPL-2.0

//! Demuxing a file into its streams, without decoding them.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gst::prelude::*;

use super::log::CAT;
use crate::sync::lock;

/// A stream of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Video, with its index among the video streams.
    Video(usize),
    Other,
}

/// Returns a new pipeline of `filesrc ! parsebin`. `on_stream` is called in a streaming thread for each stream, with its caps and in the
/// order of the file. A stream that it does not link is read and discarded.
///
/// # Errors
/// An element of GStreamer's own is missing.
pub fn pipeline(
    path: &Path,
    on_stream: impl Fn(&gst::Pipeline, &gst::Pad, Stream, &gst::Caps) + Send + Sync + 'static,
) -> Result<gst::Pipeline, gst::glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    let file = gst::ElementFactory::make("filesrc")
        .property("location", path)
        .build()?;
    let parser = gst::ElementFactory::make("parsebin").build()?;
    pipeline.add_many([&file, &parser])?;
    file.link(&parser)?;
    refuse_gif(&parser);
    let (videos, weak) = (AtomicUsize::new(0), pipeline.downgrade());
    // Pads of one file are added one after the other, but nothing guarantees that.
    let serialize = Mutex::new(());
    parser.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let _guard = lock(&serialize);
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let stream = if is_video(&caps) {
            Stream::Video(videos.fetch_add(1, Ordering::Relaxed))
        } else {
            Stream::Other
        };
        on_stream(&pipeline, pad, stream, &caps);
        if !pad.is_linked() && discard(&pipeline, pad).is_err() {
            gst::debug!(CAT, obj = pad, "this stream cannot be discarded");
        }
    });
    Ok(pipeline)
}

/// Makes a `parsebin` or `decodebin` fail for a GIF. The demuxer for it, `avdemux_gif` of GStreamer 1.22, never ends.
pub fn refuse_gif(bin: &gst::Element) {
    bin.connect("autoplug-continue", false, |arguments| {
        let [bin, _, caps] = arguments else { return Some(true.to_value()) };
        let is_gif = caps.get::<gst::Caps>().is_ok_and(|caps| {
            let first = caps.structure(0);
            first.is_some_and(|first| first.name() == "image/gif")
        });
        if let (true, Ok(bin)) = (is_gif, bin.get::<gst::Element>()) {
            gst::element_error!(
                bin,
                gst::StreamError::WrongType,
                ("it is a GIF, and these are not restored; make a video of it first, as with 'ffmpeg -i IN.gif OUT.mp4'")
            );
        }
        Some((!is_gif).to_value())
    });
}

/// Whether a stream is video. An MJPEG stream is, the cover image of a song is not.
fn is_video(caps: &gst::Caps) -> bool {
    caps.structure(0).is_some_and(|first| {
        let moving = || {
            first
                .get::<gst::Fraction>("framerate")
                .is_ok_and(|rate| rate.numer() > 0)
        };
        first.name().starts_with("video/") || (first.name().starts_with("image/") && moving())
    })
}

/// Reads a stream and discards it, so that it does not block the others.
fn discard(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()?;
    // Before the sink, which in PAUSED would keep the first buffer and block.
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| drop_data(info));
    pipeline.add(&sink)?;
    sink.sync_state_with_parent()?;
    let sink_pad = sink
        .static_pad("sink")
        .ok_or_else(|| gst::glib::bool_error!("fakesink has no pad"))?;
    pad.link(&sink_pad)
        .map_err(|refused| gst::glib::bool_error!("{refused}"))?;
    Ok(())
}

/// Drops the data of a pad probe. Returns what the probe has to return then.
pub fn drop_data(info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    // For `Drop` GStreamer would release the data, which the bindings have released already.
    info.data = None;
    gst::PadProbeReturn::Handled
}
