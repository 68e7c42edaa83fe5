// SPDX-License-Identifier: MPL-2.0

//! The element between two pads of the test.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    buffer, caps, element, frames, harness, init, milliseconds, packed, passed, picture, places, restored, through,
    unpacked,
};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoFrameFlags, VideoMeta};

const FORMATS: [VideoFormat; 6] = [
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
];
const W: usize = 48;
const H: usize = 32;

fn of_format(format: VideoFormat, width: usize, height: usize) -> Harness {
    let mut harness = harness(&element(), width, height);
    harness.set_src_caps(caps(format, width as u32, height as u32));
    harness
}

#[test]
fn every_format_and_size_gives_the_same_picture_and_keeps_the_fourth_byte() {
    for (width, height) in [(17, 31), (16, 16)] {
        let frame = picture(width, height, 1);
        let restored = restored(&frame, width, height, 0);
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
    let restored = restored(&frame, width, height, 0);
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
fn a_gap_passes_unchanged() {
    let element = element();
    let mut harness = harness(&element, W, H);
    let frame = picture(W, H, 1);
    let mut gap = buffer(&frame, VideoFormat::Rgbx, W, H);
    gap.make_mut().set_flags(gst::BufferFlags::GAP);
    let out = harness.push_and_pull(gap).unwrap();
    assert_eq!(unpacked(&out, VideoFormat::Rgbx, W, H), frame);
    assert!(out.flags().contains(gst::BufferFlags::GAP));
    assert_eq!((frames(&element), passed(&element)), (0, 1));
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
fn a_still_scene_stays_still() {
    let frame = picture(W, H, 1);
    let mut harness = harness(&element(), W, H);
    let first = through(&mut harness, &frame, W, H);
    for number in 1..10 {
        assert_eq!(through(&mut harness, &frame, W, H), first, "frame {number}");
    }
}

#[test]
fn the_latency_is_that_of_upstream_and_the_cost_of_a_frame() {
    // Large enough that a frame costs more than a millisecond, below which the latency does not change.
    let (width, height) = (320, 180);
    let upstream = gst::ClockTime::from_mseconds(20);
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = harness(&element, width, height);
    harness.set_upstream_latency(upstream);
    assert_eq!(harness.query_latency(), Some(upstream));
    through(&mut harness, &picture(width, height, 1), width, height);
    let message = bus
        .pop_filtered(&[gst::MessageType::Latency])
        .expect("no Latency message");
    assert_eq!(message.src(), Some(element.upcast_ref()));
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
