// SPDX-License-Identifier: MPL-2.0

//! The cost of converting YCbCr and grey frames inside the element, compared with GStreamer's `videoconvert` to RGBx
//! before the element and back after it.
//!
//! `cargo bench --bench colour` prints a table of medians. Both run alternately, on one thread each, without the
//! network between the two conversions. `videoconvert` rounds colours twice and smooths chroma. The element adds the
//! network's changes to the original values, for which it reads three frames where `videoconvert` reads one.

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use gst_check::Harness;
use gst_video::VideoFormat;

use gstblurdm::frame::{Coding, Finish, YuvLayout, YuvView, YuvViewMut, write_restored_yuv, yuv_to_rgbx};

const SIZES: [(usize, usize); 3] = [(640, 360), (1280, 720), (1920, 1080)];
const FORMATS: [(VideoFormat, YuvLayout); 5] = [
    (VideoFormat::Nv12, YuvLayout::NV12),
    (VideoFormat::I420, YuvLayout::I420),
    (VideoFormat::Gray8, YuvLayout::GRAY8),
    (VideoFormat::P01010le, YuvLayout::P010_10LE),
    (VideoFormat::I42010le, YuvLayout::I420_10LE),
];

const WARM_UP: usize = 10;
const TURNS: usize = 200;

const PLAIN: Finish = Finish {
    strength: 1.0,
    split: None,
};

type Failure = Box<dyn Error>;

/// A frame, and what its conversions write.
struct Frame {
    info: gst_video::VideoInfo,
    layout: YuvLayout,
    data: Vec<u8>,
    rgbx: Vec<u8>,
    restored: Vec<u8>,
    out: Vec<u8>,
}

impl Frame {
    fn new(format: VideoFormat, layout: YuvLayout, width: usize, height: usize) -> Result<Self, Failure> {
        let info = gst_video::VideoInfo::builder(format, width as u32, height as u32)
            .fps(gst::Fraction::new(30, 1))
            .build()?;
        let mut state = 1u32;
        let mut noisy = move |level: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (level / 2) as u8 + (state >> 28) as u8 * 4 + 16
        };
        let data: Vec<u8> = (0..info.size()).map(|i| noisy(i % width * 255 / width)).collect();
        let rgbx = vec![0; width * height * 4];
        Ok(Self {
            restored: rgbx
                .iter()
                .enumerate()
                .map(|(i, _)| noisy(i / 4 % width * 255 / width))
                .collect(),
            rgbx,
            out: data.clone(),
            data,
            layout,
            info,
        })
    }

    /// Converts to RGBx and back, and returns the time of each.
    fn convert(&mut self) -> Result<[Duration; 2], Failure> {
        let (width, height) = (self.info.width() as usize, self.info.height() as usize);
        let strides: Vec<usize> = self.info.stride().iter().map(|&stride| stride as usize).collect();
        let starts: Vec<usize> = self.info.offset().to_vec();
        let planes = strides.len();
        let stride = |plane: usize| if plane < planes { strides[plane] } else { 0 };
        let from = |plane: usize| {
            if plane < planes {
                &self.data[starts[plane]..]
            } else {
                &[]
            }
        };
        let view = YuvView::new(
            [0, 1, 2].map(|plane| (from(plane), stride(plane))),
            self.layout,
            Coding::BT709,
            width,
            height,
        )?;
        let started = Instant::now();
        yuv_to_rgbx(&view, &mut self.rgbx);
        let to_rgbx = started.elapsed();

        let mut rest = self.out.as_mut_slice();
        let mut parts: [&mut [u8]; 3] = Default::default();
        for plane in (0..planes).rev() {
            let (before, part) = rest.split_at_mut(starts[plane]);
            (rest, parts[plane]) = (before, part);
        }
        let [a, b, c] = parts;
        let targets = [(a, stride(0)), (b, stride(1)), (c, stride(2))];
        let mut out = YuvViewMut::new(targets, self.layout, width, height)?;
        let started = Instant::now();
        write_restored_yuv(&view, &self.rgbx, &self.restored, PLAIN, &mut out);
        let back = started.elapsed();
        black_box(&self.out);
        Ok([to_rgbx, back])
    }
}

/// Two `videoconvert` elements, to RGBx and back.
struct Converted {
    to_rgbx: Harness,
    back: Harness,
    input: gst::Buffer,
}

impl Converted {
    fn new(frame: &Frame) -> Result<Self, Failure> {
        let caps = frame.info.to_caps()?;
        let rgbx = gst_video::VideoInfo::builder(VideoFormat::Rgbx, frame.info.width(), frame.info.height())
            .fps(frame.info.fps())
            .build()?
            .to_caps()?;
        let between = |from: &gst::Caps, to: &gst::Caps| {
            let mut harness = Harness::new("videoconvert");
            harness.set_caps(from.clone(), to.clone());
            harness
        };
        Ok(Self {
            to_rgbx: between(&caps, &rgbx),
            back: between(&rgbx, &caps),
            input: gst::Buffer::from_slice(frame.data.clone()),
        })
    }

    fn convert(&mut self) -> Result<[Duration; 2], Failure> {
        let started = Instant::now();
        let between = self.to_rgbx.push_and_pull(self.input.clone())?;
        let to_rgbx = started.elapsed();
        let started = Instant::now();
        black_box(self.back.push_and_pull(between)?);
        Ok([to_rgbx, started.elapsed()])
    }
}

fn median(times: &[[Duration; 2]], pass: usize) -> f64 {
    let mut sorted: Vec<Duration> = times.iter().map(|both| both[pass]).collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2].as_secs_f64() * 1e3
}

fn main() -> Result<(), Failure> {
    gst::init()?;
    println!(
        "| size | format | videoconvert to RGBx, ms | back, ms | element to RGBx, ms | back, ms | videoconvert / element, both ways |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (width, height) in SIZES {
        for (format, layout) in FORMATS {
            let mut frame = Frame::new(format, layout, width, height)?;
            let mut converted = Converted::new(&frame)?;
            let (mut videoconvert, mut element) = (Vec::new(), Vec::new());
            for _ in 0..WARM_UP + TURNS {
                videoconvert.push(converted.convert()?);
                element.push(frame.convert()?);
            }
            let [videoconvert, element] =
                [&videoconvert[WARM_UP..], &element[WARM_UP..]].map(|times| [0, 1].map(|pass| median(times, pass)));
            println!(
                "| {width}x{height} | {format} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                videoconvert[0],
                videoconvert[1],
                element[0],
                element[1],
                (videoconvert[0] + videoconvert[1]) / (element[0] + element[1])
            );
        }
    }
    Ok(())
}
