// SPDX-License-Identifier: MPL-2.0

//! The stages from file to encoded stream, alone and together.

use std::{
    path::{Path, PathBuf},
    thread,
};

use gst::prelude::*;
use serde::Serialize;

use super::frames::{Frames, TimeRange, Times, queue};
use crate::{
    error::Error,
    media::{element::ElementSettings, encoder::Encoder},
};

/// Bytes of decoded frames that are held in memory, to measure a stage alone.
const MAX_MEMORY: usize = 256 << 20;
/// Number of such frames.
const MAX_FRAMES: usize = 64;
/// Frames at the start that are not counted, while threads wake up and pools fill.
const WARM_UP: usize = 5;

#[derive(Debug, Clone, Serialize)]
pub struct Stage {
    pub name: &'static str,
    pub fps: f64,
}

/// A part of a file, with its first frames decoded in memory.
pub struct Clip {
    path: PathBuf,
    range: TimeRange,
    pub info: gst_video::VideoInfo,
    caps: gst::Caps,
    decoded: Vec<gst::Buffer>,
    /// Number of frames of the part.
    pub frames: usize,
}

/// The result of restoring the decoded frames.
pub struct Restored {
    pub stage: Stage,
    pub frames: Vec<gst::Buffer>,
    /// Milliseconds at the 50th, 95th and 99th percentile.
    pub element_ms: [f64; 3],
    pub provider: String,
}

/// Creates the element with all settings.
///
/// # Errors
/// The element is not registered.
pub fn element(settings: &ElementSettings) -> Result<gst::Element, Error> {
    let element = settings.create()?;
    element.set_property("strength", settings.strength);
    Ok(element)
}

impl Clip {
    /// Decodes a part of a file.
    ///
    /// # Errors
    /// A file without video, or that cannot be decoded, and a part with fewer than two frames.
    pub fn open(path: &Path, range: TimeRange) -> Result<Self, Error> {
        let frames = Frames::from_file(path, range, &[])?;
        let (mut caps, mut decoded, mut count) = (None, Vec::new(), 0);
        while let Some(sample) = frames.next(path)? {
            count += 1;
            let Some(buffer) = sample.buffer() else { continue };
            caps = caps.or_else(|| sample.caps_owned());
            if decoded.len() < MAX_FRAMES.min(MAX_MEMORY / buffer.size().max(1)).max(2) {
                decoded.push(buffer.copy_deep()?);
            }
        }
        let few = || {
            let seconds = |time: u64| time as f64 / 1e9;
            let (from, to) = (seconds(range.from), seconds(range.to));
            Error::unreadable(
                path,
                format!("it has {count} frames between {from:.3} s and {to:.3} s, and at least two are needed"),
            )
        };
        let caps = caps.filter(|_| count > 1).ok_or_else(few)?;
        let info = gst_video::VideoInfo::from_caps(&caps)?;
        Ok(Self {
            path: path.to_owned(),
            range,
            info,
            caps,
            decoded,
            frames: count,
        })
    }

    pub fn decode(&self) -> Result<Stage, Error> {
        self.measure_file("decode", &[])
    }

    pub fn decode_and_restore(&self, settings: &ElementSettings) -> Result<Stage, Error> {
        self.measure_file("decode and restore", &[element(settings)?])
    }

    pub fn all_together(&self, settings: &ElementSettings, encoder: &Encoder) -> Result<Stage, Error> {
        let mut chain = vec![element(settings)?, queue()?];
        chain.extend(self.encoder_chain(encoder)?);
        self.measure_file("all together", &chain)
    }

    /// Measures the element alone, on frames in memory.
    pub fn restore(&self, settings: &ElementSettings) -> Result<Restored, Error> {
        let element = element(settings)?;
        let (times, frames, provider) = self.run_in_memory(&self.decoded, std::slice::from_ref(&element))?;
        let stats = element.property::<gst::Structure>("stats");
        let element_ms =
            ["p50", "p95", "p99"].map(|percentile| stats.get(format!("total-ms-{percentile}")).unwrap_or(0.0));
        Ok(Restored {
            stage: self.stage("restore", &times)?,
            frames,
            element_ms,
            provider,
        })
    }

    /// Measures the encoder alone, on restored frames in memory.
    pub fn encode(&self, restored: &[gst::Buffer], encoder: &Encoder) -> Result<Stage, Error> {
        let (times, ..) = self.run_in_memory(restored, &self.encoder_chain(encoder)?)?;
        self.stage("encode", &times)
    }

    fn encoder_chain(&self, encoder: &Encoder) -> Result<Vec<gst::Element>, Error> {
        let format = encoder.coded_format(&self.info).format;
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", format.to_str())
            .build();
        let filter = gst::ElementFactory::make("capsfilter").property("caps", caps).build()?;
        let mut chain = vec![gst::ElementFactory::make("videoconvert").build()?, filter];
        chain.extend(encoder.elements(None)?);
        Ok(chain)
    }

    fn measure_file(&self, name: &'static str, chain: &[gst::Element]) -> Result<Stage, Error> {
        let frames = Frames::from_file(&self.path, self.range, chain)?;
        self.stage(name, &frames.drain(&self.path, |_| ())?)
    }

    /// Passes as many frames as the part has through `chain`, by repeating the given ones. Returns their times, the first frames that came
    /// out, and execution provider and precision.
    fn run_in_memory(
        &self,
        given: &[gst::Buffer],
        chain: &[gst::Element],
    ) -> Result<(Times, Vec<gst::Buffer>, String), Error> {
        let (source, frames) = Frames::from_source(&self.caps, chain, &self.path)?;
        let step = gst::ClockTime::from_nseconds((self.range.to - self.range.from) / self.frames.max(1) as u64);
        let push = || {
            for (number, frame) in (0_u64..).zip(given.iter().cycle()).take(self.frames) {
                let mut frame = frame.copy();
                if let Some(frame) = frame.get_mut() {
                    frame.set_pts(step * number);
                    frame.set_dts(gst::ClockTime::NONE);
                    frame.set_duration(step);
                }
                // The error is reported at the other end.
                if source.push_buffer(frame).is_err() {
                    return;
                }
            }
            source.end_of_stream().ok();
        };
        thread::scope(|scope| {
            scope.spawn(push);
            let mut first = Vec::new();
            let times = frames.drain(&self.path, |sample| {
                let copied = sample.buffer().filter(|_| first.len() < given.len());
                first.extend(copied.and_then(|buffer| buffer.copy_deep().ok()));
            })?;
            Ok((times, first, frames.provider()))
        })
    }

    /// Returns the frames per second after the warm-up.
    fn stage(&self, name: &'static str, times: &Times) -> Result<Stage, Error> {
        let count = times.frames();
        match times.fps(WARM_UP.min(count / 2)).filter(|_| count > 1) {
            Some(fps) => Ok(Stage { name, fps }),
            None => Err(Error::unreadable(
                &self.path,
                format!("only {count} frames came out of '{name}'"),
            )),
        }
    }
}
