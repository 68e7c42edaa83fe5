// SPDX-License-Identifier: MPL-2.0

//! Frames of one segment into a file of their own.

use std::{path::Path, thread, time::Duration};

use gst::prelude::*;

use super::{
    Error,
    bus::{End, Running},
    encoder::Encoder,
    interrupt,
};

/// Frames that may wait for the encoder.
const WAITING: u64 = 4;

/// How long to look away while it has enough.
const PATIENCE: Duration = Duration::from_millis(2);

pub struct Writer {
    running: Running,
    frames: gst_app::AppSrc,
    path: std::path::PathBuf,
    /// Stream time of the first frame in ns, which is 0 in the file.
    from: u64,
}

impl Writer {
    /// Begins a file of frames that have `caps`.
    ///
    /// # Errors
    /// [`Error::Unwritable`] with what an element says against it.
    pub fn create(path: &Path, caps: &gst::CapsRef, encoder: &Encoder, from: u64) -> Result<Self, Error> {
        let unwritable = |reason: &dyn ToString| Error::unwritable(path, reason.to_string());
        let info = gst_video::VideoInfo::from_caps(caps).map_err(|error| unwritable(&error))?;
        let frames = gst_app::AppSrc::builder()
            .caps(&caps.to_owned())
            .format(gst::Format::Time)
            .build();
        let format = gst::Caps::builder("video/x-raw")
            .field("format", encoder.format(info.format()).to_str())
            .build();
        let convert = gst::ElementFactory::make("videoconvert").build()?;
        let filter = gst::ElementFactory::make("capsfilter")
            .property("caps", format)
            .build()?;
        let mux = gst::ElementFactory::make("mp4mux").build()?;
        let file = gst::ElementFactory::make("filesink")
            .property("location", path)
            .property("async", false)
            .build()?;
        let mut chain = vec![frames.clone().upcast(), convert, filter];
        chain.extend(encoder.elements()?);
        chain.extend([mux, file]);
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&chain)?;
        gst::Element::link_many(&chain)?;
        let running = Running::start(pipeline).map_err(|end| failed(path, end))?;
        Ok(Self {
            running,
            frames,
            path: path.to_owned(),
            from,
        })
    }

    /// Takes a frame that is shown at `time`, stream time in ns.
    ///
    /// # Errors
    /// As [`Writer::create`]; [`Error::Interrupted`].
    pub fn write(&self, frame: &gst::BufferRef, time: u64) -> Result<(), Error> {
        let mut frame = frame.copy();
        if let Some(frame) = frame.get_mut() {
            let time = gst::ClockTime::from_nseconds(time.saturating_sub(self.from));
            frame.set_pts(time);
            frame.set_dts(gst::ClockTime::NONE);
        }
        while self.frames.current_level_buffers() >= WAITING {
            interrupt::check()?;
            if let Some(end) = self.running.ended_now() {
                return Err(failed(&self.path, end));
            }
            thread::sleep(PATIENCE);
        }
        match self.frames.push_buffer(frame) {
            Ok(_) => Ok(()),
            Err(flow) => Err(failed(
                &self.path,
                self.running.ended_now().unwrap_or(End::Failed(flow.to_string())),
            )),
        }
    }

    /// Waits until the file is complete.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn finish(self) -> Result<(), Error> {
        if let Err(flow) = self.frames.end_of_stream() {
            let end = self.running.ended_now().unwrap_or(End::Failed(flow.to_string()));
            return Err(failed(&self.path, end));
        }
        match self.running.wait()? {
            End::Eos => Ok(()),
            end => Err(failed(&self.path, end)),
        }
    }
}

fn failed(path: &Path, end: End) -> Error {
    match end {
        End::Eos => Error::unwritable(path, "the encoder ended early"),
        End::Failed(reason) => Error::unwritable(path, reason),
        End::Missing(missing) => Error::unwritable(path, missing.to_string()),
    }
}
