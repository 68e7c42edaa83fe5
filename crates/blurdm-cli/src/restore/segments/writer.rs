// SPDX-License-Identifier: MPL-2.0

//! Encoding the frames of one segment into a file.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use gst::prelude::*;

use super::conversion;
use crate::{
    error::Error,
    media::{
        colour::{Colour, is_rgb},
        encoder::Encoder,
        interrupt, muxer,
        pipeline::{End, Pipeline},
        watchdog,
    },
};

/// Capacity of the queue before the encoder, in frames.
const QUEUE_CAPACITY: u64 = 4;

/// How long to sleep while the queue is full.
const FULL_QUEUE_SLEEP: Duration = Duration::from_millis(2);

/// The least duration of a frame. One that is 0 in the units of the file would make readers leave out the last frame.
const LEAST_DURATION: gst::ClockTime = gst::ClockTime::from_mseconds(1);

pub struct SegmentWriter {
    pipeline: Pipeline,
    input: gst_app::AppSrc,
    path: PathBuf,
    /// Stream time of the first frame in nanoseconds, which becomes 0 in the file.
    from: u64,
    /// The least time in the file that the next frame may have. Encoders want frames of one time in order as well.
    next: u64,
}

impl SegmentWriter {
    /// Creates a file for frames with these caps, of a video of this colour.
    ///
    /// # Errors
    /// [`Error::Unwritable`] with the error of an element.
    pub fn create(
        path: &Path,
        caps: &gst::CapsRef,
        encoder: &Encoder,
        colour: Colour,
        from: u64,
    ) -> Result<Self, Error> {
        let unwritable = |reason: &dyn ToString| Error::unwritable(path, reason.to_string());
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| unwritable(&error))?;
        let input = gst_app::AppSrc::builder()
            .caps(&caps.to_owned())
            .format(gst::Format::Time)
            .build();
        let coded = encoder.coded_format(&info);
        let colour = match is_rgb(info.format()) {
            false => colour,
            true => colour.made_from_rgb(coded.format != coded.told, info.width(), info.height()),
        };
        let mux = muxer::create("mp4mux")?;
        let file = gst::ElementFactory::make("filesink")
            .property("location", path)
            .property("async", false)
            .build()?;
        let mut chain = vec![input.clone().upcast()];
        chain.extend(conversion::elements(&info, coded, &colour)?);
        chain.extend(encoder.elements(Some((coded.told, colour)))?);
        if let Some(coded) = chain.last().and_then(|last| last.static_pad("src")) {
            complete_durations(&coded);
        }
        chain.extend([mux, file]);
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&chain)?;
        gst::Element::link_many(&chain)?;
        let pipeline = Pipeline::start(pipeline).map_err(|end| error(path, end))?;
        Ok(Self {
            pipeline,
            input,
            path: path.to_owned(),
            from,
            next: 0,
        })
    }

    /// Encodes a frame whose stream time is `time`, in nanoseconds. Blocks while the queue before the encoder is full.
    ///
    /// # Errors
    /// As [`SegmentWriter::create`]; [`Error::Interrupted`].
    pub fn write(&mut self, frame: &gst::BufferRef, time: u64) -> Result<(), Error> {
        let mut frame = frame.copy();
        if let Some(frame) = frame.get_mut() {
            let time = time.saturating_sub(self.from).max(self.next);
            self.next = time + 1;
            frame.set_pts(gst::ClockTime::from_nseconds(time));
            frame.set_dts(gst::ClockTime::NONE);
        }
        let _wait = watchdog::wait();
        while self.input.current_level_buffers() >= QUEUE_CAPACITY {
            interrupt::check()?;
            if let Some(end) = self.pipeline.poll_end() {
                return Err(error(&self.path, end));
            }
            thread::sleep(FULL_QUEUE_SLEEP);
        }
        match self.input.push_buffer(frame) {
            Ok(_) => Ok(()),
            Err(flow) => Err(error(
                &self.path,
                self.pipeline.poll_end().unwrap_or(End::Failed(flow.to_string())),
            )),
        }
    }

    /// Blocks until the file is complete.
    ///
    /// # Errors
    /// As [`SegmentWriter::write`].
    pub fn finish(self) -> Result<(), Error> {
        if let Err(flow) = self.input.end_of_stream() {
            let end = self.pipeline.poll_end().unwrap_or(End::Failed(flow.to_string()));
            return Err(error(&self.path, end));
        }
        match self.pipeline.wait_end()? {
            End::Eos => Ok(()),
            end => Err(error(&self.path, end)),
        }
    }
}

/// Gives frames a duration that have none: decoders and parsers state none where the file has no frame rate that they take for one. Only that of the last
/// frame gets into the file, since the others last until the next.
fn complete_durations(coded: &gst::Pad) {
    coded.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        if let Some(frame) = info.buffer_mut()
            && frame.duration() < Some(LEAST_DURATION)
        {
            frame.make_mut().set_duration(LEAST_DURATION);
        }
        gst::PadProbeReturn::Ok
    });
}

fn error(path: &Path, end: End) -> Error {
    match end {
        End::Eos => Error::unwritable(path, "the encoder ended early"),
        End::Failed(reason) => Error::unwritable(path, reason),
        End::MissingPlugin(missing) => Error::unwritable(path, missing.to_string()),
    }
}
