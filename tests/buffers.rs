// SPDX-License-Identifier: MPL-2.0

//! A buffer that does not hold the frame that its caps describe is one error, or passes through unchanged. One that does is restored, wherever its
//! planes are.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::{bundle::Copy, element, process::in_own_process, unmappable};
use gst::{glib, prelude::*};
use gst_check::Harness;
use gst_video::{VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta, prelude::*};

const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// Sizes with and without padding in the rows of the default layout.
const FORMATS: [(VideoFormat, u32, u32); 6] = [
    (VideoFormat::Rgbx, 64, 48),
    (VideoFormat::Rgb, 33, 17),
    (VideoFormat::I420, 64, 48),
    (VideoFormat::I420, 33, 17),
    (VideoFormat::Nv12, 35, 31),
    (VideoFormat::Gray8, 17, 16),
];

fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
    common::init();
    common::info(format, width, height)
}

/// What a GstVideoMeta states.
#[derive(Clone)]
struct Stated {
    format: VideoFormat,
    width: u32,
    height: u32,
    offsets: Vec<usize>,
    strides: Vec<i32>,
}

impl Stated {
    /// The default layout.
    fn of(info: &VideoInfo) -> Self {
        Self {
            format: info.format(),
            width: info.width(),
            height: info.height(),
            offsets: info.offset().to_vec(),
            strides: info.stride().to_vec(),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn add_to(&self, mut buffer: gst::Buffer) -> gst::Buffer {
        let none = VideoFrameFlags::empty();
        let (offsets, strides) = (&self.offsets, &self.strides);
        let (width, height) = (self.width, self.height);
        VideoMeta::add_full(buffer.make_mut(), none, self.format, width, height, offsets, strides).unwrap();
        buffer
    }
}

/// Returns the bytes of a frame in the default layout, which every network changes.
fn data(info: &VideoInfo) -> Vec<u8> {
    (0..info.size()).map(|i| 30 + (i / 3 % 90) as u8).collect()
}

fn plain(info: &VideoInfo) -> gst::Buffer {
    gst::Buffer::from_mut_slice(data(info))
}

fn of_memories(parts: &[&[u8]]) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    // A buffer that is copied loses memories without bytes.
    for part in parts.iter().filter(|part| !part.is_empty()) {
        buffer
            .make_mut()
            .append_memory(gst::Memory::from_mut_slice(part.to_vec()));
    }
    buffer
}

/// Returns a format of as many planes, or of another number of them.
fn other_format(format: VideoFormat) -> VideoFormat {
    match format {
        VideoFormat::Rgbx => VideoFormat::Bgrx,
        VideoFormat::Rgb => VideoFormat::Bgr,
        VideoFormat::I420 => VideoFormat::Yv12,
        VideoFormat::Nv12 => VideoFormat::I420,
        _ => VideoFormat::Gray16Le,
    }
}

/// Returns buffers that do not hold a frame of `info`.
fn false_buffers(info: &VideoInfo) -> Vec<(&'static str, gst::Buffer)> {
    let (data, stated, size) = (data(info), Stated::of(info), info.size());
    let half = size / 2;
    let last = stated.offsets.len() - 1;
    let meta = |change: &dyn Fn(&mut Stated)| stated.change(change).add_to(plain(info));
    let times = |factor: i32| {
        meta(&|stated| {
            stated.strides.iter_mut().for_each(|stride| *stride *= factor);
        })
    };
    vec![
        (
            "one byte too short",
            gst::Buffer::from_mut_slice(data[..size - 1].to_vec()),
        ),
        ("of ten bytes", gst::Buffer::from_mut_slice(vec![7; 10])),
        ("without memory", gst::Buffer::new()),
        (
            "of two memories, the second one short",
            of_memories(&[&data[..half], &data[half..size - 1]]),
        ),
        ("with strides 4 times as long", times(4)),
        ("with strides 64 times as long", times(64)),
        ("with strides 100000 times as long", times(100_000)),
        ("with negative strides", times(-1)),
        ("with strides of 0", times(0)),
        (
            "with rows that overlap",
            meta(&|stated| stated.strides[0] = stated.width as i32 - 1),
        ),
        (
            "with the longest stride",
            meta(&|stated| stated.strides[last] = i32::MAX),
        ),
        (
            "with the lowest stride",
            meta(&|stated| stated.strides[last] = i32::MIN),
        ),
        (
            "with a plane at its end",
            meta(&|stated| stated.offsets[last] = size - 4),
        ),
        (
            "with a plane behind its end",
            meta(&|stated| stated.offsets[last] = size),
        ),
        (
            "with a plane at the end of the address space",
            meta(&|stated| stated.offsets[last] = usize::MAX),
        ),
        (
            "with all planes behind its end",
            meta(&|stated| stated.offsets.fill(size + 1000)),
        ),
        (
            "of a larger frame",
            meta(&|stated| {
                (stated.width, stated.height) = (4000, 4000);
                stated.strides.fill(16_000);
            }),
        ),
        ("with more rows than it has", meta(&|stated| stated.height += 32)),
        (
            "of the largest frame",
            meta(&|stated| (stated.width, stated.height) = (u32::MAX, u32::MAX)),
        ),
        ("of a narrower frame", meta(&|stated| stated.width -= 2)),
        ("of a lower frame", meta(&|stated| stated.height -= 2)),
        ("of no size", meta(&|stated| (stated.width, stated.height) = (0, 0))),
        (
            "of another format",
            meta(&|stated| stated.format = other_format(stated.format)),
        ),
        (
            "with no planes",
            meta(&|stated| {
                stated.offsets.clear();
                stated.strides.clear();
            }),
        ),
        (
            "with four planes",
            meta(&|stated| {
                stated.offsets = vec![0; 4];
                stated.strides = vec![stated.strides[0]; 4];
            }),
        ),
        (
            "with a meta and one byte too short",
            stated.add_to(gst::Buffer::from_mut_slice(data[..last_byte(info)].to_vec())),
        ),
        ("with a meta and without memory", stated.add_to(gst::Buffer::new())),
        (
            "with a plane that goes on in the next memory",
            stated.add_to(of_memories(&[&data[..10], &data[10..]])),
        ),
        (
            "with the last plane cut by a memory's end",
            stated.add_to(of_memories(&[
                &data[..stated.offsets[last]],
                &data[stated.offsets[last]..last_byte(info)],
                &[0; 1000],
            ])),
        ),
    ]
}

/// Returns the number of bytes of a row, and the number of rows, of each plane.
fn plane_sizes(info: &VideoInfo) -> Vec<(usize, usize)> {
    let (width, height) = (info.width() as usize, info.height() as usize);
    let halves = (width.div_ceil(2), height.div_ceil(2));
    match info.format() {
        VideoFormat::Rgbx => vec![(width * 4, height)],
        VideoFormat::Rgb => vec![(width * 3, height)],
        VideoFormat::I420 => vec![(width, height), halves, halves],
        VideoFormat::Nv12 => vec![(width, height), (halves.0 * 2, halves.1)],
        _ => vec![(width, height)],
    }
}

/// Returns the position of the last byte that belongs to a pixel.
fn last_byte(info: &VideoInfo) -> usize {
    let sizes = plane_sizes(info);
    let last = sizes.len() - 1;
    let (row, rows) = sizes[last];
    info.offset()[last] + (rows - 1) * info.stride()[last] as usize + row - 1
}

/// An element between two pads of the test.
struct Rig {
    element: gst::Element,
    bus: gst::Bus,
    harness: Harness,
    number: u64,
    // The element has read it. Its folder is removed at the end.
    _model: Copy,
}

impl Rig {
    fn new(info: &VideoInfo, properties: &[(&str, &str)]) -> Self {
        // Every frame is changed by a known amount, and the graphs are small.
        let (element, model) = (element(), Copy::shifting(None, 0.5));
        element.set_property("model", model.text());
        for (name, value) in properties {
            element.set_property_from_str(name, value);
        }
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps(info.to_caps().unwrap());
        Self {
            element,
            bus,
            harness,
            number: 0,
            _model: model,
        }
    }

    fn push(&mut self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut buffer = buffer.clone();
        buffer.make_mut().set_pts(FRAME * self.number);
        self.number += 1;
        self.harness.push(buffer)
    }

    /// Returns the errors and the warnings that the element has posted since the last call.
    fn posted(&self) -> (Vec<glib::Error>, Vec<glib::Error>) {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        while let Some(message) = self.bus.pop() {
            match message.view() {
                gst::MessageView::Error(error) => errors.push(error.error()),
                gst::MessageView::Warning(warning) => warnings.push(warning.error()),
                _ => {}
            }
        }
        (errors, warnings)
    }

    /// Ends the stream, and returns all that has come out.
    fn finish(&mut self) -> Vec<gst::Buffer> {
        self.harness.push_event(gst::event::Eos::new());
        std::iter::from_fn(|| self.harness.try_pull()).collect()
    }
}

/// Returns the pixels that a frame is restored to.
fn restored(info: &VideoInfo, properties: &[(&str, &str)]) -> Vec<u8> {
    let mut rig = Rig::new(info, properties);
    rig.push(&plain(info)).unwrap();
    pixels(&rig.finish()[0], info)
}

/// Returns the pixels, without the padding of rows, in which anything may be.
fn pixels(buffer: &gst::Buffer, info: &VideoInfo) -> Vec<u8> {
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap();
    let mut pixels = Vec::new();
    for (plane, (row, rows)) in (0..).zip(plane_sizes(info)) {
        let stride = frame.plane_stride()[plane as usize] as usize;
        let data = frame.plane_data(plane).unwrap();
        pixels.extend(data.chunks(stride).take(rows).flat_map(|line| &line[..row]));
    }
    pixels
}

/// A false buffer is one error, however often it is sent, and the frames before and after it are restored.
fn each_is_one_error(info: &VideoInfo, properties: &[(&str, &str)]) {
    let wanted = restored(info, properties);
    let mut rig = Rig::new(info, properties);
    rig.push(&plain(info)).unwrap();
    let mut frames = 1;
    for (name, buffer) in false_buffers(info) {
        let name = format!(
            "{} {}x{} {properties:?}, a buffer {name}",
            info.format(),
            info.width(),
            info.height()
        );
        for _ in 0..3 {
            assert_eq!(rig.push(&buffer), Err(gst::FlowError::Error), "{name}");
        }
        let (errors, warnings) = rig.posted();
        assert!(
            errors.len() == 1 && warnings.is_empty(),
            "{name}: {errors:?} {warnings:?}"
        );
        assert!(errors[0].matches(gst::StreamError::Format), "{name}: {errors:?}");
        let text = errors[0].message();
        assert!(
            text.contains("a buffer does not hold a frame: it") && text.contains("on-error=passthrough"),
            "{name}: {text}"
        );
        rig.push(&plain(info)).unwrap();
        frames += 1;
    }
    let out = rig.finish();
    assert_eq!(out.len(), frames, "nothing goes out for a false buffer");
    for out in &out {
        assert!(pixels(out, info) == wanted, "a frame between false buffers");
    }
    assert_eq!(rig.posted(), (Vec::new(), Vec::new()));
}

/// A false buffer passes through, after one warning however often it is sent, and the frames before and after it are restored.
fn each_passes_after_one_warning(info: &VideoInfo, properties: &[(&str, &str)]) {
    let wanted = restored(info, properties);
    let mut rig = Rig::new(info, properties);
    rig.element.set_property_from_str("on-error", "passthrough");
    rig.push(&plain(info)).unwrap();
    let buffers = false_buffers(info);
    for (name, buffer) in &buffers {
        let name = format!(
            "{} {}x{} {properties:?}, a buffer {name}",
            info.format(),
            info.width(),
            info.height()
        );
        for _ in 0..2 {
            rig.push(buffer).unwrap();
        }
        let (errors, warnings) = rig.posted();
        assert!(
            errors.is_empty() && warnings.len() == 1,
            "{name}: {errors:?} {warnings:?}"
        );
        assert!(warnings[0].matches(gst::StreamError::Format), "{name}: {warnings:?}");
        assert!(
            warnings[0].message().contains("passed through unchanged"),
            "{warnings:?}"
        );
        rig.push(&plain(info)).unwrap();
    }
    let out = rig.finish();
    assert_eq!(out.len(), 1 + 3 * buffers.len());
    assert!(pixels(&out[0], info) == wanted);
    for (out, (name, buffer)) in out[1..].chunks(3).zip(&buffers) {
        for out in &out[..2] {
            let memories =
                |buffer: &gst::Buffer| -> Vec<_> { buffer.iter_memories().map(|memory| memory.as_ptr()).collect() };
            assert_eq!(memories(out), memories(buffer), "a buffer {name} passes as it is");
        }
        assert!(pixels(&out[2], info) == wanted, "the frame after a buffer {name}");
    }
    assert!(out.iter().is_sorted_by_key(|out| out.pts()), "in order");
}

/// Runs the body of a test in a process that a critical message of GLib ends.
fn without_criticals(name: &str, body: impl FnOnce()) {
    in_own_process(name, &[("G_DEBUG", Some(Path::new("fatal_criticals")))], body);
}

#[test]
fn a_false_buffer_is_one_error_and_the_next_frame_is_restored() {
    without_criticals("a_false_buffer_is_one_error_and_the_next_frame_is_restored", || {
        for (format, width, height) in FORMATS {
            for at_once in ["1", "2"] {
                each_is_one_error(&info(format, width, height), &[("frames-in-flight", at_once)]);
            }
        }
    });
}

#[test]
fn with_on_error_passthrough_a_false_buffer_passes_after_one_warning() {
    without_criticals(
        "with_on_error_passthrough_a_false_buffer_passes_after_one_warning",
        || {
            for (format, width, height) in FORMATS {
                for at_once in ["1", "2"] {
                    each_passes_after_one_warning(&info(format, width, height), &[("frames-in-flight", at_once)]);
                }
            }
        },
    );
}

#[test]
fn a_false_buffer_is_found_whatever_becomes_of_frames() {
    without_criticals("a_false_buffer_is_found_whatever_becomes_of_frames", || {
        let info = info(VideoFormat::I420, 64, 48);
        for properties in [
            [("strength", "0"), ("compare", "split")],
            [("strength", "0.5"), ("compare", "split")],
            [("reduction", "2"), ("deadline", "passthrough")],
        ] {
            for at_once in ["1", "2"] {
                let [a, b] = properties;
                let properties = [a, b, ("frames-in-flight", at_once)];
                each_is_one_error(&info, &properties);
                each_passes_after_one_warning(&info, &properties);
            }
        }
    });
}

#[test]
fn a_gap_that_is_too_short_is_one_error() {
    let info = info(VideoFormat::Rgbx, 64, 48);
    for at_once in ["1", "2"] {
        let mut rig = Rig::new(&info, &[("frames-in-flight", at_once)]);
        let mut gap = gst::Buffer::from_mut_slice([7; 10]);
        gap.make_mut().set_flags(gst::BufferFlags::GAP);
        assert_eq!(rig.push(&gap), Err(gst::FlowError::Error));
        let (errors, warnings) = rig.posted();
        assert!(errors.len() == 1 && warnings.is_empty(), "{errors:?} {warnings:?}");
        assert!(rig.finish().is_empty());
    }
}

#[test]
fn after_a_flush_an_error_is_posted_again() {
    let info = info(VideoFormat::Rgbx, 64, 48);
    let mut rig = Rig::new(&info, &[]);
    for _ in 0..2 {
        assert_eq!(rig.push(&gst::Buffer::new()), Err(gst::FlowError::Error));
        assert_eq!(rig.posted().0.len(), 1);
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        rig.harness.push_event(gst::event::Segment::new(&segment));
    }
}

#[test]
fn on_error_may_change_between_false_buffers() {
    let info = info(VideoFormat::Rgbx, 64, 48);
    let mut rig = Rig::new(&info, &[("on-error", "passthrough")]);
    rig.push(&gst::Buffer::new()).unwrap();
    assert_eq!(rig.posted().1.len(), 1);
    rig.element.set_property_from_str("on-error", "fail");
    assert_eq!(rig.push(&gst::Buffer::new()), Err(gst::FlowError::Error));
    assert_eq!(rig.posted().0.len(), 1, "the stream does not end without an error");
}

#[test]
fn memory_that_cannot_be_read_is_one_error_or_passes() {
    without_criticals("memory_that_cannot_be_read_is_one_error_or_passes", || {
        let info = info(VideoFormat::Rgbx, 64, 48);
        for (with_meta, at_once) in [(false, "1"), (false, "2"), (true, "1"), (true, "2")] {
            let mut buffer = gst::Buffer::new();
            buffer.make_mut().append_memory(unmappable::memory(info.size()));
            if with_meta {
                buffer = Stated::of(&info).add_to(buffer);
            }
            let mut rig = Rig::new(&info, &[("frames-in-flight", at_once)]);
            for _ in 0..2 {
                assert_eq!(rig.push(&buffer), Err(gst::FlowError::Error));
            }
            let (errors, warnings) = rig.posted();
            assert!(errors.len() == 1 && warnings.is_empty(), "{errors:?} {warnings:?}");
            assert!(errors[0].matches(gst::StreamError::Format), "{errors:?}");
            assert!(
                errors[0].message().contains("cannot be mapped to be read"),
                "{errors:?}"
            );
            rig.element.set_property_from_str("on-error", "passthrough");
            for _ in 0..2 {
                rig.push(&buffer).unwrap();
            }
            let (errors, warnings) = rig.posted();
            assert!(errors.is_empty() && warnings.len() == 1, "{errors:?} {warnings:?}");
            let out = rig.finish();
            assert_eq!(out.len(), 2);
            assert_eq!(out[0].peek_memory(0).as_ptr(), buffer.peek_memory(0).as_ptr());
        }
    });
}

/// Returns the frame with `extra` more bytes in each row, from `begin` on, and what its meta states.
fn padded(info: &VideoInfo, begin: usize, extra: usize) -> (Vec<u8>, Stated) {
    let (plain, mut stated, mut out) = (data(info), Stated::of(info), vec![0xEE; begin]);
    let ends = info.offset()[1..].iter().copied().chain([info.size()]);
    for (plane, end) in ends.enumerate() {
        let stride = info.stride()[plane] as usize;
        stated.offsets[plane] = out.len();
        stated.strides[plane] += extra as i32;
        for row in plain[info.offset()[plane]..end].chunks(stride) {
            out.extend_from_slice(row);
            out.resize(out.len() + extra, 0xEE);
        }
    }
    (out, stated)
}

#[test]
fn a_frame_is_restored_wherever_its_planes_are() {
    without_criticals("a_frame_is_restored_wherever_its_planes_are", || {
        for (format, width, height) in FORMATS {
            let info = info(format, width, height);
            let plain_data = data(&info);
            let half = info.size() / 2;
            let mut larger = plain_data.clone();
            larger.resize(larger.len() + 100, 0xEE);
            let (shifted, shifted_meta) = padded(&info, 32, 0);
            let (wide, wide_meta) = padded(&info, 0, 8);
            let planes: Vec<_> = {
                let ends = info.offset()[1..].iter().copied().chain([info.size()]);
                info.offset()
                    .iter()
                    .zip(ends)
                    .map(|(&begin, end)| &plain_data[begin..end])
                    .collect()
            };
            let last = last_byte(&info) + 1;
            // The rows of the larger frame are those of this one and their padding.
            let larger_meta = wide_meta.change(|stated| stated.width += 2);
            let buffers = [
                ("larger than needed", gst::Buffer::from_mut_slice(larger)),
                ("of read-only memory", gst::Buffer::from_slice(plain_data.clone())),
                (
                    "of two memories",
                    of_memories(&[&plain_data[..half], &plain_data[half..]]),
                ),
                ("with a meta", Stated::of(&info).add_to(plain(&info))),
                (
                    "with a meta and no padding in the last row",
                    Stated::of(&info).add_to(gst::Buffer::from_mut_slice(plain_data[..last].to_vec())),
                ),
                (
                    "that begins later",
                    shifted_meta.add_to(gst::Buffer::from_mut_slice(shifted)),
                ),
                (
                    "with longer rows",
                    wide_meta.add_to(gst::Buffer::from_mut_slice(wide.clone())),
                ),
                (
                    "with a memory for each plane",
                    Stated::of(&info).add_to(of_memories(&planes)),
                ),
                (
                    "of a larger frame",
                    larger_meta.add_to(gst::Buffer::from_mut_slice(wide)),
                ),
            ];
            for at_once in ["1", "2"] {
                let properties = [("frames-in-flight", at_once)];
                let wanted = restored(&info, &properties);
                assert!(wanted != pixels(&plain(&info), &info));
                for (name, buffer) in &buffers {
                    let mut rig = Rig::new(&info, &properties);
                    rig.push(buffer).unwrap();
                    let out = rig.finish();
                    assert!(pixels(&out[0], &info) == wanted, "{format} {width}x{height}, {name}");
                    assert_eq!(rig.posted(), (Vec::new(), Vec::new()), "{name}");
                }
            }
        }
    });
}
