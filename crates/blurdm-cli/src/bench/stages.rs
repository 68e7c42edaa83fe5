// SPDX-License-Identifier: MPL-2.0

//! The stages from file to encoded stream, each by itself and together.

use std::{
    path::{Path, PathBuf},
    thread,
};

use gst::prelude::*;
use serde::Serialize;

use super::frames::{Frames, Span, Times, queue};
use crate::restore::{Error, encoder::Encoder, treatment::Treatment};

/// What frames that are kept for a stage by itself may take of the memory.
const MEMORY: usize = 256 << 20;
/// And as many of them are enough.
const KEPT: usize = 64;
/// Frames at the beginning that are not counted, as far as there are so many: threads are woken and pools filled.
const WARM_UP: usize = 5;

#[derive(Debug, Clone, Serialize)]
pub struct Stage {
    pub name: &'static str,
    pub fps: f64,
}

/// Part of a file, and the first frames of it as they are decoded.
pub struct Clip {
    path: PathBuf,
    span: Span,
    pub info: gst_video::VideoInfo,
    caps: gst::Caps,
    kept: Vec<gst::Buffer>,
    pub frames: usize,
}

/// What the element made of the frames that were kept.
pub struct Restored {
    pub stage: Stage,
    pub frames: Vec<gst::Buffer>,
    /// At the 50th, 95th and 99th percentile.
    pub element_ms: [f64; 3],
    pub provider: String,
}

/// The element, with all that it is told.
///
/// # Errors
/// Where it is not registered.
pub fn element(treatment: &Treatment) -> Result<gst::Element, Error> {
    let element = treatment.element()?;
    element.set_property("strength", treatment.strength);
    Ok(element)
}

impl Clip {
    /// # Errors
    /// A file without video, one that cannot be decoded, and a part of it with fewer than two frames.
    pub fn open(path: &Path, span: Span) -> Result<Self, Error> {
        let frames = Frames::of_file(path, span, &[])?;
        let (mut caps, mut kept, mut count) = (None, Vec::new(), 0);
        while let Some(sample) = frames.next(path)? {
            count += 1;
            let Some(buffer) = sample.buffer() else { continue };
            caps = caps.or_else(|| sample.caps_owned());
            if kept.len() < KEPT.min(MEMORY / buffer.size().max(1)).max(2) {
                kept.push(buffer.copy_deep()?);
            }
        }
        let few = || {
            let seconds = |time: u64| time as f64 / 1e9;
            let (from, to) = (seconds(span.from), seconds(span.to));
            Error::unreadable(
                path,
                format!("it has {count} frames between {from:.3} s and {to:.3} s, and two at least are needed"),
            )
        };
        let caps = caps.filter(|_| count > 1).ok_or_else(few)?;
        let info = gst_video::VideoInfo::from_caps(&caps)?;
        Ok(Self {
            path: path.to_owned(),
            span,
            info,
            caps,
            kept,
            frames: count,
        })
    }

    pub fn decode(&self) -> Result<Stage, Error> {
        self.of_file("decode", &[])
    }

    pub fn decode_and_restore(&self, treatment: &Treatment) -> Result<Stage, Error> {
        self.of_file("decode and restore", &[element(treatment)?])
    }

    pub fn all_together(&self, treatment: &Treatment, encoder: &Encoder) -> Result<Stage, Error> {
        let mut chain = vec![element(treatment)?, queue()?];
        chain.extend(self.encoding(encoder)?);
        self.of_file("all together", &chain)
    }

    /// The element by itself, with frames that lie in memory.
    pub fn restore(&self, treatment: &Treatment) -> Result<Restored, Error> {
        let element = element(treatment)?;
        let (times, frames, provider) = self.of_memory(&self.kept, std::slice::from_ref(&element))?;
        let stats = element.property::<gst::Structure>("stats");
        let element_ms = ["p50", "p95", "p99"].map(|share| stats.get(format!("total-ms-{share}")).unwrap_or(0.0));
        Ok(Restored {
            stage: self.stage("restore", &times)?,
            frames,
            element_ms,
            provider,
        })
    }

    /// The encoder by itself, with restored frames that lie in memory.
    pub fn encode(&self, restored: &[gst::Buffer], encoder: &Encoder) -> Result<Stage, Error> {
        let (times, ..) = self.of_memory(restored, &self.encoding(encoder)?)?;
        self.stage("encode", &times)
    }

    fn encoding(&self, encoder: &Encoder) -> Result<Vec<gst::Element>, Error> {
        let format = encoder.format(self.info.format());
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", format.to_str())
            .build();
        let filter = gst::ElementFactory::make("capsfilter").property("caps", caps).build()?;
        let mut chain = vec![gst::ElementFactory::make("videoconvert").build()?, filter];
        chain.extend(encoder.elements()?);
        Ok(chain)
    }

    fn of_file(&self, name: &'static str, chain: &[gst::Element]) -> Result<Stage, Error> {
        let frames = Frames::of_file(&self.path, self.span, chain)?;
        self.stage(name, &frames.drain(&self.path, |_| ())?)
    }

    /// As many frames as the span has, over and over those given: when they went in and came out, those that came first, and what ran.
    fn of_memory(
        &self,
        given: &[gst::Buffer],
        chain: &[gst::Element],
    ) -> Result<(Times, Vec<gst::Buffer>, String), Error> {
        let (source, frames) = Frames::of_source(&self.caps, chain, &self.path)?;
        let step = gst::ClockTime::from_nseconds((self.span.to - self.span.from) / self.frames.max(1) as u64);
        let push = || {
            for (number, frame) in (0_u64..).zip(given.iter().cycle()).take(self.frames) {
                let mut frame = frame.copy();
                if let Some(frame) = frame.get_mut() {
                    frame.set_pts(step * number);
                    frame.set_dts(gst::ClockTime::NONE);
                    frame.set_duration(step);
                }
                // Whatever keeps it from going on is told at the other end.
                if source.push_buffer(frame).is_err() {
                    return;
                }
            }
            source.end_of_stream().ok();
        };
        thread::scope(|scope| {
            scope.spawn(push);
            let mut kept = Vec::new();
            let times = frames.drain(&self.path, |sample| {
                let copied = sample.buffer().filter(|_| kept.len() < given.len());
                kept.extend(copied.and_then(|buffer| buffer.copy_deep().ok()));
            })?;
            Ok((times, kept, frames.provider()))
        })
    }

    /// Frames per second once it runs.
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
