// SPDX-License-Identifier: MPL-2.0

//! Late frames: each goes on in order, restored or unchanged, unless it is to be dropped, and the counts add up.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{HANG, buffer, element, frames, harness, passed, picture, pipeline, stat};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;

const W: usize = 64;
const H: usize = 48;
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);
/// Far more than the cost of a frame of this size.
const LATENCY: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// Returns an element whose clock stands still until the test sets it, and whose pipeline has the latency `LATENCY`.
fn clocked(live: bool) -> (gst::Element, gst::Bus, Harness) {
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, W, H);
    harness.use_testclock();
    harness.set_live(live);
    harness.set_time(gst::ClockTime::ZERO).unwrap();
    assert!(harness.push_upstream_event(gst::event::Latency::new(LATENCY)));
    (element, bus, harness)
}

/// Pushes frame `number` with the timestamp `due` at the time `now`. Returns what came out.
fn frame_at(harness: &mut Harness, number: u64, due: gst::ClockTime, now: gst::ClockTime) -> Option<gst::Buffer> {
    harness.set_time(now).unwrap();
    let mut input = buffer(&picture(W, H, number as u32), VideoFormat::Rgbx, W, H);
    let input_ref = input.make_mut();
    input_ref.set_pts(due);
    input_ref.set_duration(FRAME);
    harness.push(input).unwrap();
    harness.try_pull()
}

fn is_original(out: &gst::Buffer, number: u64) -> bool {
    out.map_readable().unwrap().as_slice() == picture(W, H, number as u32)
}

fn late(element: &gst::Element) -> u64 {
    stat(element, "late")
}

fn dropped(element: &gst::Element) -> u64 {
    stat(element, "dropped")
}

/// Returns jitter, proportion, processed and dropped frames of the QOS messages so far.
fn qos_messages(bus: &gst::Bus) -> Vec<(i64, f64, i64, i64)> {
    let count = |value: gst::GenericFormattedValue| value.value();
    let mut messages = Vec::new();
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Qos]) {
        let gst::MessageView::Qos(qos) = message.view() else {
            continue;
        };
        let (jitter, proportion, _) = qos.values();
        let (processed, dropped) = qos.stats();
        messages.push((jitter, proportion, count(processed), count(dropped)));
    }
    messages
}

#[test]
fn a_late_live_frame_passes_unchanged_and_one_in_time_is_restored() {
    let (element, bus, mut harness) = clocked(true);
    // Late and in time by turns.
    let too_late = LATENCY + LATENCY;
    for (number, behind, restored) in [
        (0, gst::ClockTime::ZERO, true),
        (1, too_late, false),
        (2, FRAME, true),
        (3, too_late, false),
    ] {
        let now = too_late * (number + 1);
        let due = now - behind;
        let out = frame_at(&mut harness, number, due, now).expect("a frame is missing");
        assert_eq!(out.pts(), Some(due));
        assert_eq!(is_original(&out, number), !restored, "frame {number}");
    }
    assert_eq!(
        (frames(&element), passed(&element), late(&element), dropped(&element)),
        (2, 2, 2, 0)
    );
    let messages = qos_messages(&bus);
    assert_eq!(messages.len(), 2);
    for (message, went_on) in messages.iter().zip([2, 4]) {
        assert!(message.0 > LATENCY.nseconds() as i64 / 2, "{message:?}");
        assert_eq!((message.2, message.3), (went_on, 0));
    }
}

#[test]
fn deadline_decides_what_becomes_of_a_late_frame() {
    // The property, whether the source is live, whether the frame comes out, whether it is restored.
    let cases = [
        ("process", true, true, true),
        ("passthrough", true, true, false),
        ("drop", true, false, false),
        ("auto", true, true, false),
    ];
    for (value, live, goes_out, is_restored) in cases {
        let (element, bus, mut harness) = clocked(live);
        element.set_property_from_str("deadline", value);
        let out = frame_at(&mut harness, 1, FRAME, LATENCY * 3);
        assert_eq!(out.is_some(), goes_out, "{value}");
        if let Some(out) = out {
            assert_eq!(is_original(&out, 1), !is_restored, "{value}");
        }
        assert_eq!(frames(&element) + passed(&element) + dropped(&element), 1, "{value}");
        assert_eq!(qos_messages(&bus).len(), usize::from(!is_restored), "{value}");
        // The next frame is in time, and is restored.
        let out = frame_at(&mut harness, 2, LATENCY * 3, LATENCY * 3).unwrap();
        assert!(!is_original(&out, 2), "{value}");
    }
}

#[test]
fn without_a_live_source_the_clock_makes_no_frame_late() {
    let (element, bus, mut harness) = clocked(false);
    for value in ["auto", "passthrough", "drop"] {
        element.set_property_from_str("deadline", value);
        let out = frame_at(&mut harness, 1, FRAME, LATENCY * 3).unwrap();
        assert!(!is_original(&out, 1), "{value}");
    }
    assert!(qos_messages(&bus).is_empty());
}

/// Sends the QOS event of a sink for which the frame of the running time `due` was late by `jitter`.
fn send_qos(harness: &mut Harness, due: gst::ClockTime, jitter: i64) {
    let kind = if jitter > 0 {
        gst::QOSType::Underflow
    } else {
        gst::QOSType::Overflow
    };
    assert!(harness.push_upstream_event(gst::event::Qos::new(kind, 1.5, jitter, due)));
}

#[test]
fn what_the_sink_reports_makes_frames_late_until_it_has_caught_up() {
    let (element, bus, mut harness) = clocked(true);
    let at = |harness: &mut Harness, number| {
        is_original(
            &frame_at(harness, number, FRAME * number, FRAME * number).unwrap(),
            number,
        )
    };
    assert!(!at(&mut harness, 0));
    // After a lateness of 60 ms, frames of the next 120 ms are late as well.
    send_qos(&mut harness, FRAME, 60_000_000);
    assert_eq!(
        [2, 3, 4, 5].map(|number| at(&mut harness, number)),
        [true, true, false, false]
    );
    assert!(qos_messages(&bus).iter().all(|message| message.1 == 1.5));
    send_qos(&mut harness, FRAME * 6, 400_000_000);
    assert!(at(&mut harness, 7));
    send_qos(&mut harness, FRAME * 7, -10_000_000);
    assert!(!at(&mut harness, 8));
    assert_eq!((frames(&element), late(&element)), (4, 3));
    // A flush forgets what the sink has reported.
    send_qos(&mut harness, FRAME * 9, 400_000_000);
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    assert!(!at(&mut harness, 10));
}

#[test]
fn a_frame_without_a_timestamp_is_never_late() {
    let (_, _, mut harness) = clocked(true);
    harness.set_time(LATENCY * 3).unwrap();
    harness
        .push(buffer(&picture(W, H, 1), VideoFormat::Rgbx, W, H))
        .unwrap();
    assert!(!is_original(&harness.try_pull().unwrap(), 1));
}

#[test]
fn with_a_quarter_of_the_time_all_frames_come_out_in_order() {
    const FRAMES: u64 = 200;
    let element = element();
    let mut harness = harness(&element, W, H);
    harness.use_testclock();
    harness.set_live(true);
    harness.set_time(gst::ClockTime::ZERO).unwrap();
    // A restored frame costs four intervals: the clock advances by that.
    let cost = FRAME * 4;
    let mut now = gst::ClockTime::ZERO;
    assert!(harness.push_upstream_event(gst::event::Latency::new(cost)));
    for number in 0..FRAMES {
        now = now.max(FRAME * number);
        let before = frames(&element);
        let out = frame_at(&mut harness, number, FRAME * number, now).expect("a frame is missing");
        assert_eq!(out.pts(), Some(FRAME * number));
        let restored = frames(&element) > before;
        assert_eq!(is_original(&out, number), !restored);
        if restored {
            now += cost;
        }
        assert!(now <= FRAME * number + cost + cost, "frame {number} came out too late");
    }
    assert_eq!(frames(&element) + passed(&element), FRAMES);
    assert_eq!(passed(&element), late(&element));
    assert!(
        frames(&element) >= FRAMES / 8 && passed(&element) >= FRAMES / 2,
        "{} of {FRAMES}",
        frames(&element)
    );
}

/// Plays a live stream that is too fast for the model, with `after` between the element and a sink that synchronises to the clock. Returns
/// the number of restored frames, and the warnings.
fn live_and_too_fast(after: &str) -> (u64, Vec<String>) {
    // One thread needs many times the interval of 10 ms.
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc is-live=true num-buffers=200 ! video/x-raw,format=RGBx,width=640,height=360,framerate=100/1 \
         ! blurdm name=b execution-provider=cpu threads=1 adaptive=false {after} ! fakesink sync=true"
    ));
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut warnings = Vec::new();
    loop {
        let message = bus.timed_pop(HANG).expect("neither the end nor an error came");
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{}", error.error()),
            gst::MessageView::Warning(warning) => warnings.push(warning.error().to_string()),
            gst::MessageView::Latency(_) => pipeline.recalculate_latency().unwrap(),
            _ => {}
        }
    }
    let restored = frames(&blurdm);
    assert_eq!(restored + passed(&blurdm), 200);
    pipeline.set_state(gst::State::Null).unwrap();
    (restored, warnings)
}

#[test]
fn if_the_sink_blocks_the_streaming_thread_one_warning_says_to_put_a_queue_after_the_element() {
    let (without, warnings) = live_and_too_fast("");
    assert!(
        warnings.len() == 1 && warnings[0].contains("put 'queue"),
        "{warnings:?}"
    );
    let (with, warnings) = live_and_too_fast("! queue max-size-bytes=0");
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(with > without, "{with} with a queue, {without} without");
}
