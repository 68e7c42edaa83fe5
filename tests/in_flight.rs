// SPDX-License-Identifier: MPL-2.0

//! With `frames-in-flight=2` a frame is restored in a thread of its own and comes out when the next one arrives: the same frames as without, in
//! order, none lost where the stream ends or changes, and the wait is part of the latency. These tests run on the CPU; the element does the
//! same on a GPU.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{sync::mpsc, thread, time::Duration};

use common::{
    HANG, buffer, bundle::Copy, caps, element, errors_of, frames, harness, passed, picture, pipeline, play_to_end,
    restored, stat, unpacked,
};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;

const W: usize = 64;
const H: usize = 48;
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

fn element_in_flight() -> gst::Element {
    let element = element();
    element.set_property("frames-in-flight", 2u32);
    element
}

fn frame(number: u32) -> gst::Buffer {
    let mut frame = buffer(&picture(W, H, number), VideoFormat::Rgbx, W, H);
    let frame_ref = frame.make_mut();
    frame_ref.set_pts(FRAME * u64::from(number));
    frame_ref.set_duration(FRAME);
    frame
}

/// Returns what has come out so far.
fn out(harness: &mut Harness) -> Vec<gst::Buffer> {
    std::iter::from_fn(|| harness.try_pull()).collect()
}

#[track_caller]
fn assert_restored(out: &gst::Buffer, number: u32) {
    assert_eq!(out.pts(), Some(FRAME * u64::from(number)));
    let expected = restored(&picture(W, H, number), W, H, 0);
    assert!(unpacked(out, VideoFormat::Rgbx, W, H) == expected, "frame {number}");
}

#[track_caller]
fn assert_original(out: &gst::Buffer, number: u32) {
    assert_eq!(out.pts(), Some(FRAME * u64::from(number)));
    assert!(
        unpacked(out, VideoFormat::Rgbx, W, H) == picture(W, H, number),
        "frame {number}"
    );
}

#[test]
fn a_frame_comes_out_when_the_next_one_arrives_and_the_last_one_at_the_end() {
    let element = element_in_flight();
    let mut harness = harness(&element, W, H);
    for number in 0..6 {
        harness.push(frame(number)).unwrap();
        let out = out(&mut harness);
        assert_eq!(out.len(), usize::from(number > 0), "after frame {number}");
        out.iter().for_each(|out| assert_restored(out, number - 1));
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let last = out(&mut harness);
    assert_eq!(last.len(), 1);
    assert_restored(&last[0], 5);
    assert_eq!((frames(&element), passed(&element)), (6, 0));
}

#[test]
fn every_format_comes_out_as_with_one_frame_at_a_time() {
    for format in ["RGBx", "BGRA", "RGB", "NV12", "I420_10LE", "GRAY8"] {
        let [expected, found] = [1u32, 2].map(|at_once| {
            let (pipeline, blurdm) = pipeline(&format!(
                "videotestsrc num-buffers=4 pattern=ball ! video/x-raw,format={format},width=64,height=50,framerate=25/1 \
                 ! blurdm name=b execution-provider=cpu precision=fp32 adaptive=false strength=0.8 ! appsink name=a sync=false"
            ));
            blurdm.set_property("frames-in-flight", at_once);
            let sink = pipeline.by_name("a").unwrap().downcast::<gst_app::AppSink>().unwrap();
            pipeline.set_state(gst::State::Playing).unwrap();
            let frames: Vec<_> = std::iter::from_fn(|| sink.try_pull_sample(HANG))
                .map(|sample| {
                    let buffer = sample.buffer().unwrap();
                    (buffer.pts(), buffer.map_readable().unwrap().to_vec())
                })
                .collect();
            pipeline.set_state(gst::State::Null).unwrap();
            frames
        });
        assert_eq!(expected.len(), 4, "{format}");
        assert!(expected == found, "{format}");
    }
}

#[test]
fn the_wait_for_the_next_frame_is_part_of_the_latency() {
    let element = element_in_flight();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, W, H);
    assert!(bus.pop_filtered(&[gst::MessageType::Latency]).is_some());
    // The caps of the harness have 30 frames per second.
    let interval = gst::ClockTime::SECOND / 30;
    assert!(harness.query_latency().unwrap() >= interval);
    for number in 0..3 {
        harness.push(frame(number)).unwrap();
    }
    let cost = gst::ClockTime::from_useconds((common::milliseconds(&element, "total-ms-p95") * 500.0) as u64);
    assert!(harness.query_latency().unwrap() >= interval + cost);
    // With one frame at a time nothing waits.
    let alone = common::harness(&common::element(), W, H);
    assert!(alone.query_latency().unwrap_or_default() < interval);
}

#[test]
fn serialized_events_come_out_after_the_frames_before_them() {
    let element = element_in_flight();
    let mut harness = harness(&element, W, H);
    harness.push(frame(0)).unwrap();
    let mut tags = gst::TagList::new();
    tags.make_mut()
        .add::<gst::tags::Title>(&"a title", gst::TagMergeMode::Append);
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    for (number, event) in [
        gst::event::Tag::new(tags),
        gst::event::Segment::new(&segment),
        gst::event::CustomDownstream::new(gst::Structure::new_empty("of-an-application")),
        gst::event::Gap::builder(FRAME).build(),
    ]
    .into_iter()
    .enumerate()
    {
        let number = number as u32;
        assert!(harness.push_event(event.clone()));
        let out = out(&mut harness);
        assert_eq!(out.len(), 1, "before {event:?}");
        assert_restored(&out[0], number);
        harness.push(frame(number + 1)).unwrap();
        assert!(harness.try_pull().is_none(), "after {event:?}");
    }
}

#[test]
fn a_drain_query_pushes_the_frames_in_flight() {
    let mut harness = harness(&element_in_flight(), W, H);
    harness.push(frame(0)).unwrap();
    let pad = harness.element().unwrap().static_pad("sink").unwrap();
    pad.query(&mut gst::query::Drain::new());
    let out = out(&mut harness);
    assert_eq!(out.len(), 1);
    assert_restored(&out[0], 0);
}

#[test]
fn new_caps_come_out_between_the_frames_before_and_after_them() {
    let mut harness = harness(&element_in_flight(), W, H);
    harness.push(frame(0)).unwrap();
    harness.set_src_caps(caps(VideoFormat::Bgr, 48, 20));
    let first = out(&mut harness);
    assert_eq!(first.len(), 1);
    assert_restored(&first[0], 0);
    let other = picture(48, 20, 1);
    harness.push(buffer(&other, VideoFormat::Bgr, 48, 20)).unwrap();
    assert!(harness.try_pull().is_none());
    harness.push_event(gst::event::Eos::new());
    let out = unpacked(&harness.pull().unwrap(), VideoFormat::Bgr, 48, 20);
    for (out, expected) in out.chunks(4).zip(restored(&other, 48, 20, 0).chunks(4)) {
        assert_eq!(out[..3], expected[..3]);
    }
}

#[test]
fn a_flush_discards_the_frames_in_flight_and_the_next_frame_is_restored() {
    let element = element_in_flight();
    let mut harness = harness(&element, W, H);
    for number in 0..2 {
        harness.push(frame(number)).unwrap();
    }
    assert_eq!(out(&mut harness).len(), 1);
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    assert!(harness.try_pull().is_none(), "a frame from before the flush came out");
    for number in 5..7 {
        harness.push(frame(number)).unwrap();
    }
    assert_restored(&harness.pull().unwrap(), 5);
}

#[test]
fn frames_that_pass_unchanged_do_not_overtake() {
    let element = element_in_flight();
    let mut harness = harness(&element, W, H);
    harness.push(frame(0)).unwrap();
    element.set_property("strength", 0.0);
    harness.push(frame(1)).unwrap();
    harness.push(frame(2)).unwrap();
    element.set_property("strength", 1.0);
    let mut gap = frame(3);
    gap.make_mut().set_flags(gst::BufferFlags::GAP);
    harness.push(gap).unwrap();
    harness.push(frame(4)).unwrap();
    harness.push_event(gst::event::Eos::new());
    let out = out(&mut harness);
    assert_eq!(out.len(), 5);
    assert_restored(&out[0], 0);
    (1..4).for_each(|number| assert_original(&out[number as usize], number));
    assert_restored(&out[4], 4);
    assert_eq!((frames(&element), passed(&element)), (2, 3));
}

#[test]
fn the_frame_after_a_dropped_one_is_a_discontinuity() {
    let element = element_in_flight();
    element.set_property_from_str("deadline", "drop");
    let mut harness = harness(&element, W, H);
    harness.use_testclock();
    harness.set_live(true);
    let minute = gst::ClockTime::from_seconds(60);
    assert!(harness.push_upstream_event(gst::event::Latency::new(minute)));
    harness.set_time(minute * 3).unwrap();
    // By its timestamp the second frame is minutes late.
    for number in [4500, 1, 4502, 4503] {
        harness.push(frame(number)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let out = out(&mut harness);
    assert_eq!(out.len(), 3);
    for (out, number) in out.iter().zip([4500, 4502, 4503]) {
        assert_restored(out, number);
        assert_eq!(
            out.flags().contains(gst::BufferFlags::DISCONT),
            number == 4502,
            "frame {number}"
        );
    }
    assert_eq!((frames(&element), stat::<u64>(&element, "dropped")), (3, 1));
}

#[test]
fn a_frame_that_cannot_be_restored_is_one_error_and_fewer_steps_play_on() {
    let element = element_in_flight();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, W, H);
    harness.push(frame(0)).unwrap();
    element.set_property("steps", 6u32);
    harness.push(frame(1)).unwrap();
    assert_eq!(harness.push(frame(2)), Err(gst::FlowError::Error));
    let errors = errors_of(&bus, &element);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].matches(gst::ResourceError::Settings), "{errors:?}");
    assert_restored(&harness.pull().unwrap(), 0);
    drop(harness);

    element.set_state(gst::State::Ready).unwrap();
    element.set_property("steps", 0u32);
    let mut harness = common::harness(&element, W, H);
    for number in 3..5 {
        harness.push(frame(number)).unwrap();
    }
    assert_restored(&harness.pull().unwrap(), 3);
}

#[test]
fn with_on_error_passthrough_frames_that_fail_pass_unchanged_in_order() {
    let element = element_in_flight();
    element.set_property_from_str("on-error", "passthrough");
    let mut harness = harness(&element, W, H);
    for number in 0..5 {
        element.set_property("steps", if (1..3).contains(&number) { 6u32 } else { 0 });
        harness.push(frame(number)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let out = out(&mut harness);
    assert_eq!(out.len(), 5);
    for (number, out) in (0..).zip(&out) {
        if (1..3).contains(&number) {
            assert_original(out, number);
        } else {
            assert_restored(out, number);
        }
    }
}

#[test]
fn metas_and_flags_stay_with_their_frame() {
    let mut harness = harness(&element_in_flight(), W, H);
    for number in 0..2 {
        let mut frame = frame(number);
        let frame_ref = frame.make_mut();
        frame_ref.set_flags(gst::BufferFlags::MARKER);
        gst_video::VideoRegionOfInterestMeta::add(frame_ref, &format!("roi-{number}"), (1, 2, 3, 4));
        harness.push(frame).unwrap();
    }
    let out = harness.pull().unwrap();
    assert!(out.flags().contains(gst::BufferFlags::MARKER));
    let roi = out.meta::<gst_video::VideoRegionOfInterestMeta>().unwrap();
    assert_eq!(roi.roi_type(), "roi-0");
}

#[test]
fn a_pipeline_plays_again_and_stops_in_the_middle() {
    let (pipeline, blurdm) = pipeline(
        "videotestsrc num-buffers=5 ! video/x-raw,format=RGBx,width=64,height=48,framerate=25/1 \
         ! blurdm name=b execution-provider=cpu frames-in-flight=2 ! fakesink name=f",
    );
    for round in 0..3 {
        play_to_end(&pipeline);
        assert_eq!(frames(&blurdm), 5, "round {round}");
        pipeline.set_state(gst::State::Null).unwrap();
    }
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(HANG).0.unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
}

/// The sides of a frame that takes longer to restore than the element takes to stop.
const WIDE: usize = 1920;
const HIGH: usize = 1080;

#[test]
fn stopping_cancels_the_frame_in_flight_without_an_error() {
    let element = element_in_flight();
    element.set_property("threads", 1u32);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, WIDE, HIGH);
    harness
        .push(buffer(&picture(WIDE, HIGH, 1), VideoFormat::Rgbx, WIDE, HIGH))
        .unwrap();
    let (done, stopped) = mpsc::channel();
    let stopping = element.clone();
    thread::spawn(move || {
        stopping.set_state(gst::State::Ready).unwrap();
        done.send(()).unwrap();
    });
    stopped
        .recv_timeout(Duration::from_secs(100))
        .expect("it does not stop");
    assert!(errors_of(&bus, &element).is_empty());
    assert_eq!(frames(&element), 0, "the frame was restored to its end");
    element.set_state(gst::State::Paused).unwrap();
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn the_stream_does_not_wait_for_the_last_frame() {
    // A model whose graphs cost next to nothing: the order is tested, not the time.
    let copy = Copy::shifting(None, 0.5);
    let element = element_in_flight();
    element.set_property("model", copy.text());
    let mut harness = harness(&element, W, H);
    for number in 0..50 {
        harness.push(frame(number)).unwrap();
        assert_eq!(harness.buffers_in_queue(), number, "after frame {number}");
    }
    harness.push_event(gst::event::Eos::new());
    assert_eq!(harness.buffers_in_queue(), 50);
    let times: Vec<_> = out(&mut harness).iter().map(|out| out.pts().unwrap()).collect();
    assert!(times.is_sorted());
}
