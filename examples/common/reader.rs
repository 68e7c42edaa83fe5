// SPDX-License-Identifier: MPL-2.0

//! Reads the frames of a video file.

use std::{error::Error, path::Path};

use gst::prelude::*;
use gst_video::prelude::*;

use super::bus;

/// A frame, with the sample that it was read from for the next pipeline.
#[derive(Clone)]
pub struct Frame {
    pub sample: gst::Sample,
    pub width: usize,
    pub height: usize,
    /// RGBx without row padding.
    pub pixels: Vec<u8>,
}

impl Frame {
    pub fn new(sample: gst::Sample) -> Result<Self, Box<dyn Error>> {
        let (Some(caps), Some(buffer)) = (sample.caps(), sample.buffer()) else {
            return Err("a frame came without caps or without data".into());
        };
        let info = gst_video::VideoInfo::from_caps(caps)?;
        let pixels = unpadded(buffer, &info)?;
        Ok(Self {
            width: info.width() as usize,
            height: info.height() as usize,
            pixels,
            sample,
        })
    }
}

/// Returns the pixels of an RGBx buffer without row padding.
fn unpadded(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Result<Vec<u8>, Box<dyn Error>> {
    let picture = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info)?;
    let row = 4 * info.width() as usize;
    let stride = usize::try_from(picture.plane_stride().first().copied().unwrap_or(0))?;
    let rows = picture.plane_data(0)?.chunks(stride.max(row));
    let rows = rows.take(info.height() as usize).filter_map(|padded| padded.get(..row));
    Ok(rows.flatten().copied().collect())
}

/// Decodes the video of a file.
pub struct Reader {
    pipeline: gst::Pipeline,
    frames: gst_app::AppSink,
    name: String,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = path.display().to_string();
        if !path.is_file() {
            return Err(format!("there is no file '{name}'").into());
        }
        let pipeline = gst::parse::launch(
            "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=RGBx ! appsink name=frames sync=false max-buffers=2",
        )?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
        pipeline
            .by_name("file")
            .ok_or("no filesrc")?
            .set_property("location", &name);
        let frames = pipeline.by_name("frames").and_downcast().ok_or("no appsink")?;
        let reader = Self { pipeline, frames, name };
        bus::reach(&reader.pipeline, gst::State::Paused).map_err(|error| reader.context(error))?;
        Ok(reader)
    }

    /// Seeks to a time, or to the middle. Must be called before the first frame is read.
    pub fn seek(&self, to: Option<gst::ClockTime>) -> Result<(), Box<dyn Error>> {
        let middle = || {
            self.pipeline
                .query_duration::<gst::ClockTime>()
                .map(|duration| duration / 2)
        };
        let to = to
            .or_else(middle)
            .ok_or_else(|| self.context("its length is unknown"))?;
        self.pipeline
            .seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, to)
            .map_err(|_| self.context(format!("it cannot be sought to {to:.1}")).into())
    }

    /// Returns the next frame, or `None` after the last one.
    pub fn next(&self) -> Result<Option<Frame>, Box<dyn Error>> {
        self.pipeline.set_state(gst::State::Playing)?;
        match self.frames.pull_sample() {
            Ok(sample) => Frame::new(sample).map(Some),
            Err(_) => bus::error(&self.pipeline).map_or(Ok(None), |error| Err(self.context(error).into())),
        }
    }

    fn context(&self, reason: impl std::fmt::Display) -> String {
        format!("'{}' cannot be read: {reason}", self.name)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        bus::stop(&self.pipeline);
    }
}
