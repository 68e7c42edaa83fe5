// SPDX-License-Identifier: MPL-2.0

//! Writes frames to an H.264 video file of high quality.

use std::{error::Error, path::Path};

use gst::prelude::*;

use super::bus;

pub struct Writer {
    pipeline: gst::Pipeline,
    frames: gst_app::AppSrc,
}

impl Writer {
    pub fn create(path: &Path, caps: &gst::CapsRef) -> Result<Self, Box<dyn Error>> {
        // Without B-frames, so that frames keep their order and their timestamps.
        let pipeline = gst::parse::launch(
            "appsrc name=frames format=time block=true max-buffers=4 ! videoconvert ! video/x-raw,format=I420 ! \
             x264enc pass=quant quantizer=12 bframes=0 ! h264parse ! mp4mux ! filesink name=file",
        )?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
        let file = pipeline.by_name("file").ok_or("no filesink")?;
        file.set_property("location", path.display().to_string());
        let frames: gst_app::AppSrc = pipeline.by_name("frames").and_downcast().ok_or("no appsrc")?;
        frames.set_caps(Some(&caps.to_owned()));
        let writer = Self { pipeline, frames };
        if let Err(failed) = writer.pipeline.set_state(gst::State::Playing) {
            return Err(writer.reason(failed));
        }
        Ok(writer)
    }

    pub fn write(&self, buffer: gst::Buffer) -> Result<(), Box<dyn Error>> {
        let pushed = self.frames.push_buffer(buffer);
        pushed.map(|_| ()).map_err(|failed| self.reason(failed))
    }

    /// Blocks until the file is complete.
    pub fn finish(self) -> Result<(), Box<dyn Error>> {
        self.frames.end_of_stream().map_err(|failed| self.reason(failed))?;
        let bus = self.pipeline.bus().ok_or("no bus")?;
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let last = bus.timed_pop_filtered(gst::ClockTime::NONE, &ends);
        match last.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(error.error().to_string().into()),
            _ => Ok(()),
        }
    }

    fn reason(&self, failed: impl std::fmt::Display) -> Box<dyn Error> {
        bus::error(&self.pipeline)
            .unwrap_or_else(|| format!("the file cannot be written: {failed}"))
            .into()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        bus::stop(&self.pipeline);
    }
}
