// SPDX-License-Identifier: MPL-2.0

//! The pad probes around the element: which frames enter it, and what is recorded about them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use gst::prelude::*;

use super::sharpness;
use crate::{media::demuxer::drop_data, restore::plan::Segment, sync::lock};

/// The flag by which the element knows that a frame does not follow the previous one.
const DISCONTINUITY: gst::BufferFlags = gst::BufferFlags::DISCONT;

/// What is recorded about frames besides what restoring needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Capture {
    /// The width of edges.
    pub edge_widths: bool,
    /// The original frame.
    pub originals: bool,
}

/// What is recorded about a frame.
#[derive(Debug, Clone)]
pub struct FrameInfo {
    /// Stream time in nanoseconds.
    pub time: u64,
    /// PTS of the demuxer in nanoseconds.
    pub pts: u64,
    /// Time in the element.
    pub milliseconds: f32,
    /// `false` for a frame that passed unchanged because it is sharp.
    pub restored: bool,
    /// Whether the decoder concealed errors in it.
    pub damaged: bool,
    /// Width of the edges of the original in pixels.
    pub edge_width: Option<f32>,
    pub original: Option<gst::Buffer>,
}

/// The state of the probes, shared with the thread that takes the frames.
#[derive(Debug)]
pub struct Gate {
    /// `false` until the seek has completed. The frame that prerolls the pipeline before it passes without being recorded.
    open: bool,
    from: u64,
    to: Option<u64>,
    /// Start times of segments that have not been reached. A segment must not depend on the frames before it, since another run may
    /// start there.
    segment_starts: Vec<u64>,
    strength: f64,
    only_blurred: bool,
    capture: Capture,
    /// Frames in the element.
    entered: VecDeque<(Instant, FrameInfo)>,
    /// Frames that have left the element.
    left: VecDeque<FrameInfo>,
    /// Whether all frames have passed.
    complete: bool,
}

impl Gate {
    /// Creates a closed gate for contiguous segments, which must not be empty.
    pub fn new(segments: &[Segment], strength: f64, only_blurred: bool, capture: Capture) -> Self {
        Self {
            open: false,
            from: segments.first().map_or(0, |first| first.from),
            to: segments.last().and_then(|last| last.to),
            segment_starts: segments.iter().map(|segment| segment.from).collect(),
            strength,
            only_blurred,
            capture,
            entered: VecDeque::new(),
            left: VecDeque::new(),
            complete: false,
        }
    }

    pub fn open(&mut self) {
        self.open = true;
        self.entered.clear();
        self.left.clear();
    }

    pub fn is_complete(&self) -> bool {
        self.complete
    }

    pub fn set_complete(&mut self) {
        self.complete = true;
    }

    /// Returns what was recorded about the frame with this PTS. `None` for one that passed before the gate was open.
    pub fn take_info(&mut self, pts: Option<u64>) -> Option<FrameInfo> {
        let next = self.left.front()?;
        if Some(next.pts) == pts {
            self.left.pop_front()
        } else {
            None
        }
    }

    /// Whether a frame enters the element. Records it, and adapts the element to it.
    fn admit(gate: &Mutex<Self>, pad: &gst::Pad, element: &gst::Element, buffer: &mut gst::Buffer) -> bool {
        let Some((time, pts)) = times(pad, buffer) else {
            return false;
        };
        let (capture, only_blurred, strength) = {
            let mut gate = lock(gate);
            if !gate.open {
                return true;
            }
            if gate.to.is_some_and(|to| time >= to) {
                gate.complete = true;
            }
            if gate.complete || time < gate.from {
                return false;
            }
            // In a damaged file the first frame that arrives of a segment need not be its first one.
            let reached = gate.segment_starts.iter().take_while(|&&start| start <= time).count();
            if reached > 0 {
                gate.segment_starts.drain(..reached);
                buffer.make_mut().set_flags(DISCONTINUITY);
            } else {
                buffer.make_mut().unset_flags(DISCONTINUITY);
            }
            (gate.capture, gate.only_blurred, gate.strength)
        };
        let edge_width = (capture.edge_widths || only_blurred)
            .then(|| edge_width(pad, buffer))
            .flatten();
        let restored = !(only_blurred && edge_width.is_some_and(sharpness::is_sharp));
        if only_blurred {
            element.set_property("strength", if restored { strength } else { 0.0 });
        }
        let info = FrameInfo {
            time,
            pts,
            milliseconds: 0.0,
            restored,
            damaged: buffer.flags().contains(gst::BufferFlags::CORRUPTED),
            edge_width,
            original: capture.originals.then(|| buffer.clone()),
        };
        lock(gate).entered.push_back((Instant::now(), info));
        true
    }

    fn record_exit(&mut self) {
        if let Some((entered, mut info)) = self.entered.pop_front() {
            info.milliseconds = entered.elapsed().as_secs_f32() * 1e3;
            self.left.push_back(info);
        }
    }
}

/// Probes that are removed when they are dropped.
pub struct Probes(Vec<(gst::Pad, gst::PadProbeId)>);

impl Probes {
    /// Adds probes to both pads of the element.
    pub fn add(element: &gst::Element, gate: &Arc<Mutex<Gate>>) -> Self {
        let mut probes = Vec::new();
        if let Some(sink) = element.static_pad("sink") {
            let (gate, element) = (gate.clone(), element.downgrade());
            let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
            let probe = sink.add_probe(mask, move |pad, info| {
                let event = info.event().map(|event| event.type_());
                if event == Some(gst::EventType::FlushStop) {
                    // Everything from now on comes from the position of the seek.
                    lock(&gate).open();
                }
                let admitted = match (element.upgrade(), info.buffer_mut()) {
                    (Some(element), Some(buffer)) => Gate::admit(&gate, pad, &element, buffer),
                    _ => true,
                };
                if admitted {
                    gst::PadProbeReturn::Ok
                } else {
                    drop_data(info)
                }
            });
            probes.extend(probe.map(|probe| (sink, probe)));
        }
        if let Some(src) = element.static_pad("src") {
            let gate = gate.clone();
            let probe = src.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                lock(&gate).record_exit();
                gst::PadProbeReturn::Ok
            });
            probes.extend(probe.map(|probe| (src, probe)));
        }
        Self(probes)
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        for (pad, probe) in self.0.drain(..) {
            pad.remove_probe(probe);
        }
    }
}

/// Returns stream time and PTS of a frame in nanoseconds.
fn times(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<(u64, u64)> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
    let pts = buffer.pts()?;
    Some((segment.to_stream_time(pts)?.nseconds(), pts.nseconds()))
}

fn edge_width(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<f32> {
    let caps = pad.current_caps()?;
    sharpness::edge_width_of_frame(buffer, &gst_video::VideoInfo::from_caps(&caps).ok()?)
}
