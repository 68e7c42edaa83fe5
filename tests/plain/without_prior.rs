// SPDX-License-Identifier: MPL-2.0

//! A bundle whose manifest has no `[prior]`: a backbone alone.

use gst::prelude::*;
use gstblurdm::engine::{Bundle, Deblurrer, Provider, Sampling, Search, TemporalPolicy};

use crate::common::{
    bundle::{BRIGHTER, Copy},
    element,
    faults::{assert_names, one_error},
    frames, harness, milliseconds, options, picture, size, stat, the_runtime, through,
};

/// Panics unless `out` is `frame` with [`BRIGHTER`] added to its colours.
fn assert_brighter(frame: &[u8], out: &[u8]) {
    assert_eq!(out.len(), frame.len());
    for (at, (frame, out)) in frame.chunks_exact(4).zip(out.chunks_exact(4)).enumerate() {
        for (before, after) in frame[..3].iter().zip(out) {
            assert_eq!(before.saturating_add(BRIGHTER), *after, "pixel {at}");
        }
    }
}

#[test]
fn the_element_restores_frames_with_a_backbone_alone_whatever_the_properties_of_priors_say() {
    let model = Copy::without_prior(None);
    for (steps, interval, smoothing) in [(0_u32, 1_u32, -1.0), (7, 5, 0.5)] {
        let element = element();
        element.set_property("model", model.text());
        element.set_property("steps", steps);
        element.set_property("prior-interval", interval);
        element.set_property("prior-smoothing", smoothing);
        let mut harness = harness(&element, 50, 34);
        for seed in 0..3 {
            let frame = picture(50, 34, seed);
            assert_brighter(&frame, &through(&mut harness, &frame, 50, 34));
        }
        assert_eq!(frames(&element), 3);
        assert_eq!(stat::<u32>(&element, "prior-age"), 0);
    }
}

#[test]
fn the_statistics_show_no_time_for_priors() {
    let model = Copy::without_prior(None);
    let element = element();
    element.set_property("model", model.text());
    let mut harness = harness(&element, 64, 64);
    let frame = picture(64, 64, 1);
    through(&mut harness, &frame, 64, 64);
    assert!(milliseconds(&element, "backbone-ms-p99") > 0.0);
    assert_eq!(milliseconds(&element, "prior-ms-p99"), 0.0);
}

#[test]
fn tiles_and_smaller_scales_work_without_a_prior() {
    let (whole, fixed) = (Copy::without_prior(None), Copy::without_prior(Some(64)));
    let frame = picture(150, 100, 1);
    for (model, property, value) in [
        (&whole, "tile-size", 64_u32),
        (&fixed, "tile-overlap", 8),
        (&whole, "reduction", 2),
    ] {
        let element = element();
        element.set_property("model", model.text());
        element.set_property(property, value);
        let out = through(&mut harness(&element, 150, 100), &frame, 150, 100);
        assert_brighter(&frame, &out);
    }
}

#[test]
fn two_frames_in_flight_come_out_in_order_without_a_prior() {
    let model = Copy::without_prior(None);
    let element = element();
    element.set_property("model", model.text());
    element.set_property("frames-in-flight", 2_u32);
    let mut harness = harness(&element, 32, 32);
    let format = gst_video::VideoFormat::Rgbx;
    let pictures: Vec<_> = (0..4).map(|seed| picture(32, 32, seed)).collect();
    for picture in &pictures {
        harness.push(crate::common::buffer(picture, format, 32, 32)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    for picture in &pictures {
        let out = harness.pull().unwrap();
        assert_brighter(picture, &crate::common::unpacked(&out, format, 32, 32));
    }
}

#[test]
fn a_program_sees_that_there_is_no_prior() {
    the_runtime();
    let model = Copy::without_prior(None);
    let bundle = Bundle::open(model.path()).unwrap();
    assert!(bundle.manifest().prior.is_none() && bundle.schedule().is_none());
    let mut deblurrer = Deblurrer::new(&bundle, &options(Provider::Cpu), &Search::default(), size(48, 48)).unwrap();
    assert_eq!(deblurrer.max_steps(), None);
    let frame = picture(48, 48, 1);
    assert!(deblurrer.prior(&frame, 3).unwrap().is_empty());
    let sampling = Sampling {
        steps: 99,
        temporal: TemporalPolicy {
            interval: 3,
            smoothing: 0.5,
        },
    };
    let mut restored = vec![0; frame.len()];
    let timing = deblurrer.restore(&frame, &mut restored, sampling).unwrap();
    assert_brighter(&frame, &restored);
    assert!(!timing.backbone.is_zero());
}

#[test]
fn a_schedule_without_a_prior_and_a_prior_without_a_schedule_are_refused() {
    for (section, other) in [("[schedule]", "[prior]"), ("[prior]", "[schedule]")] {
        let model = Copy::new();
        model.drop_section(section);
        let error = one_error(&[("model", model.text())]);
        assert_names(&error, &["manifest.toml", section, other, "leave both out"]);
    }
}

#[test]
fn a_backbone_that_wants_a_prior_is_refused_in_a_bundle_without_one() {
    let model = Copy::new();
    for section in ["[schedule]", "[prior]"] {
        model.drop_section(section);
    }
    let error = one_error(&[("model", model.text())]);
    assert_names(&error, &["backbone", "'prior'", "the contract wants 'frame'"]);
}
