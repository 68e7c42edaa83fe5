// SPDX-License-Identifier: MPL-2.0

//! Loading a model ends: by itself, by a state change, or at a limit of time.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::{
    HANG,
    bundle::Copy,
    element, errors_of,
    faults::{assert_names, one_error},
    pipeline, play_to_end, size,
};
use gst::prelude::*;
use gstblurdm::engine::{Bundle, Choice, Deblurrer, Error, Options, Provider, Search};

/// Longer than a cancelled run takes to end on a machine with other work, and much shorter than what is cancelled.
const SOON: Duration = Duration::from_secs(15);

/// A model that takes minutes to try on a frame of any size.
fn always_slow() -> Copy {
    Copy::slow(512, 2000)
}

/// A model that takes minutes to warm up on large frames only.
fn slow_on_large_frames() -> Copy {
    Copy::slow(1, 300)
}

#[test]
fn a_model_that_takes_longer_than_the_limit_is_one_error_of_the_state_change_that_names_the_limit() {
    let model = always_slow();
    let started = Instant::now();
    let error = one_error(&[("model", model.text()), ("load-timeout", "2")]);
    assert!(error.matches(gst::ResourceError::Failed), "{error:?}");
    assert_names(&error, &["within 2 s", "load-timeout"]);
    // The next start with another model included.
    assert!(started.elapsed() < 4 * SOON, "{:?}", started.elapsed());
}

#[test]
fn an_application_that_embeds_the_engine_waits_no_longer_than_its_limit() {
    let model = always_slow();
    let bundle = Bundle::open(model.path()).unwrap();
    let options = Options {
        provider: Choice::Only(Provider::Cpu),
        load_limit: Some(Duration::from_secs(1)),
        ..Options::default()
    };
    let started = Instant::now();
    match Deblurrer::new(&bundle, &options, &Search::default(), size(64, 64)) {
        Err(Error::LoadTimeout { limit }) => assert_eq!(limit, Duration::from_secs(1)),
        other => panic!("{:?}", other.map(|_| ()).err()),
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn loading_for_caps_that_takes_longer_than_the_limit_is_one_error() {
    let model = slow_on_large_frames();
    let (pipeline, blurdm) = playing(&model);
    blurdm.set_property("load-timeout", 3_u32);
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let message = bus
        .timed_pop_filtered(HANG, &[gst::MessageType::Error])
        .expect("no error");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    assert_eq!(error.src(), Some(blurdm.upcast_ref()));
    assert_names(&error.error(), &["within 3 s", "load-timeout"]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(errors_of(&bus, &blurdm).is_empty());
}

#[test]
fn a_state_change_ends_loading_for_caps_without_an_error_and_the_element_can_be_used_again() {
    let model = slow_on_large_frames();
    let (pipeline, blurdm) = playing(&model);
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    wait_for_loading(&bus, 2);
    // Into the runs of the warm-up.
    std::thread::sleep(Duration::from_secs(2));
    let started = Instant::now();
    pipeline.set_state(gst::State::Ready).unwrap();
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let errors: Vec<_> = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error])).collect();
    assert!(errors.is_empty(), "{errors:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    blurdm.set_property("model", "");
    let filter = pipeline.by_name("f").unwrap();
    filter.set_property("caps", common::caps(gst_video::VideoFormat::Rgbx, 64, 64));
    play_to_end(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_limit_that_suffices_changes_nothing() {
    let element = element();
    element.set_property("load-timeout", 86_400_u32);
    let mut harness = common::harness(&element, 32, 32);
    let frame = common::picture(32, 32, 1);
    assert_eq!(
        common::through(&mut harness, &frame, 32, 32),
        common::restored(&frame, 32, 32, 0)
    );
}

/// Returns a pipeline of large square frames.
fn playing(model: &Copy) -> (gst::Pipeline, gst::Element) {
    let (pipeline, blurdm) = pipeline(
        "videotestsrc num-buffers=2 ! capsfilter name=f caps=video/x-raw,format=RGBx,width=1536,height=1536 \
         ! blurdm name=b execution-provider=cpu precision=fp32 ! fakesink",
    );
    blurdm.set_property("model", model.text());
    (pipeline, blurdm)
}

/// Waits until loading has begun `times` times.
fn wait_for_loading(bus: &gst::Bus, times: usize) {
    for _ in 0..times {
        loop {
            let message = bus
                .timed_pop_filtered(HANG, &[gst::MessageType::Progress, gst::MessageType::Error])
                .expect("loading does not begin");
            match message.view() {
                gst::MessageView::Progress(progress) if progress.get().0 == gst::ProgressType::Start => break,
                gst::MessageView::Progress(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
