// SPDX-License-Identifier: MPL-2.0

//! The element's properties between two pads of the test.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    buffer, element, frames, harness, init, milliseconds, options, passed, picture, restored, size, through, unpacked,
};
use gst::prelude::*;
use gst_controller::prelude::*;
use gst_video::VideoFormat;
use gstblurdm::engine::{Bundle, Deblurrer, Options, Provider, Search};

const W: usize = 48;
const H: usize = 32;

#[test]
fn strength_0_is_the_same_buffer() {
    let element = element();
    element.set_property("strength", 0.0);
    let mut harness = harness(&element, W, H);
    for _ in 0..2 {
        let input = buffer(&picture(W, H, 1), VideoFormat::Rgbx, W, H);
        let address = input.as_ptr();
        let out = harness.push_and_pull(input).unwrap();
        assert_eq!(out.as_ptr(), address);
    }
    // From there back to work.
    element.set_property("strength", 1.0);
    let frame = picture(W, H, 1);
    assert_eq!(through(&mut harness, &frame, W, H), restored(&frame, W, H, 0));
}

#[test]
fn strength_blends_between_the_input_and_the_restored_frame() {
    let frame = picture(W, H, 1);
    let restored = restored(&frame, W, H, 0);
    let element = element();
    element.set_property("strength", 0.5);
    let half = through(&mut harness(&element, W, H), &frame, W, H);
    for ((from, half), to) in frame.iter().zip(&half).zip(&restored) {
        let (middle, half) = ((f64::from(*from) + f64::from(*to)) / 2.0, f64::from(*half));
        assert!((half - middle).abs() <= 0.5, "{half} between {from} and {to}");
    }
}

/// Asserts that the columns left of `line` are those of the input, and those right of its two white columns those of the restored frame.
fn assert_split(out: &[u8], frame: &[u8], restored: &[u8], line: usize) {
    for (at, pixel) in out.chunks(4).enumerate() {
        let (x, bytes) = (at % W, at * 4..at * 4 + 4);
        match x {
            x if x + 1 < line => assert_eq!(pixel, &frame[bytes], "column {x} is left of {line}"),
            x if x > line => assert_eq!(pixel, &restored[bytes], "column {x} is right of {line}"),
            x => assert_eq!(pixel[..3], [255; 3], "column {x} is the line at {line}"),
        }
    }
}

#[test]
fn compare_split_leaves_the_input_left_of_a_line_that_moves_while_playing() {
    let frame = picture(W, H, 1);
    let restored = restored(&frame, W, H, 0);
    let element = element();
    element.set_property_from_str("compare", "split");
    let mut harness = harness(&element, W, H);
    assert_split(&through(&mut harness, &frame, W, H), &frame, &restored, W / 2);
    for (position, line) in [(0.25, W / 4), (0.75, 3 * W / 4)] {
        element.set_property("compare-position", position);
        assert_split(&through(&mut harness, &frame, W, H), &frame, &restored, line);
    }
    for (position, all) in [(0.0, &restored), (1.0, &frame)] {
        element.set_property("compare-position", position);
        assert_eq!(&through(&mut harness, &frame, W, H), all, "{position}");
    }
    element.set_property_from_str("compare", "off");
    assert_eq!(through(&mut harness, &frame, W, H), restored);
}

#[test]
fn properties_that_change_while_playing_act_on_the_next_frame() {
    let frame = picture(W, H, 1);
    let element = element();
    let mut harness = harness(&element, W, H);
    for steps in [1, 5, 2, 0] {
        element.set_property("steps", steps as u32);
        assert_eq!(
            through(&mut harness, &frame, W, H),
            restored(&frame, W, H, steps),
            "{steps} steps"
        );
    }
    element.set_property("strength", 0.0);
    assert_eq!(through(&mut harness, &frame, W, H), frame);
    element.set_property("strength", 1.0);
    assert_eq!(through(&mut harness, &frame, W, H), restored(&frame, W, H, 0));
}

#[test]
fn a_controlled_property_takes_the_value_of_the_frames_time() {
    let frame = picture(W, H, 1);
    let restored = restored(&frame, W, H, 0);
    let (element, fixed) = (element(), element());
    fixed.set_property("strength", 0.5);
    let half = through(&mut harness(&fixed, W, H), &frame, W, H);
    let source = gst_controller::InterpolationControlSource::new();
    source.set_mode(gst_controller::InterpolationMode::Linear);
    assert!(source.set(gst::ClockTime::ZERO, 0.0));
    assert!(source.set(gst::ClockTime::from_seconds(2), 1.0));
    let binding = gst_controller::DirectControlBinding::new_absolute(&element, "strength", &source);
    element.add_control_binding(&binding).unwrap();
    let mut harness = harness(&element, W, H);
    for (seconds, expected) in [(0, &frame), (1, &half), (2, &restored)] {
        let mut input = buffer(&frame, VideoFormat::Rgbx, W, H);
        input.make_mut().set_pts(gst::ClockTime::from_seconds(seconds));
        let out = harness.push_and_pull(input).unwrap();
        assert_eq!(&unpacked(&out, VideoFormat::Rgbx, W, H), expected, "at {seconds} s");
    }
}

#[test]
fn stats_count_frames_and_time_the_stages() {
    let element = element();
    let mut harness = harness(&element, W, H);
    assert_eq!((frames(&element), milliseconds(&element, "total-ms-p50")), (0, 0.0));
    for number in 1..=4 {
        through(&mut harness, &picture(W, H, 1), W, H);
        assert_eq!(frames(&element), number);
    }
    assert_eq!(passed(&element), 0);
    for stage in ["prior", "backbone", "total"] {
        let [p50, p95, p99] = ["p50", "p95", "p99"].map(|p| milliseconds(&element, &format!("{stage}-ms-{p}")));
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{stage}: {p50} {p95} {p99}");
    }
    let [prior, backbone, total] =
        ["prior", "backbone", "total"].map(|s| milliseconds(&element, &format!("{s}-ms-p99")));
    assert!(prior <= total && backbone <= total);
    element.set_property("strength", 0.0);
    through(&mut harness, &picture(W, H, 1), W, H);
    assert_eq!((frames(&element), passed(&element)), (4, 1));
}

#[test]
fn the_provider_in_use_is_in_a_property_and_a_message() {
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert_eq!(element.property::<String>("active-provider"), "");
    element.set_property_from_str("execution-provider", "auto");
    let _harness = harness(&element, W, H);
    let active = element.property::<String>("active-provider");
    let message = bus.pop_filtered(&[gst::MessageType::Element]).unwrap();
    let structure = message.structure().unwrap();
    assert_eq!(
        (structure.name().as_str(), structure.get::<String>("provider").unwrap()),
        ("blurdm-provider", active.clone())
    );
    let refused = Provider::BEST_FIRST.iter().take_while(|p| p.nick() != active);
    for provider in refused {
        assert!(
            !structure
                .get::<String>(format!("refused-{provider}").as_str())
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn the_requested_provider_is_active_until_the_element_stops() {
    let element = element();
    let harness = harness(&element, W, H);
    assert_eq!(element.property::<String>("active-provider"), "cpu");
    drop(harness);
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(element.property::<String>("active-provider"), "");
}

#[test]
fn a_reduction_applies_whether_the_element_adapts_or_not() {
    let frame = picture(W, H, 4);
    let options = Options {
        reduction: 2,
        ..options(Provider::Cpu)
    };
    let mut expected = vec![0; frame.len()];
    Deblurrer::new(&Bundle::builtin().unwrap(), &options, &Search::default(), size(W, H))
        .unwrap()
        .restore(&frame, &mut expected, 1)
        .unwrap();
    for adaptive in [true, false] {
        let element = element();
        element.set_property("reduction", 2u32);
        element.set_property("adaptive", adaptive);
        let mut harness = harness(&element, W, H);
        assert!(through(&mut harness, &frame, W, H) == expected, "adaptive={adaptive}");
        let stats: gst::Structure = element.property("stats");
        assert_eq!(stats.get::<f64>("working-scale").unwrap(), 0.5);
        assert_eq!(stats.get::<u64>("reduced").unwrap(), 1);
    }
}

#[test]
fn the_defaults_are_those_of_the_property_table() {
    init();
    let element = gst::ElementFactory::make("blurdm").build().unwrap();
    // The name, the default, whether it may change while playing.
    let table = [
        ("model", "", false),
        ("model-format", "", false),
        ("library-path", "", false),
        ("execution-provider", "auto", false),
        ("device-id", "0", false),
        ("memory-limit", "0", false),
        ("cache-dir", "", false),
        ("precision", "auto", false),
        ("threads", "0", false),
        ("frames-in-flight", "0", false),
        ("tile-size", "0", false),
        ("tile-overlap", "32", false),
        ("reduction", "0", false),
        ("load-timeout", "0", false),
        ("steps", "0", true),
        ("prior-interval", "1", true),
        ("prior-smoothing", "-1", true),
        ("strength", "1", true),
        ("deadline", "auto", true),
        ("adaptive", "true", true),
        ("on-error", "fail", true),
        ("compare", "off", true),
        ("compare-position", "0.5", true),
        ("active-provider", "", false),
    ];
    let own: Vec<_> = element
        .list_properties()
        .iter()
        .filter(|p| p.owner_type() == element.type_())
        .cloned()
        .collect();
    assert_eq!(own.len(), table.len() + 1, "and stats: {own:?}");
    for (name, default, playing) in table {
        let property = own
            .iter()
            .find(|p| p.name() == name)
            .unwrap_or_else(|| panic!("no {name}"));
        let (value, standard) = (element.property_value(name), property.default_value().clone());
        let text = |value: &gst::glib::Value| match value.get::<Option<String>>() {
            Ok(text) => text.unwrap_or_default(),
            Err(_) => value.serialize().unwrap().into(),
        };
        let shown = text(&value);
        let nick = gst::glib::EnumValue::from_value(&value).map(|(_, v)| v.nick().to_owned());
        assert_eq!(nick.unwrap_or(shown), default, "{name}");
        assert_eq!(text(&value), text(&standard), "{name}");
        assert_eq!(
            property.flags().contains(gst::PARAM_FLAG_CONTROLLABLE),
            playing,
            "{name}"
        );
        assert_eq!(
            property.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING),
            playing,
            "{name}"
        );
    }
}

/// Returns how often the element has posted that it loads a model.
fn loads(bus: &gst::Bus) -> usize {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Progress]))
        .filter(|message| match message.view() {
            gst::MessageView::Progress(progress) => progress.get().0 == gst::ProgressType::Start,
            _ => false,
        })
        .count()
}

#[test]
fn a_model_is_loaded_once_for_all_starts_with_the_same_properties_and_unloaded_in_null() {
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, W, H);
    // Once on a trial frame and once for the size; then only for another size.
    for (size, expected) in [((W, H), 2), ((W, H), 0), ((W / 2, H), 1), ((W / 2, H), 0), ((W, H), 1)] {
        let (width, height) = size;
        element.set_state(gst::State::Playing).unwrap();
        harness.set_src_caps(common::caps(VideoFormat::Rgbx, width as u32, height as u32));
        let frame = picture(width, height, 1);
        assert_eq!(
            through(&mut harness, &frame, width, height),
            restored(&frame, width, height, 0)
        );
        element.set_state(gst::State::Ready).unwrap();
        assert_eq!(loads(&bus), expected, "{size:?}");
    }
    element.set_state(gst::State::Playing).unwrap();
    for format in [VideoFormat::Rgbx, VideoFormat::Bgrx] {
        harness.set_src_caps(common::caps(format, W as u32, H as u32));
        harness.push_and_pull(buffer(&picture(W, H, 2), format, W, H)).unwrap();
    }
    assert_eq!(loads(&bus), 0, "another format of the same size");
    element.set_state(gst::State::Ready).unwrap();
    element.set_property("threads", 1u32);
    element.set_state(gst::State::Paused).unwrap();
    assert_eq!(loads(&bus), 1, "a property has changed");
    element.set_state(gst::State::Null).unwrap();
    element.set_state(gst::State::Paused).unwrap();
    assert_eq!(loads(&bus), 1, "the model is unloaded in NULL");
    element.set_state(gst::State::Null).unwrap();
}
