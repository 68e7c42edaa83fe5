// SPDX-License-Identifier: MPL-2.0

//! The element between two pads of the test.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{buffer, caps, deblurrer, element, harness, init, packed, picture, places, size, through, unpacked};
use gst::prelude::*;
use gst_check::Harness;
use gst_controller::prelude::*;
use gst_video::{VideoFormat, VideoFrameFlags, VideoMeta};
use gstblurdm::engine::Provider;

const FORMATS: [VideoFormat; 6] = [
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
];
const W: usize = 64;
const H: usize = 48;

/// What the engine makes of a frame.
fn expected(frame: &[u8], width: usize, height: usize, steps: usize) -> Vec<u8> {
    let mut restored = vec![0; frame.len()];
    let mut deblurrer = deblurrer(Provider::Cpu, size(width, height));
    deblurrer.restore(frame, &mut restored, steps).unwrap();
    assert_ne!(restored, frame);
    restored
}

fn of_format(format: VideoFormat, width: usize, height: usize) -> Harness {
    let mut harness = harness(&element(), width, height);
    harness.set_src_caps(caps(format, width as u32, height as u32));
    harness
}

fn stat(element: &gst::Element, field: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(field).unwrap()
}

fn milliseconds(element: &gst::Element, field: &str) -> f64 {
    element.property::<gst::Structure>("stats").get(field).unwrap()
}

#[test]
fn every_format_and_size_gives_the_same_picture_and_keeps_the_fourth_byte() {
    for (width, height) in [(17, 31), (16, 16)] {
        let frame = picture(width, height, 1);
        let restored = expected(&frame, width, height, 0);
        for format in FORMATS {
            let mut harness = of_format(format, width, height);
            let out = harness.push_and_pull(buffer(&frame, format, width, height)).unwrap();
            let out = unpacked(&out, format, width, height);
            let has_fourth = places(format).1 == 4;
            for ((out, restored), frame) in out.chunks(4).zip(restored.chunks(4)).zip(frame.chunks(4)) {
                assert_eq!(out[..3], restored[..3], "{format} {width}x{height}");
                assert!(!has_fourth || out[3] == frame[3], "{format} {width}x{height}");
            }
        }
    }
}

#[test]
fn rows_with_padding_give_the_same_picture_as_tight_ones() {
    let (width, height) = (17, 31);
    let frame = picture(width, height, 1);
    let restored = expected(&frame, width, height, 0);
    for format in [VideoFormat::Rgbx, VideoFormat::Bgra, VideoFormat::Rgb] {
        let bytes = places(format).1;
        for (padding, offset) in [(12, 0), (1, 0), (12, 32)] {
            let stride = width * bytes + padding;
            let rows = packed(&frame, format, width, stride);
            let mut data = vec![0xEE; offset];
            data.extend_from_slice(rows.map_readable().unwrap().as_slice());
            let mut padded = gst::Buffer::from_mut_slice(data);
            let (w, h) = (width as u32, height as u32);
            let none = VideoFrameFlags::empty();
            VideoMeta::add_full(padded.make_mut(), none, format, w, h, &[offset], &[stride as i32]).unwrap();
            let out = of_format(format, width, height).push_and_pull(padded).unwrap();
            let out = unpacked(&out, format, width, height);
            for (out, restored) in out.chunks(4).zip(restored.chunks(4)) {
                assert_eq!(
                    out[..3],
                    restored[..3],
                    "{format}, {padding} bytes of padding, offset {offset}"
                );
            }
        }
    }
}

#[test]
fn timestamps_duration_and_offsets_are_kept() {
    let mut harness = harness(&element(), W, H);
    for number in 0..3 {
        let mut input = buffer(&picture(W, H, 1), VideoFormat::Rgbx, W, H);
        let pts = gst::ClockTime::from_mseconds(500 + 40 * number);
        {
            let input = input.make_mut();
            input.set_pts(pts);
            input.set_dts(pts - gst::ClockTime::from_mseconds(7));
            input.set_duration(gst::ClockTime::from_mseconds(40));
            input.set_offset(100 + number);
            input.set_offset_end(101 + number);
        }
        let out = harness.push_and_pull(input).unwrap();
        assert_eq!(out.pts(), Some(pts));
        assert_eq!(out.dts(), Some(pts - gst::ClockTime::from_mseconds(7)));
        assert_eq!(out.duration(), Some(gst::ClockTime::from_mseconds(40)));
        assert_eq!((out.offset(), out.offset_end()), (100 + number, 101 + number));
    }
}

#[test]
fn flags_are_kept() {
    use gst::BufferFlags as Flags;
    let mut harness = harness(&element(), W, H);
    through(&mut harness, &picture(W, H, 1), W, H);
    let all = [
        Flags::DISCONT,
        Flags::MARKER,
        Flags::CORRUPTED,
        Flags::DROPPABLE,
        Flags::HEADER,
        Flags::RESYNC,
    ];
    for set in all {
        let mut input = buffer(&picture(W, H, 1), VideoFormat::Rgbx, W, H);
        input.make_mut().set_flags(set);
        let out = harness.push_and_pull(input).unwrap();
        for flag in all {
            assert_eq!(
                out.flags().contains(flag),
                flag == set,
                "{flag:?} of a frame with {set:?}"
            );
        }
    }
}

#[test]
fn a_gap_passes_as_it_is() {
    let element = element();
    let mut harness = harness(&element, W, H);
    let frame = picture(W, H, 1);
    let mut gap = buffer(&frame, VideoFormat::Rgbx, W, H);
    gap.make_mut().set_flags(gst::BufferFlags::GAP);
    let out = harness.push_and_pull(gap).unwrap();
    assert_eq!(unpacked(&out, VideoFormat::Rgbx, W, H), frame);
    assert!(out.flags().contains(gst::BufferFlags::GAP));
    assert_eq!((stat(&element, "frames"), stat(&element, "passed")), (0, 1));
}

#[test]
fn metas_are_kept() {
    use gst_video::{VideoCaptionMeta, VideoCaptionType, VideoRegionOfInterestMeta, VideoTimeCodeMeta};
    let clock = gst::Caps::builder("timestamp/x-unix").build();
    let time = gst::ClockTime::from_seconds(1_700_000_000);
    let code = gst_video::VideoTimeCodeFlags::empty();
    let code = gst_video::ValidVideoTimeCode::new(gst::Fraction::new(25, 1), None, code, 1, 2, 3, 4, 0);
    let code = {
        init();
        code.unwrap()
    };
    for format in [VideoFormat::Rgbx, VideoFormat::Bgr] {
        let mut harness = of_format(format, W, H);
        let mut input = buffer(&picture(W, H, 1), format, W, H);
        {
            let input = input.make_mut();
            VideoRegionOfInterestMeta::add(input, "car", (3, 4, 20, 10));
            gst::ReferenceTimestampMeta::add(input, &clock, time, gst::ClockTime::NONE);
            VideoTimeCodeMeta::add(input, &code);
            VideoCaptionMeta::add(input, VideoCaptionType::Cea608Raw, &[0x14, 0x2C]);
        }
        let out = harness.push_and_pull(input).unwrap();
        let region = out.meta::<VideoRegionOfInterestMeta>().unwrap();
        assert_eq!((region.roi_type(), region.rect()), ("car", (3, 4, 20, 10)));
        let reference = out.meta::<gst::ReferenceTimestampMeta>().unwrap();
        assert_eq!((reference.timestamp(), reference.reference()), (time, clock.as_ref()));
        assert_eq!(out.meta::<VideoTimeCodeMeta>().unwrap().tc(), code);
        let caption = out.meta::<VideoCaptionMeta>().unwrap();
        assert_eq!(
            (caption.caption_type(), caption.data()),
            (VideoCaptionType::Cea608Raw, &[0x14, 0x2C][..])
        );
    }
}

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
    // And on to work from there.
    element.set_property("strength", 1.0);
    let frame = picture(W, H, 1);
    assert_eq!(through(&mut harness, &frame, W, H), expected(&frame, W, H, 0));
}

#[test]
fn strength_blends_between_the_input_and_the_restored_frame() {
    let frame = picture(W, H, 1);
    let restored = expected(&frame, W, H, 0);
    let element = element();
    element.set_property("strength", 0.5);
    let half = through(&mut harness(&element, W, H), &frame, W, H);
    for ((from, half), to) in frame.iter().zip(&half).zip(&restored) {
        let (middle, half) = ((f64::from(*from) + f64::from(*to)) / 2.0, f64::from(*half));
        assert!((half - middle).abs() <= 0.5, "{half} between {from} and {to}");
    }
}

/// Asserts that columns left of `line` are the input's, and from two pixels (the line itself) on the restored ones.
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
    let restored = expected(&frame, W, H, 0);
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
            expected(&frame, W, H, steps),
            "{steps} steps"
        );
    }
    element.set_property("strength", 0.0);
    assert_eq!(through(&mut harness, &frame, W, H), frame);
    element.set_property("strength", 1.0);
    assert_eq!(through(&mut harness, &frame, W, H), expected(&frame, W, H, 0));
}

#[test]
fn a_controlled_property_takes_the_value_of_the_frames_time() {
    let frame = picture(W, H, 1);
    let restored = expected(&frame, W, H, 0);
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
fn a_still_scene_stays_still() {
    let frame = picture(W, H, 1);
    let mut harness = harness(&element(), W, H);
    let first = through(&mut harness, &frame, W, H);
    for number in 1..10 {
        assert_eq!(through(&mut harness, &frame, W, H), first, "frame {number}");
    }
}

#[test]
fn the_latency_is_that_of_upstream_and_what_a_frame_has_cost() {
    // Large enough that a frame costs more than the millisecond under which nothing is told.
    let (width, height) = (320, 180);
    let upstream = gst::ClockTime::from_mseconds(20);
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, width, height);
    harness.set_upstream_latency(upstream);
    assert_eq!(harness.query_latency(), Some(upstream));
    through(&mut harness, &picture(width, height, 1), width, height);
    let told = bus
        .pop_filtered(&[gst::MessageType::Latency])
        .expect("no Latency message");
    assert_eq!(told.src(), Some(element.upcast_ref()));
    let own = harness.query_latency().unwrap() - upstream;
    let cost = milliseconds(&element, "total-ms-p95");
    assert!((own.nseconds() as f64 / 1e6 - cost).abs() < 1e-3, "{own} and {cost} ms");
    let mut query = gst::query::Latency::new();
    assert!(element.static_pad("src").unwrap().query(&mut query));
    assert_eq!(query.result(), (true, upstream + own, None));
}

#[test]
fn a_late_frame_is_lost_only_with_qos_which_is_off() {
    let element = element();
    assert!(!element.property::<bool>("qos"));
    let mut harness = harness(&element, W, H);
    let late = gst::event::Qos::new(
        gst::QOSType::Underflow,
        10.0,
        5_000_000_000,
        gst::ClockTime::from_seconds(1),
    );
    let received = |harness: &mut Harness, number: u64| {
        let before = harness.buffers_received();
        for n in 0..3 {
            let mut input = buffer(&picture(W, H, 1), VideoFormat::Rgbx, W, H);
            input
                .make_mut()
                .set_pts(gst::ClockTime::from_mseconds(40 * (number + n)));
            harness.push(input).unwrap();
        }
        harness.buffers_received() - before
    };
    received(&mut harness, 0);
    assert!(harness.push_upstream_event(late.clone()));
    assert_eq!(received(&mut harness, 3), 3);
    element.set_property("qos", true);
    assert!(harness.push_upstream_event(late));
    assert!(
        received(&mut harness, 6) < 3,
        "the event is not late enough to show anything"
    );
}

#[test]
fn stats_count_frames_and_time_the_stages() {
    let element = element();
    let mut harness = harness(&element, W, H);
    assert_eq!(
        (stat(&element, "frames"), milliseconds(&element, "total-ms-p50")),
        (0, 0.0)
    );
    for number in 1..=4 {
        through(&mut harness, &picture(W, H, 1), W, H);
        assert_eq!(stat(&element, "frames"), number);
    }
    assert_eq!(stat(&element, "passed"), 0);
    for stage in ["prior", "backbone", "total"] {
        let [p50, p95, p99] = ["p50", "p95", "p99"].map(|p| milliseconds(&element, &format!("{stage}-ms-{p}")));
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{stage}: {p50} {p95} {p99}");
    }
    let [prior, backbone, total] =
        ["prior", "backbone", "total"].map(|s| milliseconds(&element, &format!("{s}-ms-p99")));
    assert!(prior <= total && backbone <= total);
    element.set_property("strength", 0.0);
    through(&mut harness, &picture(W, H, 1), W, H);
    assert_eq!((stat(&element, "frames"), stat(&element, "passed")), (4, 1));
}

#[test]
fn what_really_runs_is_told_by_property_and_message() {
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert_eq!(element.property::<String>("active-provider"), "");
    element.set_property_from_str("execution-provider", "auto");
    let _harness = harness(&element, W, H);
    let active = element.property::<String>("active-provider");
    let message = bus.pop_filtered(&[gst::MessageType::Element]).unwrap();
    let told = message.structure().unwrap();
    assert_eq!(
        (told.name().as_str(), told.get::<String>("provider").unwrap()),
        ("blurdm-provider", active.clone())
    );
    let refused = Provider::BEST_FIRST.iter().take_while(|p| p.nick() != active);
    for provider in refused {
        assert!(
            !told
                .get::<String>(format!("refused-{provider}").as_str())
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn the_provider_that_was_named_is_the_active_one_until_the_element_stops() {
    let element = element();
    let harness = harness(&element, W, H);
    assert_eq!(element.property::<String>("active-provider"), "cpu");
    drop(harness);
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(element.property::<String>("active-provider"), "");
}

#[test]
fn a_buffer_that_is_shorter_than_its_caps_is_refused_and_the_next_frame_is_restored() {
    let mut harness = harness(&element(), W, H);
    let refused = harness.push(gst::Buffer::from_slice([0; 10]));
    assert!(refused.is_err(), "{refused:?}");
    let frame = picture(W, H, 1);
    assert_eq!(through(&mut harness, &frame, W, H), expected(&frame, W, H, 0));
}

#[test]
fn the_defaults_are_those_of_the_property_table() {
    init();
    let element = gst::ElementFactory::make("blurdm").build().unwrap();
    // name, default, changes while playing
    let table = [
        ("model", "", false),
        ("library-path", "", false),
        ("execution-provider", "auto", false),
        ("device-id", "0", false),
        ("threads", "0", false),
        ("steps", "0", true),
        ("strength", "1.000000", true),
        ("compare", "off", true),
        ("compare-position", "0.500000", true),
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
