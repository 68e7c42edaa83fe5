// SPDX-License-Identifier: MPL-2.0

//! The prior over time: one serves as many frames as it is asked to, and none outlives a discontinuity.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{element, harness, picture, restored, stat, through};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use gstblurdm::diffusion::{Due, TemporalPolicy, TemporalPrior};
use ndarray::{Array1, array};

const W: usize = 96;
const H: usize = 64;

fn policy(interval: u32, smoothing: f64) -> TemporalPolicy {
    TemporalPolicy { interval, smoothing }
}

/// Returns where the priors of `frames` different frames come from.
fn sources(policy: TemporalPolicy, frames: usize) -> Vec<Due> {
    let mut priors = TemporalPrior::new(1);
    let mut source = || {
        let due = priors.due(policy, false);
        match due {
            Due::Hold => priors.hold(),
            Due::Sample | Due::WarmStart => priors.renew(array![0.0].view(), policy),
        }
        due
    };
    (0..frames).map(|_| source()).collect()
}

#[test]
fn by_default_every_frame_has_a_prior_of_its_own() {
    assert_eq!(sources(TemporalPolicy::default(), 3), [Due::Sample; 3]);
}

#[test]
fn a_prior_serves_as_many_frames_as_the_interval_says() {
    let expected = [
        Due::Sample,
        Due::Hold,
        Due::Hold,
        Due::WarmStart,
        Due::Hold,
        Due::Hold,
        Due::WarmStart,
    ];
    assert_eq!(sources(policy(3, 0.0), 7), expected);
}

#[test]
fn smoothing_keeps_a_share_of_the_last_prior() {
    let mut priors = TemporalPrior::new(2);
    let expected = [[1.0, -4.0], [0.75, -3.0], [0.5625, -2.25]];
    for (sampled, expected) in [[1.0, -4.0], [0.0, 0.0], [0.0, 0.0]].iter().zip(expected) {
        priors.renew(Array1::from(sampled.to_vec()).view(), policy(1, 0.75));
        assert_eq!(priors.current().to_vec(), expected);
    }
    priors.reset();
    priors.renew(array![8.0, 8.0].view(), policy(1, 0.75));
    assert_eq!(priors.current().to_vec(), [8.0, 8.0]);
}

#[test]
fn a_repeated_frame_keeps_the_prior_and_a_reset_ends_it() {
    let mut priors = TemporalPrior::new(1);
    assert_eq!(priors.due(policy(1, 0.0), true), Due::Sample);
    priors.renew(array![1.0].view(), policy(1, 0.0));
    assert_eq!(priors.due(policy(1, 0.0), true), Due::Hold);
    assert_eq!(priors.due(policy(1, 0.5), false), Due::WarmStart);
    priors.hold();
    assert_eq!(priors.age(), 1);
    priors.reset();
    assert_eq!((priors.due(policy(9, 0.5), true), priors.age()), (Due::Sample, 0));
}

fn age(element: &gst::Element) -> u32 {
    stat(element, "prior-age")
}

fn buffer(seed: u32, flags: gst::BufferFlags) -> gst::Buffer {
    let mut buffer = common::buffer(&picture(W, H, seed), VideoFormat::Rgbx, W, H);
    buffer.make_mut().set_flags(flags);
    buffer
}

/// Pushes frames 1, 2, … and returns the age of each one's prior. `between` is called before the third.
fn ages(element: &gst::Element, harness: &mut Harness, between: impl Fn(&mut Harness)) -> Vec<u32> {
    let pushed = |harness: &mut Harness, seed| {
        harness.push_and_pull(buffer(seed, gst::BufferFlags::empty())).unwrap();
        age(element)
    };
    let mut ages: Vec<u32> = (1..=2).map(|seed| pushed(harness, seed)).collect();
    between(harness);
    ages.extend((3..=5).map(|seed| pushed(harness, seed)));
    ages
}

#[test]
fn a_prior_serves_prior_interval_frames_in_the_element() {
    let element = element();
    let mut harness = harness(&element, W, H);
    assert_eq!(ages(&element, &mut harness, |_| ()), [0; 5]);
    element.set_property("prior-interval", 4u32);
    element.set_property("steps", 2u32);
    let first = through(&mut harness, &picture(W, H, 8), W, H);
    assert_ne!(first, restored(&picture(W, H, 8), W, H, 1));
    let frame = picture(W, H, 9);
    assert_ne!(through(&mut harness, &frame, W, H), restored(&frame, W, H, 2));
    assert_eq!(age(&element), 2);
}

#[test]
fn no_prior_is_sampled_for_a_repeated_frame() {
    let element = element();
    let mut harness = harness(&element, W, H);
    let frame = picture(W, H, 1);
    let first = through(&mut harness, &frame, W, H);
    for repeated in 1..=3 {
        assert_eq!(through(&mut harness, &frame, W, H), first);
        assert_eq!(age(&element), repeated);
    }
    // One is sampled when the number of steps has changed.
    element.set_property("steps", 5u32);
    assert_eq!(through(&mut harness, &frame, W, H), restored(&frame, W, H, 5));
    assert_eq!(age(&element), 0);
    // A frame that differs in one bit is another frame.
    let mut other = frame.clone();
    other[4 * (W * H / 2)] ^= 1;
    through(&mut harness, &other, W, H);
    assert_eq!(age(&element), 0);
}

#[test]
fn no_prior_outlives_a_discontinuity() {
    type Discontinuity = fn(&mut Harness);
    let discontinuities: [(&str, Discontinuity); 6] = [
        ("a discontinuity", |h| {
            drop(h.push_and_pull(buffer(2, gst::BufferFlags::DISCONT)).unwrap())
        }),
        ("a resync", |h| {
            drop(h.push_and_pull(buffer(2, gst::BufferFlags::RESYNC)).unwrap())
        }),
        ("a gap", |h| {
            drop(h.push_and_pull(buffer(2, gst::BufferFlags::GAP)).unwrap())
        }),
        ("a flush", |h| {
            assert!(h.push_event(gst::event::FlushStart::new()));
            assert!(h.push_event(gst::event::FlushStop::new(true)));
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            assert!(h.push_event(gst::event::Segment::new(&segment)));
        }),
        ("a segment", |h| {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            assert!(h.push_event(gst::event::Segment::new(&segment)));
        }),
        ("new caps", |h| {
            h.set_src_caps(common::caps(VideoFormat::Bgrx, W as u32, H as u32))
        }),
    ];
    for (name, discontinuity) in discontinuities {
        let element = element();
        element.set_property("prior-interval", 100u32);
        let mut harness = harness(&element, W, H);
        let ages = ages(&element, &mut harness, discontinuity);
        assert_eq!(ages[..2], [0, 1], "{name}");
        // A flagged frame is itself the first one after the discontinuity. After a gap or an event that is the next
        // frame.
        let first = u32::from(name.starts_with("a disc") || name.starts_with("a res"));
        assert_eq!(ages[2..], [first, first + 1, first + 2], "{name}");
    }
}

#[test]
fn no_prior_outlives_passthrough() {
    let element = element();
    element.set_property("prior-interval", 100u32);
    let mut harness = harness(&element, W, H);
    let ages = ages(&element, &mut harness, |harness| {
        let element = harness.element().unwrap();
        element.set_property("strength", 0.0);
        harness.push_and_pull(buffer(7, gst::BufferFlags::empty())).unwrap();
        element.set_property("strength", 1.0);
    });
    assert_eq!(ages, [0, 1, 0, 1, 2]);
}

#[test]
fn smoothing_mixes_the_last_prior_into_the_next_frames() {
    let (one, two) = (picture(W, H, 1), picture(W, H, 2));
    let with = |smoothing: f64| {
        let element = element();
        element.set_property("prior-smoothing", smoothing);
        let mut harness = harness(&element, W, H);
        assert_eq!(through(&mut harness, &one, W, H), restored(&one, W, H, 0));
        through(&mut harness, &two, W, H)
    };
    let alone = restored(&two, W, H, 0);
    assert_eq!(with(0.0), alone);
    assert_eq!(with(-1.0), alone, "the built-in model does not smooth");
    assert_ne!(with(0.9), alone);
}
