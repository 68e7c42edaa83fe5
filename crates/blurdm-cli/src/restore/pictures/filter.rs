// SPDX-License-Identifier: MPL-2.0

//! Frames through the element: `appsrc ! blurdm ! appsink`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use gst::prelude::*;
use gst_video::{VideoColorimetry, VideoFrameRef, VideoInfo, prelude::*};

use super::pixels::Frame;
use crate::{
    error::Error,
    media::{
        interrupt::{self, POLL_INTERVAL},
        pipeline::{End, Pipeline},
        watchdog,
    },
    restore::segments::{Lease, ReusableElement},
    sync::lock,
};

/// Full range, and the matrix, transfer and primaries of JPEG and sRGB.
const COLORIMETRY: &str = "1:4:7:1";
const RGB_COLORIMETRY: &str = "sRGB";

/// A frame that went through the element.
pub struct Filtered {
    /// Rows without padding.
    pub samples: Vec<u8>,
    /// Time in the element.
    pub milliseconds: f32,
}

/// When frames entered the element, and how long those that left it were in it.
#[derive(Debug, Default)]
struct Times {
    entered: VecDeque<Instant>,
    left: VecDeque<f32>,
}

pub struct Filter<'a> {
    owner: &'a ReusableElement,
    /// `None` once it is released.
    lease: Option<Lease>,
    pipeline: Pipeline,
    input: gst_app::AppSrc,
    output: gst_app::AppSink,
    probes: Vec<(gst::Pad, gst::PadProbeId)>,
    times: Arc<Mutex<Times>>,
    pushed: u64,
    has_failed: bool,
}

impl<'a> Filter<'a> {
    /// # Errors
    /// [`Error::Failed`] where the element cannot run.
    pub fn start(owner: &'a ReusableElement) -> Result<Self, Error> {
        let lease = owner.acquire()?;
        let element = lease.element.clone();
        element.set_property("strength", owner.settings().strength);
        let input = gst_app::AppSrc::builder()
            .format(gst::Format::Time)
            .max_bytes(0)
            .build();
        let output = gst_app::AppSink::builder().sync(false).build();
        let pipeline = gst::Pipeline::new();
        let chain = [input.upcast_ref(), &element, output.upcast_ref()];
        pipeline.add_many(chain)?;
        let mut filter = Self {
            owner,
            probes: Vec::new(),
            lease: Some(lease),
            pipeline: Pipeline::new(pipeline),
            input,
            output,
            times: Arc::default(),
            pushed: 0,
            has_failed: false,
        };
        gst::Element::link_many([filter.input.upcast_ref(), &element, filter.output.upcast_ref()])?;
        filter.add_probes(&element);
        let started = filter.pipeline.set_state(gst::State::Playing);
        started.map_err(|end| filter.failed(end))?;
        Ok(filter)
    }

    fn add_probes(&mut self, element: &gst::Element) {
        let times = self.times.clone();
        let enter = move || lock(&times).entered.push_back(Instant::now());
        let times = self.times.clone();
        let leave = move || {
            let mut times = lock(&times);
            if let Some(entered) = times.entered.pop_front() {
                times.left.push_back(entered.elapsed().as_secs_f32() * 1e3);
            }
        };
        self.add_probe(element, "sink", enter);
        self.add_probe(element, "src", leave);
    }

    fn add_probe(&mut self, element: &gst::Element, pad: &str, on_frame: impl Fn() + Send + Sync + 'static) {
        let Some(pad) = element.static_pad(pad) else { return };
        let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            on_frame();
            gst::PadProbeReturn::Ok
        });
        self.probes.extend(probe.map(|probe| (pad, probe)));
    }

    /// Sends a frame. `follows`: whether it is the next one of the same scene.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn push(&mut self, frame: &Frame, follows: bool) -> Result<(), Error> {
        let (info, mut buffer) = buffer_of(frame)?;
        let number = self.pushed;
        let data = buffer.make_mut();
        data.set_pts(gst::ClockTime::from_nseconds(number));
        if !follows {
            data.set_flags(gst::BufferFlags::DISCONT);
        }
        let sample = gst::Sample::builder().buffer(&buffer).caps(&info.to_caps()?).build();
        match self.input.push_sample(&sample) {
            Ok(_) => {
                self.pushed += 1;
                Ok(())
            }
            // The element says why.
            Err(_) => Err(self.end_of_pipeline()),
        }
    }

    /// Says that there are no more frames.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn finish(&mut self) -> Result<(), Error> {
        self.input.end_of_stream().map(drop).map_err(|_| self.end_of_pipeline())
    }

    /// Returns the next frame in the order in which they were sent.
    ///
    /// # Errors
    /// [`Error::Interrupted`], [`Error::Failed`].
    pub fn pull(&mut self) -> Result<Filtered, Error> {
        let _wait = watchdog::wait();
        loop {
            interrupt::check()?;
            if let Some(sample) = self.output.try_pull_sample(POLL_INTERVAL) {
                return Ok(Filtered {
                    samples: samples_of(&sample)?,
                    milliseconds: lock(&self.times).left.pop_front().unwrap_or_default(),
                });
            }
            if let Some(end) = self.pipeline.poll_end() {
                return Err(self.failed(end));
            }
            if self.output.is_eos() {
                return Err(self.failed(End::Eos));
            }
        }
    }

    /// Returns provider and precision of the element.
    pub fn provider(&self) -> String {
        let posted = self.pipeline.provider();
        match &self.lease {
            Some(lease) if posted.is_empty() => lease.provider.clone(),
            _ => posted,
        }
    }

    fn end_of_pipeline(&mut self) -> Error {
        let end = self.pipeline.poll_end().unwrap_or(End::Eos);
        self.failed(end)
    }

    fn failed(&mut self, end: End) -> Error {
        self.has_failed = true;
        Error::Failed(match end {
            End::Failed(reason) => reason,
            End::MissingPlugin(missing) => missing.to_string(),
            End::Eos => "the element blurdm has lost a frame".into(),
        })
    }
}

impl Drop for Filter<'_> {
    fn drop(&mut self) {
        let provider = self.provider();
        for (pad, probe) in self.probes.drain(..) {
            pad.remove_probe(probe);
        }
        if let Some(mut lease) = self.lease.take().filter(|_| !self.has_failed) {
            lease.provider = provider;
            self.owner.release(lease, &self.pipeline.inner);
        }
    }
}

fn no_frame(error: impl ToString) -> Error {
    Error::Failed(format!(
        "a picture cannot be passed to the element: {}",
        error.to_string()
    ))
}

/// Returns a frame as a buffer, and what it is like.
pub fn buffer_of(frame: &Frame) -> Result<(VideoInfo, gst::Buffer), Error> {
    let name = match frame.format {
        gst_video::VideoFormat::Gray8 => COLORIMETRY,
        _ => RGB_COLORIMETRY,
    };
    let colorimetry = name.parse::<VideoColorimetry>().map_err(no_frame)?;
    let info = VideoInfo::builder(frame.format, frame.width, frame.height)
        .colorimetry(&colorimetry)
        .build()
        .map_err(no_frame)?;
    let stride = usize::try_from(info.stride()[0]).map_err(no_frame)?;
    let mut buffer = gst::Buffer::with_size(info.size()).map_err(no_frame)?;
    {
        let mut map = buffer.make_mut().map_writable().map_err(no_frame)?;
        let row = frame.samples.len() / frame.height as usize;
        for (to, from) in map.chunks_mut(stride).zip(frame.samples.chunks(row)) {
            to[..row].copy_from_slice(from);
        }
    }
    Ok((info, buffer))
}

/// Returns the samples of a frame, rows without padding.
fn samples_of(sample: &gst::Sample) -> Result<Vec<u8>, Error> {
    let (buffer, caps) = sample
        .buffer()
        .zip(sample.caps())
        .ok_or_else(|| no_frame("it is empty"))?;
    let info = VideoInfo::from_caps(caps).map_err(no_frame)?;
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(no_frame)?;
    let row = (frame.comp_width(0) as usize) * usize::try_from(frame.comp_pstride(0)).map_err(no_frame)?;
    let stride = usize::try_from(frame.plane_stride()[0]).map_err(no_frame)?;
    let data = frame.plane_data(0).map_err(no_frame)?;
    let rows = data.chunks(stride).take(frame.height() as usize);
    Ok(rows.flat_map(|padded| padded.iter().take(row)).copied().collect())
}
