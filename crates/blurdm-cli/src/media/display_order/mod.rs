// SPDX-License-Identifier: MPL-2.0

//! Times of presentation of video in AVI, which states those of decoding alone. Frames are shown in another order where there are B-frames:
//! `avidemux` gives key frames their time of decoding as that of presentation, and decoders then give several frames the same time.

mod by_count;
mod by_type;
mod count;
mod picture;

use std::sync::Mutex;

use count::Counts;
use gst::prelude::*;
use picture::Pictures;

use super::bitstream::Coding;
use crate::sync::lock;

/// Gives the frames of a stream of `parsebin` their times of presentation, if it is video whose order is known. It must be of an AVI.
pub fn complete(pad: &gst::Pad, caps: &gst::CapsRef) {
    let source = pad.dynamic_cast_ref::<gst::GhostPad>().and_then(|pad| pad.target());
    let Some((source, order)) = source.zip(Order::of(caps)) else {
        return;
    };
    let (order, output) = (Mutex::new(order), pad.downgrade());
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
    // Of the pad before it: at the end of the stream that itself takes no more frames.
    source.add_probe(what, move |source, info| {
        let Some(output) = output.upgrade() else {
            return gst::PadProbeReturn::Ok;
        };
        if let Some(frame) = info.buffer() {
            let caps = source.current_caps().unwrap_or_else(gst::Caps::new_empty);
            let Some(ready) = lock(&order).add(&caps, frame) else {
                return gst::PadProbeReturn::Ok;
            };
            info.flow_res = push(&output, ready);
            // They take its place.
            info.data = None;
            return gst::PadProbeReturn::Handled;
        }
        match info.event().map(|event| event.type_()) {
            Some(gst::EventType::FlushStop) => lock(&order).clear(),
            Some(gst::EventType::Eos | gst::EventType::Segment | gst::EventType::Caps) => {
                let rest = lock(&order).drain();
                // Where it is refused the event is as well.
                push(&output, rest).ok();
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn push(pad: &gst::Pad, frames: Vec<gst::Buffer>) -> Result<gst::FlowSuccess, gst::FlowError> {
    frames.into_iter().try_for_each(|frame| pad.push(frame).map(drop))?;
    Ok(gst::FlowSuccess::Ok)
}

/// Frames that have no time of presentation yet.
#[derive(Debug)]
enum Order {
    ByType(by_type::Order),
    ByCount(by_count::Order),
}

impl Order {
    /// `None` where the order of such a stream is not known.
    fn of(caps: &gst::CapsRef) -> Option<Self> {
        if let Some(pictures) = Pictures::of(caps) {
            return Some(Self::ByType(by_type::Order::new(pictures)));
        }
        let coding = Coding::of(caps.structure(0)?.name())?;
        Some(Self::ByCount(by_count::Order::new(Counts::new(coding))))
    }

    /// Takes what the container has as one frame, of a stream with these caps. Returns the frames that have their times now. `None` where it passes as it is.
    fn add(&mut self, caps: &gst::CapsRef, frame: &gst::Buffer) -> Option<Vec<gst::Buffer>> {
        match self {
            Self::ByType(order) => order.add(frame),
            Self::ByCount(order) => order.add(caps, frame),
        }
    }

    /// Returns all frames, after which others follow that have nothing to do with them.
    fn drain(&mut self) -> Vec<gst::Buffer> {
        match self {
            Self::ByType(order) => order.drain(),
            Self::ByCount(order) => order.drain(),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::ByType(order) => order.clear(),
            Self::ByCount(order) => order.clear(),
        }
    }
}
