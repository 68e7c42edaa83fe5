// SPDX-License-Identifier: MPL-2.0

//! The restored frames of a file: `filesrc ! parsebin ! decodebin ! deinterlace ! videoconvert ! [videoflip] ! queue ! blurdm !
//! appsink`.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use gst::prelude::*;

pub use super::gate::{Capture, FrameInfo};
use super::{
    conversion, decode,
    gate::{Gate, Probes},
    reusable_element::{Lease, ReusableElement},
};
use crate::{
    error::Error,
    media::{
        CAT,
        interrupt::{self, POLL_INTERVAL},
        orientation::Orientation,
        pipeline::{End, Pipeline},
        watchdog,
    },
    restore::plan::{Scan, Segment},
    sync::lock,
};

/// Capacity of the queues before the model and before the encoder, in frames.
const QUEUE_CAPACITY: u32 = 3;

/// A frame that went through the element.
pub struct RestoredFrame {
    pub sample: gst::Sample,
    pub info: FrameInfo,
}

impl RestoredFrame {
    /// Returns the frame before it was restored, if it was captured.
    pub fn original(&self) -> Option<gst::Sample> {
        let (original, caps) = (self.info.original.as_ref()?, self.sample.caps_owned()?);
        Some(gst::Sample::builder().buffer(original).caps(&caps).build())
    }
}

/// The restored frames of contiguous segments, in presentation order.
pub struct RestoredFrames<'a> {
    owner: &'a ReusableElement,
    /// `None` once it is released.
    lease: Option<Lease>,
    element: gst::Element,
    /// `None` once they are removed.
    probes: Option<Probes>,
    pipeline: Pipeline,
    output: gst_app::AppSink,
    gate: Arc<Mutex<Gate>>,
    path: PathBuf,
    end: Option<End>,
}

impl<'a> RestoredFrames<'a> {
    /// Starts decoding at the first of the segments, which must be contiguous. Frames are turned before they are restored.
    ///
    /// # Errors
    /// [`Error::Unreadable`] and [`Error::MissingPlugin`] where the file cannot be decoded, [`Error::Failed`] with the error of the element
    /// where that cannot run, [`Error::Interrupted`].
    pub fn start(
        scan: &Scan,
        segments: &[Segment],
        owner: &'a ReusableElement,
        capture: Capture,
        turn: Orientation,
    ) -> Result<Self, Error> {
        let Some(first) = segments.first() else {
            return Err(Error::Failed("there is nothing to restore".into()));
        };
        let lease = owner.acquire()?;
        let element = lease.element.clone();
        let settings = owner.settings();
        let gate = Gate::new(segments, settings.strength, settings.only_blurred, capture);
        let gate = Arc::new(Mutex::new(gate));
        let (pipeline, output) = create_pipeline(scan, &element, turn)?;
        let mut frames = Self {
            owner,
            lease: Some(lease),
            probes: Some(Probes::add(&element, &gate)),
            element,
            pipeline: Pipeline::new(pipeline),
            output,
            gate,
            path: scan.path.clone(),
            end: None,
        };
        frames.seek(first, scan.can_seek)?;
        Ok(frames)
    }

    /// Seeks to a segment and starts playing. The frame that prerolls the pipeline before the seek passes the element unchanged.
    fn seek(&mut self, first: &Segment, can_seek: bool) -> Result<(), Error> {
        let strength = self.owner.settings().strength;
        // Where there is no seek, everything from the start is decoded, and dropped up to the segment.
        if let Some(time) = first.seek_to.filter(|_| can_seek) {
            self.element.set_property("strength", 0.0);
            self.preroll()?;
            self.element.set_property("strength", strength);
            let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
            let time = gst::ClockTime::from_nseconds(time);
            let _wait = watchdog::wait();
            if let Err(refused) = self.pipeline.inner.seek_simple(flags, time) {
                gst::info!(CAT, obj = self.pipeline.inner, "no seek: {refused}");
                lock(&self.gate).open();
            }
        } else {
            self.element.set_property("strength", strength);
            lock(&self.gate).open();
        }
        self.pipeline
            .set_state(gst::State::Playing)
            .map_err(|end| self.error(end))
    }

    fn preroll(&self) -> Result<(), Error> {
        self.pipeline
            .set_state(gst::State::Paused)
            .map_err(|end| self.error(end))?;
        match self.pipeline.wait_state_change()? {
            // A very short file ends at once.
            None | Some(End::Eos) => Ok(()),
            Some(end) => Err(self.error(end)),
        }
    }

    /// Returns the next frame. `None` at the end, for which [`RestoredFrames::damage`] may give a reason.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Failed`] where the element fails.
    pub fn next(&mut self) -> Result<Option<RestoredFrame>, Error> {
        let _wait = watchdog::wait();
        loop {
            interrupt::check()?;
            let complete = lock(&self.gate).is_complete();
            let timeout = if complete { gst::ClockTime::ZERO } else { POLL_INTERVAL };
            if let Some(sample) = self.output.try_pull_sample(timeout) {
                let pts = sample.buffer().and_then(|buffer| buffer.pts());
                if let Some(info) = lock(&self.gate).take_info(pts.map(gst::ClockTime::nseconds)) {
                    return Ok(Some(RestoredFrame { sample, info }));
                }
                continue;
            }
            if complete || self.output.is_eos() {
                self.end = self.end.take().or_else(|| self.pipeline.poll_end());
                return match &self.end {
                    Some(End::Failed(reason)) if self.is_error_of_element(reason) => Err(Error::Failed(reason.clone())),
                    Some(End::Failed(_)) => self.unknown_format().map_or(Ok(None), Err),
                    _ => Ok(None),
                };
            }
            if let Some(end) = self.pipeline.poll_end() {
                // The frames that were restored before an error are still delivered.
                self.end = Some(end);
                lock(&self.gate).set_complete();
            }
        }
    }

    /// Whether the text of an error ends with the name of the element, as [`Pipeline`] writes it.
    fn is_error_of_element(&self, reason: &str) -> bool {
        reason.ends_with(&format!("({})", self.element.name()))
    }

    /// Returns why the stream ended early, if it did.
    pub fn damage(&self) -> Option<String> {
        match &self.end {
            Some(End::Failed(reason)) => Some(reason.clone()),
            Some(End::MissingPlugin(missing)) => Some(missing.to_string()),
            Some(End::Eos) | None => None,
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

    fn unknown_format(&self) -> Option<Error> {
        let is_unnegotiated = self.pipeline.is_unnegotiated();
        let reason = decode::unknown_format(&self.pipeline.inner).filter(|_| is_unnegotiated)?;
        let path = self.path.clone();
        Some(Error::Unsuitable { path, reason })
    }

    fn error(&self, end: End) -> Error {
        match end {
            End::Failed(reason) if self.is_error_of_element(&reason) => Error::Failed(reason),
            End::Failed(reason) => {
                let unknown = self.unknown_format();
                unknown.unwrap_or_else(|| Error::unreadable(&self.path, reason))
            }
            end => match end.into_read_result(&self.path) {
                Err(error) => error,
                Ok(()) => Error::unreadable(&self.path, "it ended before its first frame"),
            },
        }
    }
}

impl Drop for RestoredFrames<'_> {
    fn drop(&mut self) {
        let provider = self.provider();
        self.probes = None;
        let failed = matches!(&self.end, Some(End::Failed(reason)) if self.is_error_of_element(reason));
        if let Some(mut lease) = self.lease.take().filter(|_| !failed) {
            lease.provider = provider;
            self.owner.release(lease, &self.pipeline.inner);
        }
    }
}

fn create_pipeline(
    scan: &Scan,
    element: &gst::Element,
    turn: Orientation,
) -> Result<(gst::Pipeline, gst_app::AppSink), Error> {
    // One frame for each coded one: the top field where a frame consists of two.
    let deinterlace = gst::ElementFactory::make("deinterlace")
        .property_from_str("fields", "top")
        .build()?;
    let convert = conversion::for_element(element, turn)?;
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", QUEUE_CAPACITY)
        .property("max-size-bytes", 0u32)
        .property("max-size-time", 0u64)
        .build()?;
    let output = gst_app::AppSink::builder()
        .sync(false)
        .max_buffers(QUEUE_CAPACITY)
        .build();
    let first = deinterlace
        .static_pad("sink")
        .ok_or_else(|| Error::Failed("deinterlace has no pad".into()))?;
    let pipeline = decode::pipeline(scan, first)?;
    let mut chain = vec![&deinterlace];
    chain.extend(&convert);
    chain.extend([&queue, element, output.upcast_ref()]);
    pipeline.add_many(&chain)?;
    gst::Element::link_many(&chain)?;
    Ok((pipeline, output))
}
