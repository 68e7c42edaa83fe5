// SPDX-License-Identifier: MPL-2.0

//! Where there is not enough time for all the work the element does less of it and posts that, and does all of it again when there is.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{buffer, element, frames, info, passed, picture, stat};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;

// The smallest frames that are reduced.
const W: usize = 376;
const H: usize = 360;

/// A frame rate, as a numerator and a denominator.
type FrameRate = (i32, i32);

/// No machine keeps up with this one.
const TOO_FAST: FrameRate = (1_000_000, 1);

/// Every machine keeps up with this one, whatever else runs on it: a frame has a quarter of an hour.
const SLOW: FrameRate = (1, 1000);

fn caps(fps: FrameRate) -> gst::Caps {
    caps_of(W, H, fps)
}

fn caps_of(width: usize, height: usize, (frames, seconds): FrameRate) -> gst::Caps {
    common::init();
    let info = info(VideoFormat::Rgbx, width as u32, height as u32);
    let mut caps = info.to_caps().unwrap();
    caps.make_mut().set("framerate", gst::Fraction::new(frames, seconds));
    caps
}

/// Returns an element whose source has this frame rate, and is live or not.
fn clocked(live: bool, fps: FrameRate) -> (gst::Element, gst::Bus, Harness) {
    with_caps(live, caps(fps))
}

fn with_caps(live: bool, caps: gst::Caps) -> (gst::Element, gst::Bus, Harness) {
    let element = element();
    element.set_property("adaptive", true);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_property_from_str("deadline", "process");
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.use_testclock();
    harness.set_live(live);
    harness.set_src_caps(caps);
    (element, bus, harness)
}

fn push(harness: &mut Harness, number: u32) -> gst::Buffer {
    let mut input = buffer(&picture(W, H, number), VideoFormat::Rgbx, W, H);
    input.make_mut().set_pts(pts(number));
    harness.push_and_pull(input).unwrap()
}

/// The timestamp of a frame, which is larger than any jitter of these tests.
fn pts(number: u32) -> gst::ClockTime {
    gst::ClockTime::from_seconds(10) + gst::ClockTime::from_mseconds(u64::from(number))
}

fn scale(element: &gst::Element) -> f64 {
    stat(element, "working-scale")
}

/// Returns jitter and quality of the QOS messages so far.
fn qos_messages(bus: &gst::Bus) -> Vec<(i64, i32)> {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Qos]))
        .map(|message| match message.view() {
            gst::MessageView::Qos(qos) => (qos.values().0, qos.values().2),
            _ => unreachable!(),
        })
        .collect()
}

#[test]
fn a_live_stream_that_is_too_fast_is_restored_at_a_smaller_scale_from_the_first_frame() {
    let (element, _, mut harness) = clocked(true, TOO_FAST);
    let out = push(&mut harness, 0);
    assert_eq!(scale(&element), 0.5);
    let original = picture(W, H, 0);
    let out = out.map_readable().unwrap();
    assert_ne!(out.as_slice(), original);
    assert!(
        out.chunks_exact(4)
            .zip(original.chunks_exact(4))
            .all(|(a, b)| a[3] == b[3])
    );
    for number in 1..10 {
        push(&mut harness, number);
    }
    assert_eq!(
        (frames(&element), stat::<u64>(&element, "reduced"), passed(&element)),
        (10, 10, 0)
    );
}

#[test]
fn all_the_work_is_done_where_there_is_time_and_where_no_clock_decides() {
    for (live, fps) in [(true, SLOW), (false, SLOW), (false, TOO_FAST)] {
        let (element, bus, mut harness) = clocked(live, fps);
        for number in 0..40 {
            push(&mut harness, number);
        }
        assert_eq!(
            (scale(&element), stat::<u64>(&element, "reduced")),
            (1.0, 0),
            "live: {live}, {fps:?} frames per second"
        );
        assert!(qos_messages(&bus).is_empty());
    }
}

#[test]
fn adaptive_false_keeps_the_scale() {
    let (element, _, mut harness) = clocked(true, SLOW);
    element.set_property("adaptive", false);
    harness.set_src_caps(caps(TOO_FAST));
    for number in 0..40 {
        push(&mut harness, number);
    }
    assert_eq!(scale(&element), 1.0);
    // The property changes while playing. A thread then makes the sessions.
    element.set_property("adaptive", true);
    let adapted = (40..20_000).any(|number| {
        push(&mut harness, number);
        scale(&element) < 1.0
    });
    assert!(adapted);
    element.set_property("adaptive", false);
    push(&mut harness, 0);
    assert_eq!(scale(&element), 1.0);
}

#[test]
fn a_sink_that_falls_behind_makes_the_element_do_less_and_post_it() {
    let (element, bus, mut harness) = clocked(false, SLOW);
    let mut number = 0;
    let adapted = (0..20_000).any(|_| {
        number += 1;
        push(&mut harness, number);
        harness.push_upstream_event(gst::event::Qos::new(
            gst::QOSType::Underflow,
            3.5,
            60_000_000,
            pts(number),
        ));
        scale(&element) < 1.0
    });
    assert!(adapted);
    let posted = qos_messages(&bus);
    // Between the quality of an unchanged frame and that of a frame which got all the work.
    assert!(
        posted.len() == 1 && (500_001..1_000_000).contains(&posted[0].1),
        "{posted:?}"
    );
    // When the sink has caught up, the element does all the work again.
    let rose = (0..400).any(|_| {
        number += 1;
        push(&mut harness, number);
        harness.push_upstream_event(gst::event::Qos::new(
            gst::QOSType::Overflow,
            0.1,
            -60_000_000,
            pts(number),
        ));
        scale(&element) == 1.0
    });
    assert!(rose);
}

#[test]
fn new_caps_start_with_all_the_work() {
    let (element, _, mut harness) = clocked(true, TOO_FAST);
    push(&mut harness, 0);
    assert!(scale(&element) < 1.0);
    harness.set_src_caps(caps(SLOW));
    push(&mut harness, 1);
    assert_eq!(scale(&element), 1.0);
    harness.set_src_caps(caps(TOO_FAST));
    push(&mut harness, 2);
    assert!(scale(&element) < 1.0);
}

#[test]
fn frames_too_small_to_be_reduced_are_restored_at_their_own_scale() {
    let (element, bus, mut harness) = with_caps(true, caps_of(376, 352, TOO_FAST));
    for number in 0..40 {
        harness
            .push_and_pull(buffer(&picture(376, 352, number), VideoFormat::Rgbx, 376, 352))
            .unwrap();
    }
    assert_eq!((frames(&element), scale(&element)), (40, 1.0));
    let warnings = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning])).count();
    assert_eq!(warnings, 0, "a small frame is no error");
}

#[test]
fn loading_ends_when_the_level_is_found_and_the_first_frame_posts_it() {
    let (_, bus, mut harness) = clocked(true, TOO_FAST);
    let kinds = [gst::MessageType::Progress, gst::MessageType::Latency];
    let posted: Vec<_> = std::iter::from_fn(|| bus.pop_filtered(&kinds)).collect();
    let last = |wanted: fn(&gst::Message) -> bool| posted.iter().rposition(wanted).unwrap();
    let started = last(|message| progress(message) == Some(gst::ProgressType::Start));
    let completed = last(|message| progress(message) == Some(gst::ProgressType::Complete));
    // The cost at a level is known when the level is found.
    let known = last(|message| message.type_() == gst::MessageType::Latency);
    assert!(started < known && known < completed, "{posted:?}");
    push(&mut harness, 0);
    push(&mut harness, 1);
    let posted = qos_messages(&bus);
    assert!(
        posted.len() == 1 && (500_001..1_000_000).contains(&posted[0].1),
        "{posted:?}"
    );
}

fn progress(message: &gst::Message) -> Option<gst::ProgressType> {
    match message.view() {
        gst::MessageView::Progress(progress) => Some(progress.get().0),
        _ => None,
    }
}

#[test]
fn the_element_stops_and_starts_again_while_sessions_are_made() {
    let (element, _, mut harness) = clocked(false, SLOW);
    for start in [0, 100, 200] {
        element.set_state(gst::State::Paused).unwrap();
        harness.set_src_caps(caps(SLOW));
        // After this many late frames a smaller scale is wanted. Its sessions take longer to make than the last frames to restore.
        for number in start..start + 13 {
            push(&mut harness, number);
            assert!(
                number > start || scale(&element) == 1.0,
                "a start begins with all the work"
            );
            harness.push_upstream_event(gst::event::Qos::new(
                gst::QOSType::Underflow,
                3.5,
                60_000_000,
                pts(number),
            ));
        }
        element.set_state(gst::State::Null).unwrap();
    }
}
