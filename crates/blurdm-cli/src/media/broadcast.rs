// SPDX-License-Identifier: MPL-2.0

//! MPEG transport and program streams, whose times begin anywhere. GStreamer 1.22's demuxers begin their segment with the first time that they find, though what
//! is stored behind may be earlier, and parsers drop that.

use gst::prelude::*;

type Segment = gst::FormattedSegment<gst::ClockTime>;

const TRANSPORT_STREAM: &str = "tsdemux";
const PROGRAM_STREAM: &str = "mpegpsdemux";

/// Whether a demuxer is one of MPEG transport or program streams, which begin at any time.
pub fn is_broadcast(demuxer: &gst::Element) -> bool {
    is_program_stream(demuxer) || is_made_by(demuxer, TRANSPORT_STREAM)
}

pub fn is_program_stream(demuxer: &gst::Element) -> bool {
    is_made_by(demuxer, PROGRAM_STREAM)
}

fn is_made_by(element: &gst::Element, factory: &str) -> bool {
    element.factory().is_some_and(|made_by| made_by.name() == factory)
}

/// Lets the segments of broadcasts in a pipeline begin at the demuxer's time 0, so that nothing is before them. Running times are stream times then.
pub fn begin_at_zero(pipeline: &gst::Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| {
        if is_broadcast(element) {
            element.connect_pad_added(|_, pad| replace_segments(pad));
        }
    });
}

/// The same for a stream that has come out of a bin, which has copied the segment from the demuxer where there is no parser between.
pub fn begin_stream_at_zero(pad: &gst::Pad) {
    let stored = pad.sticky_event::<gst::event::Segment>(0);
    if let Some(replaced) = stored.and_then(|stored| replaced(&stored)) {
        // It stays as it is where it cannot be stored, as in a pad that flushes.
        pad.store_sticky_event(&replaced).ok();
    }
    replace_segments(pad);
}

fn replace_segments(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(event) = info.event_mut()
            && let gst::EventView::Segment(segment) = event.view()
            && let Some(replaced) = replaced(segment)
        {
            *event = replaced;
        }
        gst::PadProbeReturn::Ok
    });
}

fn replaced(event: &gst::event::Segment) -> Option<gst::Event> {
    let whole = from_zero(event.segment().downcast_ref::<gst::ClockTime>()?)?;
    Some(gst::event::Segment::builder(&whole).seqnum(event.seqnum()).build())
}

/// Returns a segment that begins where stream times are 0. `None` where it is played backwards.
fn from_zero(segment: &Segment) -> Option<Segment> {
    let start = segment.start()?.checked_sub(segment.time()?)?;
    let mut whole = segment.clone();
    whole.set_start(start);
    whole.set_time(gst::ClockTime::ZERO);
    whole.set_position(start);
    whole.set_base(gst::ClockTime::ZERO);
    (segment.rate() > 0.0).then_some(whole)
}
