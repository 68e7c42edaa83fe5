// SPDX-License-Identifier: MPL-2.0

//! Seeks, rates and events: each event goes on once and in order, and frames stay in their segment and in its order.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use common::{HANG, buffer, bundle::Copy, element, frames, harness, picture, pipeline};
use gst::prelude::*;
use gst_video::VideoFormat;

const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);
const SECOND: gst::ClockTime = gst::ClockTime::SECOND;

/// What went through a pad.
#[derive(Debug, Clone)]
enum Item {
    Event(gst::Event),
    Frame(gst::ClockTime),
}

type Items = Arc<Mutex<Vec<Item>>>;

/// Notes what goes downstream through a pad.
fn watch(pad: &gst::Pad) -> Items {
    let items = Items::default();
    let noted = items.clone();
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
    pad.add_probe(kinds, move |_, info| {
        let item = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => Item::Frame(buffer.pts().unwrap()),
            Some(gst::PadProbeData::Event(event)) => Item::Event(event.clone()),
            _ => return gst::PadProbeReturn::Ok,
        };
        noted.lock().unwrap().push(item);
        gst::PadProbeReturn::Ok
    });
    items
}

/// A pipeline with an element whose two pads are watched.
struct Watched {
    pipeline: gst::Pipeline,
    element: gst::Element,
    before: Items,
    after: Items,
    // The element reads it at each start from NULL.
    _model: Copy,
}

impl Watched {
    fn new(source: &str, at_once: u32, sink: &str) -> Self {
        common::init();
        let model = Copy::shifting(None, 0.5);
        let (pipeline, element) = pipeline(&format!(
            "videotestsrc name=source pattern=ball {source} ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 \
             ! blurdm name=b execution-provider=cpu adaptive=false deadline=process frames-in-flight={at_once} model={} \
             ! fakesink name=sink {sink}",
            model.text()
        ));
        let [before, after] = ["sink", "src"].map(|pad| watch(&element.static_pad(pad).unwrap()));
        Self {
            pipeline,
            element,
            before,
            after,
            _model: model,
        }
    }

    fn seek(&self, rate: f64, flags: gst::SeekFlags, start: gst::ClockTime, stop: Option<gst::ClockTime>) {
        let (set, end) = (gst::SeekType::Set, gst::SeekType::Set);
        self.pipeline.seek(rate, flags, set, start, end, stop).unwrap();
    }

    /// Blocks until a frame of this time has come out.
    fn wait_for(&self, time: gst::ClockTime) {
        let begun = Instant::now();
        loop {
            let found = |item: &Item| matches!(item, Item::Frame(pts) if *pts == time);
            if self.after.lock().unwrap().iter().any(found) {
                return;
            }
            assert!(begun.elapsed() < Duration::from(HANG), "no frame of {time}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn wait_for_end(&self) {
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = self.pipeline.bus().unwrap().timed_pop_filtered(HANG, &kinds);
        let message = message.expect("neither the end nor an error came");
        assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    }

    fn pause(&self) {
        self.pipeline.set_state(gst::State::Paused).unwrap();
        self.pipeline.state(HANG).0.unwrap();
    }

    /// Stops, and checks what every stream must be. Returns the times of the frames that came out.
    fn stop(self) -> Vec<gst::ClockTime> {
        self.pipeline.set_state(gst::State::Null).unwrap();
        let (before, after) = (self.before.lock().unwrap(), self.after.lock().unwrap());
        assert_eq!(events(&before), events(&after), "each event goes on once and in order");
        assert_frames_in_segment(&after);
        times(&after)
    }
}

fn events(items: &[Item]) -> Vec<(gst::EventType, Option<gst::Seqnum>)> {
    let event = |item: &Item| match item {
        // The base class makes the caps of the source pad anew.
        Item::Event(event) if event.type_() == gst::EventType::Caps => Some((event.type_(), None)),
        Item::Event(event) => Some((event.type_(), Some(event.seqnum()))),
        Item::Frame(..) => None,
    };
    items.iter().filter_map(event).collect()
}

fn times(items: &[Item]) -> Vec<gst::ClockTime> {
    let time = |item: &Item| match item {
        Item::Frame(pts) => Some(*pts),
        Item::Event(_) => None,
    };
    items.iter().filter_map(time).collect()
}

fn assert_frames_in_segment(items: &[Item]) {
    let mut segment = None::<gst::FormattedSegment<gst::ClockTime>>;
    let mut last = None;
    for item in items {
        match item {
            Item::Event(event) => match event.view() {
                gst::EventView::Segment(event) => {
                    segment = event.segment().downcast_ref::<gst::ClockTime>().cloned();
                    last = None;
                }
                gst::EventView::FlushStop(_) => segment = None,
                _ => {}
            },
            Item::Frame(pts) => {
                let segment = segment.as_ref().expect("a frame without a segment");
                // Played backward, videotestsrc begins with the frame at the end of the segment.
                let is_inside = Some(*pts) >= segment.start() && segment.stop().is_none_or(|stop| *pts <= stop);
                assert!(is_inside, "{pts} is not in {segment:?}");
                let running = segment.to_running_time(*pts);
                if let (Some(last), Some(running)) = (last, running) {
                    assert!(running > last, "{pts} after {last} in {segment:?}");
                }
                last = running.or(last);
            }
        }
    }
}

#[test]
fn frames_of_the_new_position_follow_a_seek_with_and_without_a_flush() {
    for at_once in [1, 2] {
        let stream = Watched::new("", at_once, "sync=false");
        stream.pipeline.set_state(gst::State::Playing).unwrap();
        stream.wait_for(FRAME * 2);
        let accurate = gst::SeekFlags::ACCURATE;
        // The positions are too far from each other to be reached by playing on, and none comes twice.
        let (hour, flush) = (SECOND * 3600, accurate | gst::SeekFlags::FLUSH);
        for (hours, flags) in [
            (20, flush),
            (10, flush),
            (30, accurate),
            (5, accurate),
            (40, flush),
            (1, accurate),
        ] {
            stream.seek(1.0, flags, hour * hours, None);
            stream.wait_for(hour * hours);
            stream.wait_for(hour * hours + FRAME * 3);
        }
        stream.stop();
    }
}

#[test]
fn scrubbing_in_pause_shows_the_frame_of_each_position() {
    for at_once in [1, 2] {
        let stream = Watched::new("", at_once, "sync=true");
        let sink = stream.pipeline.by_name("sink").unwrap();
        stream.pause();
        let shown = || {
            let sample = sink.property::<Option<gst::Sample>>("last-sample");
            sample.unwrap().buffer().unwrap().pts().unwrap()
        };
        assert_eq!(shown(), gst::ClockTime::ZERO);
        let positions = (1..20).chain((1..20).rev());
        for position in positions {
            let position = FRAME * position * 3;
            stream.seek(1.0, gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, position, None);
            stream.pipeline.state(HANG).0.unwrap();
            assert_eq!(shown(), position);
        }
        stream.stop();
    }
}

#[test]
fn played_backward_all_frames_come_in_reverse_order() {
    for at_once in [1, 2] {
        let stream = Watched::new("", at_once, "sync=false");
        stream.pause();
        stream.after.lock().unwrap().clear();
        stream.before.lock().unwrap().clear();
        let restored = frames(&stream.element);
        stream.seek(
            -1.0,
            gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE,
            gst::ClockTime::ZERO,
            Some(SECOND),
        );
        stream.pipeline.set_state(gst::State::Playing).unwrap();
        stream.wait_for_end();
        let restored = frames(&stream.element) - restored;
        let sent = times(&stream.before.lock().unwrap());
        let times = stream.stop();
        assert_eq!(times, sent);
        assert!(
            times.len() >= 25 && times.iter().is_sorted_by(|a, b| a > b),
            "{times:?}"
        );
        // A frame that was in flight at the seek may be counted as well.
        assert!(restored >= times.len() as u64);
    }
}

#[test]
fn rates_and_trick_modes_reach_the_sink_and_lose_no_frame() {
    use gst::SeekFlags as Flags;
    let modes = [
        (2.0, Flags::empty()),
        (8.0, Flags::TRICKMODE),
        (
            32.0,
            Flags::TRICKMODE | Flags::TRICKMODE_KEY_UNITS | Flags::TRICKMODE_NO_AUDIO,
        ),
        (0.5, Flags::empty()),
        (-4.0, Flags::TRICKMODE),
    ];
    for at_once in [1, 2] {
        for (rate, flags) in modes {
            let stream = Watched::new("", at_once, "sync=false");
            stream.pause();
            stream.after.lock().unwrap().clear();
            stream.before.lock().unwrap().clear();
            stream.seek(
                rate,
                flags | Flags::FLUSH | Flags::ACCURATE,
                gst::ClockTime::ZERO,
                Some(SECOND),
            );
            stream.pipeline.set_state(gst::State::Playing).unwrap();
            stream.wait_for_end();
            let segment = stream
                .element
                .static_pad("src")
                .unwrap()
                .sticky_event::<gst::event::Segment>(0);
            let (wanted, segment) = (
                stream
                    .element
                    .static_pad("sink")
                    .unwrap()
                    .sticky_event::<gst::event::Segment>(0)
                    .unwrap(),
                segment.unwrap(),
            );
            assert_eq!(segment.segment(), wanted.segment());
            assert_eq!(segment.segment().rate(), rate);
            let sent = times(&stream.before.lock().unwrap());
            assert_eq!(stream.stop(), sent, "{rate} {flags:?}");
        }
    }
}

#[test]
fn fifty_state_changes_that_wait_for_nothing_leave_a_pipeline_that_plays() {
    use gst::State::{Null, Paused, Playing, Ready};
    for at_once in [1, 2] {
        let stream = Watched::new("num-buffers=10", at_once, "sync=false");
        let states = [
            Playing, Null, Paused, Ready, Playing, Paused, Playing, Ready, Paused, Null,
        ];
        for (number, state) in states.into_iter().cycle().take(50).enumerate() {
            stream.pipeline.set_state(state).unwrap();
            if number % 7 == 0 {
                thread::sleep(Duration::from_millis(3));
            }
        }
        stream.pipeline.set_state(Null).unwrap();
        stream.after.lock().unwrap().clear();
        stream.before.lock().unwrap().clear();
        stream.pipeline.set_state(Playing).unwrap();
        stream.wait_for_end();
        assert_eq!(stream.stop().len(), 10);
    }
}

#[test]
fn every_state_can_be_reached_from_every_other_without_neighbours() {
    use gst::State::{Null, Paused, Playing, Ready};
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let states = [Null, Ready, Paused, Playing];
    for from in states {
        for to in states {
            for state in [from, to, to] {
                element.set_state(state).unwrap();
                assert_eq!(element.state(HANG).1, state, "from {from:?} to {to:?}");
            }
        }
    }
    element.set_state(Null).unwrap();
    assert!(common::errors_of(&bus, &element).is_empty());
}

#[test]
fn a_new_size_and_frame_rate_reach_the_sink_before_their_frames() {
    for at_once in [1u32, 2] {
        let element = element();
        element.set_property("frames-in-flight", at_once);
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        let items = watch(&element.static_pad("src").unwrap());
        let streams = [(64, 48, 25), (64, 48, 5), (20, 20, 5), (20, 20, 30), (96, 64, 30)];
        for (width, height, rate) in streams {
            let mut caps = common::caps(VideoFormat::Rgbx, width, height);
            caps.make_mut().set("framerate", gst::Fraction::new(rate, 1));
            harness.set_src_caps(caps);
            for _ in 0..3 {
                let (width, height) = (width as usize, height as usize);
                let mut frame = buffer(&picture(width, height, 1), VideoFormat::Rgbx, width, height);
                // The time tells the size and the rate.
                let time = (width as u64 * 1000 + rate as u64) * 1_000_000;
                frame.make_mut().set_pts(gst::ClockTime::from_nseconds(time));
                harness.push(frame).unwrap();
            }
        }
        harness.push_event(gst::event::Eos::new());
        let (mut caps, mut frames) = (None, 0);
        for item in items.lock().unwrap().iter() {
            match item {
                Item::Frame(pts) => {
                    frames += 1;
                    let info: &gst_video::VideoInfo = caps.as_ref().expect("a frame before caps");
                    let (width, rate) = (u64::from(info.width()), info.fps().numer() as u64);
                    assert_eq!(pts.mseconds(), width * 1000 + rate);
                }
                Item::Event(event) => {
                    if let gst::EventView::Caps(event) = event.view() {
                        caps = gst_video::VideoInfo::from_caps(event.caps()).ok();
                    }
                }
            }
        }
        assert_eq!(frames, 3 * streams.len());
    }
}

#[test]
fn every_kind_of_event_goes_on_once_and_in_order() {
    for at_once in [1u32, 2] {
        let element = element();
        element.set_property("frames-in-flight", at_once);
        let mut harness = harness(&element, 32, 32);
        let [before, after] = ["sink", "src"].map(|pad| watch(&element.static_pad(pad).unwrap()));
        let custom = |name: &str| gst::Structure::new_empty(name);
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let downstream = [
            gst::event::Tag::new(gst::TagList::new()),
            gst::event::Gap::builder(FRAME).duration(FRAME).build(),
            gst::event::CustomDownstream::new(custom("serialized")),
            gst::event::CustomDownstreamSticky::new(custom("sticky")),
            gst::event::CustomDownstreamOob::new(custom("out-of-band")),
            gst::event::CustomBoth::new(custom("both")),
            gst::event::CustomBothOob::new(custom("both-out-of-band")),
            gst::event::SinkMessage::new("message", &gst::message::Application::new(custom("message"))),
            gst::event::Segment::new(&segment),
            gst::event::SegmentDone::new(SECOND),
            gst::event::StreamGroupDone::new(gst::GroupId::next()),
        ];
        let pushed: Vec<_> = downstream.iter().map(|event| (event.type_(), event.seqnum())).collect();
        for event in downstream {
            let mut frame = buffer(&picture(32, 32, 1), VideoFormat::Rgbx, 32, 32);
            frame.make_mut().set_pts(FRAME);
            harness.push(frame).unwrap();
            assert!(harness.push_event(event));
        }
        harness.push_event(gst::event::Eos::new());
        let (before, after) = (before.lock().unwrap(), after.lock().unwrap());
        assert_eq!(events(&before), events(&after));
        for (kind, seqnum) in &pushed {
            let count = events(&after)
                .iter()
                .filter(|event| **event == (*kind, Some(*seqnum)))
                .count();
            assert_eq!(count, 1, "{kind:?}");
        }
        // Serialized events keep their place among the frames.
        let places = |items: &[Item]| -> Vec<_> {
            let serialized = |item: &&Item| match item {
                Item::Event(event) => event.is_serialized(),
                Item::Frame(..) => true,
            };
            let kind = |item: &Item| match item {
                Item::Event(event) => Some(event.type_()),
                Item::Frame(..) => None,
            };
            items.iter().filter(serialized).map(kind).collect()
        };
        assert_eq!(places(&before), places(&after));
    }
}

#[test]
fn events_from_downstream_go_on_once() {
    let element = element();
    let mut harness = harness(&element, 32, 32);
    let received = Arc::new(Mutex::new(Vec::new()));
    let noted = received.clone();
    let sink = element.static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        if let Some(event) = info.event() {
            noted.lock().unwrap().push((event.type_(), event.seqnum()));
        }
        gst::PadProbeReturn::Ok
    });
    let custom = |name: &str| gst::Structure::new_empty(name);
    let (set, flags) = (gst::SeekType::Set, gst::SeekFlags::FLUSH);
    let upstream = [
        gst::event::Qos::new(gst::QOSType::Underflow, 1.0, 0, SECOND),
        gst::event::Latency::new(FRAME),
        gst::event::Navigation::new(custom("navigation")),
        gst::event::Seek::new(1.0, flags, set, SECOND, gst::SeekType::None, gst::ClockTime::NONE),
        gst::event::CustomUpstream::new(custom("upstream")),
    ];
    let pushed: Vec<_> = upstream.iter().map(|event| (event.type_(), event.seqnum())).collect();
    for event in upstream {
        harness.push_upstream_event(event);
    }
    assert_eq!(*received.lock().unwrap(), pushed);
}
