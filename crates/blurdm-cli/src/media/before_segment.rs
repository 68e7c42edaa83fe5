// SPDX-License-Identifier: MPL-2.0

//! Packets that begin before the segment of their stream, as sound before the first picture of an MPEG-TS. GStreamer 1.22's demuxers pass them on, and its
//! parsers (`GstBaseParse`) drop them in silence.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use gst::prelude::*;

use super::demuxer;
use crate::sync::lock;

type Segment = gst::FormattedSegment<gst::ClockTime>;

/// The segments of streams whose parsers are given longer ones, by the name of the parser.
#[derive(Debug, Clone, Default)]
pub struct Segments(Arc<Mutex<HashMap<String, Segment>>>);

impl Segments {
    /// Gives the parsers that will be in a pipeline segments that begin at 0, so that they drop nothing.
    pub fn lengthen(&self, pipeline: &gst::Pipeline) {
        let all = self.0.clone();
        pipeline.connect_deep_element_added(move |_, _, element| {
            let is_parser = element
                .factory()
                .is_some_and(|factory| factory.has_type(gst::ElementFactoryType::PARSER));
            let Some(pad) = element.static_pad("sink").filter(|_| is_parser) else {
                return;
            };
            let (all, name) = (all.clone(), element.name().to_string());
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                if let Some(event) = info.event_mut()
                    && let gst::EventView::Segment(segment) = event.view()
                    && let Some(own) = segment.segment().downcast_ref::<gst::ClockTime>().cloned()
                {
                    let longer = longer(&own);
                    let mut all = lock(&all);
                    all.remove(&name);
                    if let Some(longer) = longer {
                        all.insert(name.clone(), own);
                        *event = gst::event::Segment::builder(&longer).seqnum(event.seqnum()).build();
                    }
                }
                gst::PadProbeReturn::Ok
            });
        });
    }

    /// Returns the segment of a stream of `parsebin`, where its parser was given another one.
    pub fn of(&self, pad: &gst::Pad) -> Option<Segment> {
        let parsers = demuxer::elements_before(pad);
        let all = lock(&self.0);
        parsers
            .iter()
            .find_map(|parser| all.get(parser.name().as_str()).cloned())
    }
}

/// Returns a segment that begins at 0. `None` where it does already, or is played backwards.
fn longer(segment: &Segment) -> Option<Segment> {
    if segment.rate() <= 0.0 || segment.start()? == gst::ClockTime::ZERO {
        return None;
    }
    let mut longer = segment.clone();
    longer.set_start(gst::ClockTime::ZERO);
    longer.set_time(gst::ClockTime::ZERO);
    longer.set_position(gst::ClockTime::ZERO);
    Some(longer)
}
