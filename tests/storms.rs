// SPDX-License-Identifier: MPL-2.0

//! What no pipeline should do and some do: clocks and timestamps that jump, caps that change with every frame, QoS without end. Every frame
//! comes out nevertheless, in order, restored or unchanged, and the counts add up.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::thread;

use common::{
    buffer, bundle::Copy, caps, element, errors_of, frames, harness, passed, picture, restored, stat, unpacked,
};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;

const W: usize = 64;
const H: usize = 48;
/// Far more than the cost of a frame of this size.
const LATENCY: gst::ClockTime = gst::ClockTime::from_seconds(60);
const DAY: gst::ClockTime = gst::ClockTime::from_seconds(24 * 3600);

fn live(element: &gst::Element) -> (gst::Bus, Harness) {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(element, W, H);
    harness.use_testclock();
    harness.set_live(true);
    harness.set_time(gst::ClockTime::ZERO).unwrap();
    assert!(harness.push_upstream_event(gst::event::Latency::new(LATENCY)));
    (bus, harness)
}

/// Pushes frame `number` with the timestamp `due`. Returns whether it was restored.
fn through(harness: &mut Harness, number: u32, due: gst::ClockTime) -> bool {
    let frame = picture(W, H, number);
    let mut input = buffer(&frame, VideoFormat::Rgbx, W, H);
    input.make_mut().set_pts(due);
    let out = harness.push_and_pull(input).expect("a frame is missing");
    assert_eq!(out.pts(), Some(due));
    let out = unpacked(&out, VideoFormat::Rgbx, W, H);
    let is_restored = out != frame;
    // With `adaptive` the prior may be that of an earlier frame.
    let adapts = harness.element().unwrap().property::<bool>("adaptive");
    assert!(
        !is_restored || adapts || out == restored(&frame, W, H, 0),
        "a wrong picture"
    );
    is_restored
}

#[test]
fn a_clock_that_jumps_makes_frames_late_until_timestamps_have_jumped_too() {
    let element = element();
    let (bus, mut harness) = live(&element);
    let second = gst::ClockTime::SECOND;
    let steps = [
        (second, second, true),
        // The clock was set, or the machine has slept. The source continues its timestamps.
        (second * 2, DAY, false),
        (second * 3, DAY + second, false),
        // The source follows.
        (DAY + second * 2, DAY + second * 2, true),
        // The timestamps of the source are wrong for a while: far ahead, then 0.
        (DAY * 30, DAY + second * 3, true),
        (gst::ClockTime::ZERO, DAY + second * 4, false),
        (DAY + second * 5, DAY + second * 5, true),
    ];
    for (number, (due, now, is_restored)) in (0..).zip(steps) {
        harness.set_time(now).unwrap();
        assert_eq!(through(&mut harness, number, due), is_restored, "frame {number}");
    }
    assert_eq!((frames(&element), passed(&element)), (4, 3));
    assert!(errors_of(&bus, &element).is_empty());
}

#[test]
fn timestamps_at_the_end_of_time_are_no_error() {
    let element = element();
    let (bus, mut harness) = live(&element);
    let last = gst::ClockTime::from_nseconds(u64::MAX - 1);
    assert!(through(&mut harness, 0, last));
    let longest = gst::ClockTime::from_nseconds(i64::MAX as u64);
    assert!(harness.push_upstream_event(gst::event::Latency::new(longest)));
    assert!(through(&mut harness, 1, last));
    for jitter in [i64::MAX, i64::MIN, 0, -1, 1] {
        for proportion in [f64::INFINITY, f64::NAN, -1.0, 0.0] {
            for due in [gst::ClockTime::ZERO, longest, last] {
                let kind = gst::QOSType::Underflow;
                // GStreamer asserts that a frame is not early by more than its timestamp.
                let jitter = jitter.max(-i64::try_from(due.nseconds()).unwrap_or(i64::MAX));
                harness.push_upstream_event(gst::event::Qos::new(kind, proportion, jitter, due));
                through(&mut harness, 2, due);
            }
        }
    }
    assert!(errors_of(&bus, &element).is_empty());
    assert_eq!(frames(&element) + passed(&element), 2 + 5 * 4 * 3);
}

#[test]
fn a_storm_of_qos_neither_stalls_nor_loses_a_frame() {
    [false, true].into_iter().for_each(storm);
}

fn storm(adaptive: bool) {
    const EVENTS: u64 = 20_000;
    let element = element();
    element.set_property("adaptive", adaptive);
    let (bus, mut harness) = live(&element);
    let src = element.static_pad("src").unwrap();
    let count = thread::scope(|scope| {
        let storm = scope.spawn(|| {
            for number in 0..EVENTS {
                // Late by up to days and early by up to the whole running time, about frames long past and far ahead.
                let due = gst::ClockTime::from_mseconds(number * 5);
                let jitter = match number as i64 % 7 - 3 {
                    days @ 0.. => days * DAY.nseconds() as i64,
                    thirds => thirds * (due.nseconds() / 3) as i64,
                };
                let kind = gst::QOSType::Underflow;
                src.send_event(gst::event::Qos::new(kind, (number % 9) as f64, jitter, due));
            }
        });
        let mut count = 0;
        while !storm.is_finished() {
            through(
                &mut harness,
                count,
                gst::ClockTime::from_mseconds(40 * u64::from(count)),
            );
            count += 1;
        }
        count
    });
    assert_eq!(frames(&element) + passed(&element), u64::from(count));
    assert_eq!(
        (stat::<u64>(&element, "late"), stat::<u64>(&element, "dropped")),
        (passed(&element), 0)
    );
    assert!(errors_of(&bus, &element).is_empty());
    // After the storm, frames are restored again.
    let (kind, begin) = (gst::QOSType::Overflow, gst::ClockTime::ZERO);
    assert!(harness.push_upstream_event(gst::event::Qos::new(kind, 0.5, 0, begin)));
    assert!(through(&mut harness, count, gst::ClockTime::from_seconds(50)));
}

#[test]
fn caps_that_change_with_every_frame_give_correct_frames() {
    // The effect of this model is known: it moves each channel away from 128 by half the distance of its mean.
    let model = Copy::shifting(None, 0.5);
    let element = element();
    element.set_property("model", model.text());
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    let sizes = [(64, 48), (48, 64), (17, 31), (64, 48), (100, 16)];
    let formats = [VideoFormat::Rgbx, VideoFormat::Bgr, VideoFormat::Rgba];
    for number in 0..60 {
        let (width, height) = sizes[number % sizes.len()];
        let format = formats[number % formats.len()];
        harness.set_src_caps(caps(format, width as u32, height as u32));
        let frame = picture(width, height, number as u32);
        let out = harness.push_and_pull(buffer(&frame, format, width, height)).unwrap();
        let out = unpacked(&out, format, width, height);
        for channel in 0..3 {
            let mean = |frame: &[u8]| {
                let values = frame.iter().skip(channel).step_by(4).map(|&value| f64::from(value));
                values.sum::<f64>() / (width * height) as f64
            };
            let wanted = mean(&frame) + 0.5 * (mean(&frame) - 128.0);
            assert!(
                (mean(&out) - wanted).abs() < 4.0,
                "frame {number}: {} for {wanted}",
                mean(&out)
            );
        }
    }
    assert_eq!((frames(&element), passed(&element)), (60, 0));
    assert!(errors_of(&bus, &element).is_empty());
}

#[test]
fn events_that_are_not_serialized_with_frames_disturb_none() {
    const EVENTS: u32 = 20_000;
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, W, H);
    let sink = element.static_pad("sink").unwrap();
    let count = thread::scope(|scope| {
        let events = scope.spawn(|| {
            for _ in 0..EVENTS {
                let structure = gst::Structure::new_empty("out-of-band");
                sink.send_event(gst::event::CustomDownstreamOob::new(structure));
            }
        });
        let mut count = 0;
        while !events.is_finished() {
            let frame = buffer(&picture(W, H, count), VideoFormat::Rgbx, W, H);
            harness.push_and_pull(frame).expect("every frame goes out");
            count += 1;
        }
        count
    });
    assert_eq!((frames(&element), passed(&element)), (u64::from(count), 0));
    assert!(errors_of(&bus, &element).is_empty());
}
