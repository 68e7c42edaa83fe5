// SPDX-License-Identifier: MPL-2.0

//! A file taken apart into its streams, as they are in it.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gst::prelude::*;

use super::CAT;

/// Which of the streams of a file: those that are pictures are counted by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The number of it among those that are pictures, from 0.
    Pictures(usize),
    Other,
}

/// `filesrc ! parsebin` in a new pipeline. `found` is called in a streaming thread for each stream, with its caps, in the order in which the
/// file has them; what it does not link is read and forgotten.
///
/// # Errors
/// Where GStreamer lacks one of its own elements.
pub fn taken_apart(
    path: &Path,
    found: impl Fn(&gst::Pipeline, &gst::Pad, Stream, &gst::Caps) + Send + Sync + 'static,
) -> Result<gst::Pipeline, gst::glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    let file = gst::ElementFactory::make("filesrc")
        .property("location", path)
        .build()?;
    let parts = gst::ElementFactory::make("parsebin").build()?;
    pipeline.add_many([&file, &parts])?;
    file.link(&parts)?;
    let (pictures, own) = (AtomicUsize::new(0), pipeline.downgrade());
    // Streams of one file are found one after the other, but nothing promises that.
    let one_by_one = Mutex::new(());
    parts.connect_pad_added(move |_, pad| {
        let Some(pipeline) = own.upgrade() else { return };
        let _turn = one_by_one.lock().unwrap_or_else(PoisonError::into_inner);
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let stream = if is_picture(&caps) {
            Stream::Pictures(pictures.fetch_add(1, Ordering::Relaxed))
        } else {
            Stream::Other
        };
        found(&pipeline, pad, stream, &caps);
        if !pad.is_linked() && forget(&pipeline, pad).is_err() {
            gst::debug!(CAT, obj = pad, "nothing takes this stream");
        }
    });
    Ok(pipeline)
}

/// Whether it is moving pictures: an MJPEG stream is, the cover of a song is not.
fn is_picture(caps: &gst::Caps) -> bool {
    caps.structure(0).is_some_and(|first| {
        let moving = || {
            first
                .get::<gst::Fraction>("framerate")
                .is_ok_and(|rate| rate.numer() > 0)
        };
        first.name().starts_with("video/") || (first.name().starts_with("image/") && moving())
    })
}

/// Reads a stream and forgets it, so that it holds up no other.
fn forget(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
    let nowhere = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()?;
    // Not even in PAUSED, where a sink keeps what it has got first and waits.
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| dropped(info));
    pipeline.add(&nowhere)?;
    nowhere.sync_state_with_parent()?;
    let sink = nowhere
        .static_pad("sink")
        .ok_or_else(|| gst::glib::bool_error!("fakesink has no pad"))?;
    pad.link(&sink).map_err(|refused| gst::glib::bool_error!("{refused}"))?;
    Ok(())
}

/// The answer of a probe that lets something go no further, and lets go of it.
pub fn dropped(info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    // With `Drop` GStreamer lets go of it, which the bindings have done by then.
    info.data = None;
    gst::PadProbeReturn::Handled
}
