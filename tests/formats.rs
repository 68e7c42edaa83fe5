// SPDX-License-Identifier: MPL-2.0

//! YCbCr and grey frames in their own formats: only the network's change is applied.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{bundle::Copy, element, frames, init, passed, picture, pipeline, play_to_end, restored};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoColorRange, VideoColorimetry, VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta, prelude::*};

const FORMATS: [VideoFormat; 12] = [
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::Gray8,
    VideoFormat::P01010le,
    VideoFormat::I42010le,
    VideoFormat::Y42b,
    VideoFormat::Y444,
    VideoFormat::I42210le,
    VideoFormat::Y44410le,
    VideoFormat::I42012le,
    VideoFormat::I42212le,
    VideoFormat::Y44412le,
];
/// BT.601 and BT.709, in limited and in full range.
const COLORIMETRIES: [&str; 4] = ["bt601", "bt709", "1:4:7:1", "1:3:5:1"];
const SIZES: [(u32, u32); 4] = [(64, 48), (17, 31), (130, 33), (67, 16)];

fn info(format: VideoFormat, (width, height): (u32, u32), colorimetry: &str) -> VideoInfo {
    init();
    let builder = VideoInfo::builder(format, width, height).fps(gst::Fraction::new(30, 1));
    // Grey has no matrix. GStreamer takes it for full range.
    if format == VideoFormat::Gray8 {
        return builder.build().unwrap();
    }
    let colorimetry = colorimetry.parse::<VideoColorimetry>().unwrap();
    builder.colorimetry(&colorimetry).build().unwrap()
}

fn of_caps(element: &gst::Element, info: &VideoInfo) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(info.to_caps().unwrap());
    harness
}

fn bits(info: &VideoInfo) -> u32 {
    info.format_info().depth()[0]
}

/// Returns the offset of a component in its pixel, in bytes. GStreamer has that of P010_10LE in samples.
fn offset(info: &VideoInfo, component: usize) -> usize {
    let bytes = (bits(info) as usize).div_ceil(8);
    info.format_info().poffset()[component] as usize * bytes
}

/// Returns the sample of a component at a pixel.
fn sample(frame: &gst_video::VideoFrameRef<&gst::BufferRef>, component: usize, x: usize, y: usize) -> u32 {
    let (info, format) = (frame.info(), frame.format_info());
    let (x, y) = (x >> format.w_sub()[component], y >> format.h_sub()[component]);
    let plane = format.plane()[component] as usize;
    let at = y * info.stride()[plane].unsigned_abs() as usize
        + x * format.pixel_stride()[component].unsigned_abs() as usize
        + offset(info, component);
    let data = frame.plane_data(plane as u32).unwrap();
    match bits(info) {
        8 => u32::from(data[at]),
        _ => u32::from(u16::from_le_bytes([data[at], data[at + 1]])) >> format.shift()[component],
    }
}

/// How samples code colour, by the formulas of the standards, in floating point.
struct Meaning {
    kr: f64,
    kb: f64,
    /// For luma, black and the span from black to white; for chroma, neutral and the span from the least to the greatest.
    luma: (f64, f64),
    chroma: (f64, f64),
}

impl Meaning {
    fn of(info: &VideoInfo) -> Self {
        let (kr, kb) = info.colorimetry().matrix().kr_kb().unwrap_or((0.299, 0.114));
        let step = f64::from(1u32 << (bits(info) - 8));
        let top = f64::from((1u32 << bits(info)) - 1);
        let full = info.colorimetry().range() == VideoColorRange::Range0_255;
        Self {
            kr,
            kb,
            luma: if full { (0.0, top) } else { (16.0 * step, 219.0 * step) },
            chroma: (128.0 * step, if full { top } else { 224.0 * step }),
        }
    }

    fn rgb(&self, y: f64, cb: f64, cr: f64) -> [f64; 3] {
        let y = (y - self.luma.0) / self.luma.1;
        let [cb, cr] = [cb, cr].map(|c| (c - self.chroma.0) / self.chroma.1);
        let red = y + 2.0 * (1.0 - self.kr) * cr;
        let blue = y + 2.0 * (1.0 - self.kb) * cb;
        let green = (y - self.kr * red - self.kb * blue) / (1.0 - self.kr - self.kb);
        [red, green, blue].map(|v| (v * 255.0).clamp(0.0, 255.0))
    }

    /// Returns the change of Y, Cb and Cr for a change of R, G and B.
    fn change(&self, rgb: [f64; 3]) -> [f64; 3] {
        let [red, green, blue] = rgb.map(|v| v / 255.0);
        let y = self.kr * red + (1.0 - self.kr - self.kb) * green + self.kb * blue;
        let cb = (blue - y) / (2.0 * (1.0 - self.kb));
        let cr = (red - y) / (2.0 * (1.0 - self.kr));
        [y * self.luma.1, cb * self.chroma.1, cr * self.chroma.1]
    }
}

/// Returns the test picture in a format, converted with the formulas.
fn test_frame(info: &VideoInfo, seed: u32) -> gst::Buffer {
    let (width, height) = (info.width() as usize, info.height() as usize);
    let rgbx = picture(width, height, seed);
    let meaning = Meaning::of(info);
    let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
    let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.make_mut(), info).unwrap();
    let format = info.format_info();
    for component in 0..format.n_components() as usize {
        let (w_sub, h_sub) = (format.w_sub()[component], format.h_sub()[component]);
        let plane = format.plane()[component];
        let stride = info.stride()[plane as usize].unsigned_abs() as usize;
        for y in 0..height.div_ceil(1 << h_sub) {
            for x in 0..width.div_ceil(1 << w_sub) {
                let pixel = &rgbx[((y << h_sub) * width + (x << w_sub)) * 4..][..3];
                let values = meaning.change([pixel[0], pixel[1], pixel[2]].map(f64::from));
                let base = if component == 0 {
                    meaning.luma.0
                } else {
                    meaning.chroma.0
                };
                let value = (values[component] + base).round() as u16;
                let at =
                    y * stride + x * format.pixel_stride()[component].unsigned_abs() as usize + offset(info, component);
                let data = frame.plane_data_mut(plane).unwrap();
                match bits(info) {
                    8 => data[at] = value as u8,
                    _ => data[at..at + 2].copy_from_slice(&(value << format.shift()[component]).to_le_bytes()),
                }
            }
        }
    }
    drop(frame);
    buffer
}

fn readable<'a>(buffer: &'a gst::Buffer, info: &'a VideoInfo) -> gst_video::VideoFrameRef<&'a gst::BufferRef> {
    gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap()
}

/// Returns every sample of a frame, without padding.
fn samples(buffer: &gst::Buffer, info: &VideoInfo) -> Vec<u32> {
    let frame = readable(buffer, info);
    let format = info.format_info();
    let mut samples = Vec::new();
    for component in 0..format.n_components() as usize {
        for y in (0..info.height() as usize).step_by(1 << format.h_sub()[component]) {
            for x in (0..info.width() as usize).step_by(1 << format.w_sub()[component]) {
                samples.push(sample(&frame, component, x, y));
            }
        }
    }
    samples
}

#[test]
fn samples_that_the_network_does_not_change_keep_their_bits() {
    let same = Copy::shifting(None, 0.0);
    for format in FORMATS {
        for (colorimetry, size) in COLORIMETRIES.iter().flat_map(|c| SIZES.map(|size| (c, size))) {
            let info = info(format, size, colorimetry);
            let element = element();
            element.set_property("model", same.text());
            // Any sample, including those that no RGB has.
            let mut state = 7u32;
            let mut random = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as u16
            };
            let shift = info.format_info().shift()[0];
            let data: Vec<u8> = match bits(&info) {
                8 => (0..info.size()).map(|_| random() as u8).collect(),
                bits => (0..info.size() / 2)
                    .flat_map(|_| ((random() & ((1 << bits) - 1)) << shift).to_le_bytes())
                    .collect(),
            };
            let buffer = gst::Buffer::from_mut_slice(data);
            let out = of_caps(&element, &info).push_and_pull(buffer.clone()).unwrap();
            assert_eq!(
                samples(&out, &info),
                samples(&buffer, &info),
                "{format} {colorimetry} {size:?}"
            );
            assert_eq!(frames(&element), 1);
        }
    }
}

#[test]
fn the_networks_change_is_converted_by_the_formulas_of_the_standards() {
    for format in FORMATS {
        for (colorimetry, size) in [
            ("bt601", (64, 48)),
            ("bt709", (67, 33)),
            ("1:4:7:1", (17, 31)),
            ("1:3:5:1", (130, 18)),
        ] {
            let info = info(format, size, colorimetry);
            let (width, height) = (size.0 as usize, size.1 as usize);
            let (meaning, components) = (Meaning::of(&info), info.format_info().n_components() as usize);
            let buffer = test_frame(&info, 1);
            let frame = readable(&buffer, &info);
            let mut rgbx = Vec::new();
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let value = |component: usize| match component < components {
                    true => f64::from(sample(&frame, component, x, y)),
                    false => meaning.chroma.0,
                };
                let rgb = meaning.rgb(value(0), value(1), value(2));
                rgbx.extend([rgb[0], rgb[1], rgb[2], 255.0].map(|v| v.round() as u8));
            }
            let after = restored(&rgbx, width, height, 0);
            assert_ne!(after, rgbx, "the network changes something");

            let out = of_caps(&element(), &info).push_and_pull(buffer.clone()).unwrap();
            let out = readable(&out, &info);
            let change = |x: usize, y: usize| -> [f64; 3] {
                let at = (y.min(height - 1) * width + x.min(width - 1)) * 4;
                meaning.change([0, 1, 2].map(|c| f64::from(after[at + c]) - f64::from(rgbx[at + c])))
            };
            let top = f64::from((1u32 << bits(&info)) - 1);
            // RGB is rounded to 8 bits, which changes the network's output by a level or two, and by a few at single pixels.
            let tolerance = 6.0 * f64::from(1u32 << (bits(&info) - 8));
            let (mut squares, mut count) = (0.0, 0.0);
            for component in 0..components {
                let format = info.format_info();
                let (right, down) = (1 << format.w_sub()[component], 1 << format.h_sub()[component]);
                for (y, x) in (0..height)
                    .step_by(down)
                    .flat_map(|y| (0..width).step_by(right).map(move |x| (y, x)))
                {
                    let pixels = (0..down).flat_map(|dy| (0..right).map(move |dx| (x + dx, y + dy)));
                    let mean = pixels.map(|(x, y)| change(x, y)[component]).sum::<f64>() / (right * down) as f64;
                    let wanted = (f64::from(sample(&frame, component, x, y)) + mean).clamp(0.0, top);
                    let off = f64::from(sample(&out, component, x, y)) - wanted;
                    assert!(
                        off.abs() <= tolerance,
                        "{format:?} {colorimetry} component {component} at {x}, {y}: off by {off}"
                    );
                    squares += off * off;
                    count += 1.0;
                }
            }
            let step = f64::from(1u32 << (bits(&info) - 8));
            let off = (squares / count).sqrt() / step;
            assert!(off < 0.5, "{format} {colorimetry}: off by {off} levels of 8 bits");
        }
    }
}

#[test]
fn padding_of_rows_is_not_read() {
    let size = (66, 34);
    for format in FORMATS {
        let info = info(format, size, "bt709");
        let tight = test_frame(&info, 2);
        let wanted = of_caps(&element(), &info).push_and_pull(tight.clone()).unwrap();

        let planes = info.n_planes() as usize;
        let strides: Vec<i32> = info.stride()[..planes].iter().map(|stride| stride + 24).collect();
        let rows = |plane: usize| info.comp_height(if plane == 0 { 0 } else { 1 }) as usize;
        let mut offsets = Vec::new();
        let mut data = vec![0xEE; 40];
        let map = tight.map_readable().unwrap();
        for plane in 0..planes {
            offsets.push(data.len());
            let from = info.stride()[plane] as usize;
            for row in map[info.offset()[plane]..].chunks(from).take(rows(plane)) {
                data.extend_from_slice(row);
                data.extend([0xEE; 24]);
            }
        }
        let mut padded = gst::Buffer::from_mut_slice(data);
        let none = VideoFrameFlags::empty();
        VideoMeta::add_full(padded.make_mut(), none, format, size.0, size.1, &offsets, &strides).unwrap();
        let out = of_caps(&element(), &info).push_and_pull(padded).unwrap();
        assert_eq!(samples(&out, &info), samples(&wanted, &info), "{format}");
    }
}

#[test]
fn a_gap_and_a_strength_of_0_pass_the_frame_unchanged() {
    for format in FORMATS {
        let info = info(format, (34, 18), "bt709");
        let element = element();
        let mut harness = of_caps(&element, &info);
        let mut gap = test_frame(&info, 3);
        gap.make_mut().set_flags(gst::BufferFlags::GAP);
        let out = harness.push_and_pull(gap.clone()).unwrap();
        assert_eq!(samples(&out, &info), samples(&gap, &info), "{format}");
        element.set_property("strength", 0.0);
        let frame = test_frame(&info, 3);
        let out = harness.push_and_pull(frame.clone()).unwrap();
        assert_eq!(samples(&out, &info), samples(&frame, &info), "{format}");
        assert_eq!((frames(&element), passed(&element)), (0, 2));
    }
}

#[test]
fn strength_scales_the_change_and_the_split_leaves_the_left_side_unchanged() {
    for format in FORMATS {
        let info = info(format, (64, 32), "bt709");
        let frame = test_frame(&info, 4);
        let with = |name: &str, value: &str| {
            let element = element();
            element.set_property_from_str(name, value);
            of_caps(&element, &info).push_and_pull(frame.clone()).unwrap()
        };
        let (before, whole) = (samples(&frame, &info), samples(&with("strength", "1"), &info));
        for ((&before, &whole), &half) in before.iter().zip(&whole).zip(&samples(&with("strength", "0.5"), &info)) {
            let middle = (f64::from(before) + f64::from(whole)) / 2.0;
            assert!(
                (f64::from(half) - middle).abs() <= 1.5,
                "{format}: {before}, {half}, {whole}"
            );
        }

        let split = with("compare", "split");
        let (original, split, all) = (readable(&frame, &info), readable(&split, &info), with("strength", "1"));
        let all = readable(&all, &info);
        let white = Meaning::of(&info);
        for component in 0..info.format_info().n_components() as usize {
            let neutral = if component == 0 {
                white.luma.0 + white.luma.1
            } else {
                white.chroma.0
            };
            for (y, x) in (0..32).flat_map(|y| (0..64).map(move |x| (y, x))) {
                let at = |frame| sample(frame, component, x, y);
                match x {
                    0..=29 => assert_eq!(at(&split), at(&original), "{format} {x}"),
                    34.. => assert_eq!(at(&split), at(&all), "{format} {x}"),
                    31 | 32 if component == 0 => assert_eq!(f64::from(at(&split)), neutral, "{format} {x}"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn video_in_its_own_format_needs_no_videoconvert() {
    for format in FORMATS {
        let description = format!(
            "videotestsrc num-buffers=3 ! video/x-raw,format={format},width=96,height=64 ! blurdm name=b execution-provider=cpu ! fakesink name=sink"
        );
        let (pipeline, element) = pipeline(&description);
        play_to_end(&pipeline);
        assert_eq!(frames(&element), 3, "{format}");
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
