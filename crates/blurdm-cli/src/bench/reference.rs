// SPDX-License-Identifier: MPL-2.0

//! PSNR against a sharp reference, before and after. All frames are decoded to 8-bit RGB and compared at equal times; nothing is scaled or
//! aligned.

use std::{collections::VecDeque, path::Path};

use gst_video::prelude::*;
use serde::Serialize;

use super::{
    frames::{Frames, TimeRange},
    stages,
};
use crate::{error::Error, media::element::ElementSettings};

/// Times of the same frame in two containers differ by rounding: by less than this, in nanoseconds.
const TOLERANCE: u64 = 2_000_000;

#[derive(Debug, Serialize)]
pub struct Comparison {
    /// PSNR over all pixels of all frames, in dB.
    pub before: Decibels,
    pub after: Decibels,
    /// Difference of the two in dB. `None` where one is infinite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    pub frames: usize,
    /// Frames that are closer to the reference after restoring.
    pub nearer: usize,
    /// Frames without a frame of the same time in the reference.
    pub unmatched: usize,
}

/// A peak signal-to-noise ratio. `None` for equal pictures, where it is infinite.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct Decibels(Option<f64>);

impl std::fmt::Display for Decibels {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self.0 {
            Some(decibels) => write!(to, "{decibels:.2}"),
            None => to.write_str("infinite"),
        }
    }
}

impl Decibels {
    /// Returns the PSNR of a mean squared error of 8-bit values.
    fn from_mean_squared_error(error: f64) -> Self {
        Self((error > 0.0).then(|| 10.0 * (255.0 * 255.0 / error).log10()))
    }
}

/// Compares the frames of a part of a file, original and restored, to a reference.
///
/// # Errors
/// A file that cannot be decoded, pictures of different sizes, a reference without a frame of equal time.
pub fn measure(
    file: &Path,
    reference: &Path,
    range: TimeRange,
    settings: &ElementSettings,
) -> Result<Comparison, Error> {
    let mut before = Pictures::open(file, range, &[])?;
    let mut after = Pictures::open(file, range, &[stages::element(settings)?])?;
    let mut truth = Pictures::open(reference, widened(range), &[])?;
    let (mut sum_before, mut sum_after) = (0.0, 0.0);
    let (mut frames, mut nearer, mut unmatched) = (0, 0, 0);
    while let Some(input) = before.next()? {
        let output = after.at(input.time)?;
        let truth = truth.at(input.time)?;
        let (Some(output), Some(truth)) = (output, truth) else {
            unmatched += 1;
            continue;
        };
        if (truth.width, truth.height) != (input.width, input.height) {
            let sizes = [&truth, &input].map(|picture| format!("{}x{}", picture.width, picture.height));
            let reason = format!("it is {}, and the file is {}", sizes[0], sizes[1]);
            return Err(Error::unreadable(reference, reason));
        }
        let (error_before, error_after) = (squared_error(&truth, &input), squared_error(&truth, &output));
        sum_before += error_before;
        sum_after += error_after;
        nearer += usize::from(error_after < error_before);
        frames += 1;
    }
    if frames == 0 {
        return Err(Error::unreadable(
            reference,
            "none of its frames has the time of a frame of the file",
        ));
    }
    let (before, after) = (
        Decibels::from_mean_squared_error(sum_before / f64::from(frames)),
        Decibels::from_mean_squared_error(sum_after / f64::from(frames)),
    );
    Ok(Comparison {
        before,
        after,
        gain: before.0.zip(after.0).map(|(before, after)| after - before),
        frames: usize::try_from(frames).unwrap_or(usize::MAX),
        nearer,
        unmatched,
    })
}

/// Widens a range, so that it includes frames whose times are rounded differently.
fn widened(range: TimeRange) -> TimeRange {
    TimeRange {
        from: range.from.saturating_sub(TOLERANCE),
        to: range.to.saturating_add(TOLERANCE),
    }
}

struct Picture {
    /// Stream time in nanoseconds.
    time: u64,
    width: usize,
    height: usize,
    /// RGBx without row padding.
    pixels: Vec<u8>,
}

/// Decoded pictures in presentation order.
struct Pictures<'a> {
    path: &'a Path,
    frames: Frames,
    /// Pictures that were read too early.
    pending: VecDeque<Picture>,
}

impl<'a> Pictures<'a> {
    fn open(path: &'a Path, range: TimeRange, chain: &[gst::Element]) -> Result<Self, Error> {
        let caps = gst::Caps::builder("video/x-raw").field("format", "RGBx").build();
        let mut all = vec![
            gst::ElementFactory::make("videoconvert").build()?,
            gst::ElementFactory::make("capsfilter").property("caps", caps).build()?,
        ];
        all.extend_from_slice(chain);
        Ok(Self {
            path,
            frames: Frames::from_file(path, range, &all)?,
            pending: VecDeque::new(),
        })
    }

    fn next(&mut self) -> Result<Option<Picture>, Error> {
        if let Some(picture) = self.pending.pop_front() {
            return Ok(Some(picture));
        }
        while let Some(sample) = self.frames.next(self.path)? {
            // A frame without a time has no counterpart.
            if let Some(picture) = picture(&sample)? {
                return Ok(Some(picture));
            }
        }
        Ok(None)
    }

    /// Returns the picture of a time, if there is one. Earlier pictures are dropped.
    fn at(&mut self, time: u64) -> Result<Option<Picture>, Error> {
        while let Some(picture) = self.next()? {
            if picture.time.abs_diff(time) < TOLERANCE {
                return Ok(Some(picture));
            }
            if picture.time > time {
                self.pending.push_front(picture);
                return Ok(None);
            }
        }
        Ok(None)
    }
}

fn picture(sample: &gst::Sample) -> Result<Option<Picture>, Error> {
    let (Some(caps), Some(buffer)) = (sample.caps(), sample.buffer()) else {
        return Ok(None);
    };
    let segment = sample
        .segment()
        .and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let time = buffer.pts().and_then(|pts| segment?.to_stream_time(pts));
    let info = gst_video::VideoInfo::from_caps(caps)?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)?;
    let (width, height) = (info.width() as usize, info.height() as usize);
    let stride = usize::try_from(frame.plane_stride().first().copied().unwrap_or(0)).unwrap_or(0);
    let rows = frame.plane_data(0)?.chunks(stride.max(4 * width)).take(height);
    let pixels = rows.filter_map(|row| row.get(..4 * width)).flatten().copied().collect();
    Ok(time.map(|time| Picture {
        time: time.nseconds(),
        width,
        height,
        pixels,
    }))
}

/// Returns the mean squared error over red, green and blue of all pixels.
fn squared_error(truth: &Picture, picture: &Picture) -> f64 {
    let pixels = truth
        .pixels
        .as_chunks::<4>()
        .0
        .iter()
        .zip(picture.pixels.as_chunks::<4>().0);
    let error = |(t, p): (&[u8; 4], &[u8; 4])| -> u64 {
        let colours = t.iter().zip(p).take(3);
        colours.map(|(t, p)| u64::from(t.abs_diff(*p)).pow(2)).sum()
    };
    let sum: u64 = pixels.map(error).sum();
    sum as f64 / (3 * truth.width * truth.height).max(1) as f64
}
