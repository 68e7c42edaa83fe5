// SPDX-License-Identifier: MPL-2.0

//! How near frames come to a sharp reference, before and after. Both are decoded to 8-bit RGB in the same way and compared at equal times;
//! nothing is blurred, scaled or aligned.

use std::{collections::VecDeque, path::Path};

use gst_video::prelude::*;
use serde::Serialize;

use super::{
    frames::{Frames, Span},
    stages,
};
use crate::restore::{Error, treatment::Treatment};

/// Times of the same frame in two containers differ by what these round to: less than this, in ns.
const SAME: u64 = 2_000_000;

#[derive(Debug, Serialize)]
pub struct Likeness {
    /// PSNR over all pixels of all frames, in dB.
    pub before: Decibels,
    pub after: Decibels,
    /// What restoring gained, in dB; none where one of the two is infinite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    pub frames: usize,
    /// Frames that came nearer to the reference.
    pub nearer: usize,
    /// Frames with no frame of their time in the reference.
    pub unmatched: usize,
}

/// Peak signal-to-noise ratio: none for pictures that are equal.
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
    /// Of a mean squared error in grey levels of 8 bits.
    fn of(error: f64) -> Self {
        Self((error > 0.0).then(|| 10.0 * (255.0 * 255.0 / error).log10()))
    }
}

/// # Errors
/// Files that cannot be decoded, pictures of different sizes, and a reference without a frame of the span's times.
pub fn measure(file: &Path, reference: &Path, span: Span, treatment: &Treatment) -> Result<Likeness, Error> {
    let mut before = Pictures::of(file, span, &[])?;
    let mut after = Pictures::of(file, span, &[stages::element(treatment)?])?;
    let mut truth = Pictures::of(reference, widened(span), &[])?;
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
            let reason = format!("it is {}, and what it is to be compared with is {}", sizes[0], sizes[1]);
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
            "none of its frames has the time of one of the file",
        ));
    }
    let (before, after) = (
        Decibels::of(sum_before / f64::from(frames)),
        Decibels::of(sum_after / f64::from(frames)),
    );
    Ok(Likeness {
        before,
        after,
        gain: before.0.zip(after.0).map(|(before, after)| after - before),
        frames: usize::try_from(frames).unwrap_or(usize::MAX),
        nearer,
        unmatched,
    })
}

/// So that a frame of the reference is not missed for being a rounding earlier or later.
fn widened(span: Span) -> Span {
    Span {
        from: span.from.saturating_sub(SAME),
        to: span.to.saturating_add(SAME),
    }
}

struct Picture {
    /// Stream time in ns.
    time: u64,
    width: usize,
    height: usize,
    /// RGBx without row padding.
    pixels: Vec<u8>,
}

/// Decoded pictures in the order of their times.
struct Pictures<'a> {
    path: &'a Path,
    frames: Frames,
    waiting: VecDeque<Picture>,
}

impl<'a> Pictures<'a> {
    fn of(path: &'a Path, span: Span, chain: &[gst::Element]) -> Result<Self, Error> {
        let caps = gst::Caps::builder("video/x-raw").field("format", "RGBx").build();
        let mut all = vec![
            gst::ElementFactory::make("videoconvert").build()?,
            gst::ElementFactory::make("capsfilter").property("caps", caps).build()?,
        ];
        all.extend_from_slice(chain);
        Ok(Self {
            path,
            frames: Frames::of_file(path, span, &all)?,
            waiting: VecDeque::new(),
        })
    }

    fn next(&mut self) -> Result<Option<Picture>, Error> {
        if let Some(picture) = self.waiting.pop_front() {
            return Ok(Some(picture));
        }
        while let Some(sample) = self.frames.next(self.path)? {
            // A frame without time cannot be compared with any.
            if let Some(picture) = picture(&sample)? {
                return Ok(Some(picture));
            }
        }
        Ok(None)
    }

    /// The picture of a time; those before it are dropped, one after it is kept for later.
    fn at(&mut self, time: u64) -> Result<Option<Picture>, Error> {
        while let Some(picture) = self.next()? {
            if picture.time.abs_diff(time) < SAME {
                return Ok(Some(picture));
            }
            if picture.time > time {
                self.waiting.push_front(picture);
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

/// The mean over red, green and blue of all pixels.
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
