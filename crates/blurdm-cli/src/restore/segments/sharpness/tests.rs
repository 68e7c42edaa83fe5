// SPDX-License-Identifier: MPL-2.0

// A test fails by a panic.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use super::*;

/// The figures in the documentation of [`SHARP`].
#[test]
fn exposures_are_distinguished_from_sharp_frames() {
    let Some(folder) = env::var_os("BLURDM_VALIDATION").map(PathBuf::from) else {
        eprintln!("skipped: BLURDM_VALIDATION names no folder of exposures, which training/validation.py makes");
        return;
    };
    let mut widths: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some((_, length)) = name.strip_suffix("_blurred.png").and_then(|name| name.rsplit_once('-')) {
            let width = luma_of(&path).edge_width().unwrap();
            widths.entry(length.parse().unwrap()).or_default().push(width);
        }
    }
    let mut taken_for_sharp = BTreeMap::new();
    for (length, widths) in &mut widths {
        widths.sort_by(f32::total_cmp);
        let sharp = widths.iter().filter(|width| **width <= SHARP).count();
        eprintln!(
            "{length:2} px: {sharp} of {} taken for sharp: {widths:.2?}",
            widths.len()
        );
        taken_for_sharp.insert(*length, sharp);
    }
    let (still, moved) = (&widths[&0], widths.range(1..).flat_map(|(_, widths)| widths));
    let wider = moved
        .clone()
        .flat_map(|moved| still.iter().map(move |still| moved > still));
    let share = wider.clone().filter(|wider| *wider).count() as f64 / wider.count() as f64;
    eprintln!("wider in {:.1}% of pairs", 100.0 * share);
    assert!(share > 0.94);
    assert!(taken_for_sharp[&0] >= 15 && taken_for_sharp[&4] <= 5 && taken_for_sharp[&7] <= 2);
    assert!(taken_for_sharp.range(10..).all(|(_, sharp)| *sharp == 0));
}

fn luma_of(path: &Path) -> Picture {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap()))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let luma = |rgb: &[u8; 3]| {
        let [r, g, b] = rgb.map(f32::from);
        0.299 * r + 0.587 * g + 0.114 * b
    };
    Picture {
        values: pixels.as_chunks::<3>().0.iter().map(luma).collect(),
        width: info.width as usize,
        height: info.height as usize,
    }
}

struct Picture {
    values: Vec<f32>,
    width: usize,
    height: usize,
}

/// Reproducible random numbers (xorshift).
struct Random(u32);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % end
    }
}

/// Sharp rectangles on grey, and discs, which have edges in all directions.
fn scene(width: usize, height: usize) -> Picture {
    let mut random = Random(2026);
    let mut values = vec![120.0; width * height];
    for _ in 0..width * height / 400 {
        let (x, y) = (random.below(width), random.below(height));
        let (w, h, value) = (3 + random.below(30), 3 + random.below(20), random.below(256) as f32);
        let round = random.below(2) == 0;
        for row in y..(y + h).min(height) {
            for column in x..(x + w).min(width) {
                let across = (2.0 * (column - x) as f32 + 1.0) / w as f32 - 1.0;
                let down = (2.0 * (row - y) as f32 + 1.0) / h as f32 - 1.0;
                if !round || across * across + down * down < 1.0 {
                    values[row * width + column] = value;
                }
            }
        }
    }
    Picture { values, width, height }
}

impl Picture {
    /// Returns the mean along a straight path of `length` pixels, with a sample every half pixel.
    fn moved(&self, right: f32, down: f32, length: usize) -> Self {
        let samples = 2 * length + 1;
        let at = |x: f32, y: f32| {
            let column = (x.round().max(0.0) as usize).min(self.width - 1);
            let row = (y.round().max(0.0) as usize).min(self.height - 1);
            self.values[row * self.width + column]
        };
        let mean = |index: usize| {
            let (x, y) = ((index % self.width) as f32, (index / self.width) as f32);
            let sum: f32 = (0..samples)
                .map(|sample| (sample as f32 / 2.0) - length as f32 / 2.0)
                .map(|distance| at(x + right * distance, y + down * distance))
                .sum();
            sum / samples as f32
        };
        Self {
            values: (0..self.values.len()).map(mean).collect(),
            ..*self
        }
    }

    fn changed(&self, mut change: impl FnMut(usize, f32) -> f32) -> Self {
        let values = self
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| change(index, *value));
        Self {
            values: values.collect(),
            ..*self
        }
    }

    fn noisy(&self, deviation: f32) -> Self {
        let mut random = Random(7);
        // The sum of twelve uniform numbers is nearly normal and has variance 1.
        self.changed(|_, value| {
            let normal: f32 = (0..12).map(|_| random.below(1000) as f32 / 999.0).sum::<f32>() - 6.0;
            value + deviation * normal
        })
    }

    fn bytes(&self) -> Vec<u8> {
        self.values
            .iter()
            .map(|value| value.round().clamp(0.0, 255.0) as u8)
            .collect()
    }

    fn edge_width(&self) -> Option<f32> {
        edge_width(Luma {
            bytes: &self.bytes(),
            stride: self.width,
            width: self.width,
            height: self.height,
        })
    }
}

#[test]
fn a_sharp_scene_is_sharp_and_one_that_moved_in_any_direction_is_not() {
    let scene = scene(640, 360);
    let still = scene.edge_width().unwrap();
    // The length of a diagonal step.
    assert!(still <= 1.42, "{still}");
    let half = f32::sqrt(0.5);
    for (right, down) in [
        (1.0, 0.0),
        (0.0, 1.0),
        (half, half),
        (half, -half),
        (0.9, 0.4),
        (0.4, -0.9),
    ] {
        let [short, middle, long] = [2, 3, 8].map(|length| scene.moved(right, down, length).edge_width().unwrap());
        let widths = format!("{still}, {short}, {middle}, {long} for 0, 2, 3 and 8 px to {right}, {down}");
        assert!(still < short && short < middle && middle <= long, "{widths}");
        assert!(long > SHARP, "{widths}");
    }
}

#[test]
fn neither_brightness_nor_contrast_nor_the_size_of_the_frame_matters() {
    let blurred = scene(640, 360).moved(1.0, 0.0, 4);
    let width = blurred.edge_width().unwrap();
    let dimmed = blurred.changed(|_, value| 20.0 + value / 4.0).edge_width().unwrap();
    let large = scene(1920, 1080).moved(1.0, 0.0, 4).edge_width().unwrap();
    for other in [dimmed, large] {
        assert!((other - width).abs() < 0.25, "{width}, {other}");
    }
}

#[test]
fn noise_does_not_make_a_blurred_frame_sharp() {
    // A third of the frame is sky.
    let with_sky = |picture: Picture| picture.changed(|index, value| if index < 640 * 120 { 200.0 } else { value });
    for deviation in [2.0, 5.0] {
        let blurred = with_sky(scene(640, 360).moved(1.0, 0.0, 8))
            .noisy(deviation)
            .edge_width()
            .unwrap();
        assert!(!is_sharp(blurred), "{blurred} at noise of {deviation}");
        let sharp = with_sky(scene(640, 360)).noisy(deviation).edge_width().unwrap();
        assert!(is_sharp(sharp), "{sharp} at noise of {deviation}");
    }
}

#[test]
fn the_date_in_a_corner_does_not_make_a_blurred_frame_sharp() {
    let blurred = scene(640, 360).moved(0.0, 1.0, 8);
    let dated = blurred.changed(|index, value| match (index % 640, index / 640) {
        // Strokes of letters, two pixels wide, white on black.
        (x @ 20..260, y @ 330..350) if (x / 2) % 3 == 0 || (y / 2) % 5 == 0 => 255.0,
        (20..260, 330..350) => 0.0,
        _ => value,
    });
    assert!(dated.edge_width().unwrap() > SHARP);
}

#[test]
fn padding_after_a_row_is_ignored() {
    let scene = scene(200, 100).moved(1.0, 0.0, 3);
    let mut padded: Vec<u8> = Vec::new();
    for (number, row) in scene.bytes().chunks(200).enumerate() {
        padded.extend(row);
        padded.extend([(number * 91) as u8; 56]);
    }
    let luma = Luma {
        bytes: &padded,
        stride: 256,
        width: 200,
        height: 100,
    };
    assert_eq!(edge_width(luma), scene.edge_width());
}

#[test]
fn a_frame_without_edges_has_no_edge_width() {
    for (width, height) in [(0, 0), (1, 1), (8, 100), (100, 4), (16, 16), (640, 360)] {
        let flat = Picture {
            values: vec![16.0; width * height],
            width,
            height,
        };
        assert_eq!(flat.edge_width(), None, "{width}x{height}");
        let dark = flat.noisy(1.0);
        assert_eq!(dark.edge_width(), None, "{width}x{height} with noise");
    }
    let small = scene(24, 24);
    assert!(small.edge_width().is_some());
    // A plane that is shorter than its size says.
    let short = Luma {
        bytes: &small.bytes()[..100],
        stride: 24,
        width: 24,
        height: 24,
    };
    edge_width(short);
}

#[test]
fn a_frame_has_the_same_width_in_every_format_that_the_element_takes() {
    gst::init().unwrap();
    let scene = scene(202, 118).moved(1.0, 0.0, 2);
    let expected = scene.edge_width().unwrap();
    let grey = scene.bytes();
    for format in [
        "GRAY8",
        "I420",
        "NV12",
        "I420_10LE",
        "P010_10LE",
        "RGBx",
        "RGBA",
        "BGRx",
        "BGRA",
        "xRGB",
        "RGB",
        "BGR",
    ] {
        let format: gst_video::VideoFormat = format.parse().unwrap();
        let info = gst_video::VideoInfo::builder(format, 202, 118).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut frame =
                gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            let component = u32::from(info.is_rgb());
            let (step, stride) = (
                frame.comp_pstride(component) as usize,
                frame.comp_stride(component) as usize,
            );
            // The two least significant of ten bits are set, and must not matter.
            let shift = info.format_info().shift()[component as usize];
            let two_bytes = info.format_info().depth()[component as usize] > 8;
            let data = frame.comp_data_mut(component).unwrap();
            for (index, value) in grey.iter().enumerate() {
                let at = index / 202 * stride + index % 202 * step;
                match two_bytes {
                    true => data[at..at + 2].copy_from_slice(&(((u16::from(*value) << 2) | 3) << shift).to_le_bytes()),
                    false => data[at] = *value,
                }
            }
        }
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(&buffer, &info).unwrap();
        assert_eq!(of_frame(&frame), Some(expected), "{format:?}");
    }
}
