// SPDX-License-Identifier: MPL-2.0

//! The prior over time: one serves as many frames as it was asked to, and nothing outlives a cut.

// A test may panic: that is how it fails.
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

/// Where the priors of `frames` different frames come from.
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
fn by_default_every_frame_is_sampled_by_itself() {
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
fn smoothing_leaves_a_share_of_the_prior_before() {
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
fn a_repeated_frame_holds_the_prior_and_a_cut_ends_it() {
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

/// Pushes pictures 1, 2, … and returns the age of each one's prior; before the third, `between` happens.
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
fn the_element_keeps_a_prior_for_prior_interval_frames() {
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
fn a_repeated_frame_costs_no_prior() {
    let element = element();
    let mut harness = harness(&element, W, H);
    let frame = picture(W, H, 1);
    let first = through(&mut harness, &frame, W, H);
    for repeated in 1..=3 {
        assert_eq!(through(&mut harness, &frame, W, H), first);
        assert_eq!(age(&element), repeated);
    }
    // Not so when the sampler is to do otherwise.
    element.set_property("steps", 5u32);
    assert_eq!(through(&mut harness, &frame, W, H), restored(&frame, W, H, 5));
    assert_eq!(age(&element), 0);
    // One value of one pixel is another frame.
    let mut other = frame.clone();
    other[4 * (W * H / 2)] ^= 1;
    through(&mut harness, &other, W, H);
    assert_eq!(age(&element), 0);
}

#[test]
fn nothing_of_a_prior_outlives_a_cut() {
    type Cut = fn(&mut Harness);
    let cuts: [(&str, Cut); 6] = [
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
    for (name, cut) in cuts {
        let element = element();
        element.set_property("prior-interval", 100u32);
        let mut harness = harness(&element, W, H);
        let ages = ages(&element, &mut harness, cut);
        assert_eq!(ages[..2], [0, 1], "{name}");
        // A flagged frame was itself the first one after the cut; a gap and an event leave that to the next.
        let begun = u32::from(name.starts_with("a disc") || name.starts_with("a res"));
        assert_eq!(ages[2..], [begun, begun + 1, begun + 2], "{name}");
    }
}

#[test]
fn passthrough_ends_a_prior() {
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
fn smoothing_carries_a_share_of_the_last_prior_into_the_next_frame() {
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
