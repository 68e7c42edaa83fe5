// SPDX-License-Identifier: MPL-2.0

//! A cancelled run ends early, and does not affect the next one.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{thread, time::Duration};

use common::{deblurrer, element, errors_of, frames, harness, picture, restored, size, through};
use gst::prelude::*;
use gst_video::VideoFormat;
use gstblurdm::engine::{Error, Provider};

/// So large that a frame on one thread is still running when it is cancelled.
const WIDE: usize = 2560;
const HIGH: usize = 1440;
const STARTED: Duration = Duration::from_millis(100);

#[test]
fn a_cancelled_engine_restores_nothing_until_it_is_resumed() {
    common::init();
    let (width, height) = (64, 48);
    let frame = picture(width, height, 1);
    let mut deblurrer = deblurrer(Provider::Cpu, size(width, height));
    let mut out = vec![0; frame.len()];
    let canceler = deblurrer.canceler();
    canceler.cancel();
    for _ in 0..2 {
        assert!(matches!(deblurrer.restore(&frame, &mut out, 0), Err(Error::Cancelled)));
    }
    canceler.resume();
    deblurrer.restore(&frame, &mut out, 0).unwrap();
    assert_eq!(out, restored(&frame, width, height, 0));
}

/// Returns an element that has restored one large frame, and a thread in which it is restoring the second.
fn restoring() -> (
    gst::Element,
    gst::Bus,
    thread::JoinHandle<Result<gst::FlowSuccess, gst::FlowError>>,
) {
    let element = element();
    element.set_property("threads", 1u32);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, WIDE, HIGH);
    let frame = |seed| common::buffer(&picture(WIDE, HIGH, seed), VideoFormat::Rgbx, WIDE, HIGH);
    harness.push_and_pull(frame(1)).unwrap();
    assert_eq!(frames(&element), 1);
    let second = frame(2);
    let thread = thread::spawn(move || harness.push(second));
    thread::sleep(STARTED);
    (element, bus, thread)
}

#[test]
fn a_flush_ends_the_run_without_an_error_and_the_next_frame_is_restored() {
    let (element, bus, pushing) = restoring();
    let sink = element.static_pad("sink").unwrap();
    assert!(sink.send_event(gst::event::FlushStart::new()));
    assert_eq!(pushing.join().unwrap(), Err(gst::FlowError::Flushing));
    assert_eq!(frames(&element), 1, "the second frame was restored to its end");
    assert!(errors_of(&bus, &element).is_empty());
    drop(element);

    let (width, height) = (64, 48);
    let element = common::element();
    let mut harness = harness(&element, width, height);
    let frame = picture(width, height, 1);
    through(&mut harness, &frame, width, height);
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    assert_eq!(
        through(&mut harness, &frame, width, height),
        restored(&frame, width, height, 0)
    );
}

#[test]
fn stopping_ends_the_run_without_an_error_and_the_element_can_be_started_again() {
    let (element, bus, pushing) = restoring();
    element.set_state(gst::State::Ready).unwrap();
    assert!(pushing.join().unwrap().is_err());
    assert_eq!(frames(&element), 1, "the second frame was restored to its end");
    assert!(errors_of(&bus, &element).is_empty());
    element.set_state(gst::State::Paused).unwrap();
    element.set_state(gst::State::Null).unwrap();
}
