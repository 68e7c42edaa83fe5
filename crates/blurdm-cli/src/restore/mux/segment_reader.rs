// SPDX-License-Identifier: MPL-2.0

//! Reading the coded frames of finished segments.

use std::{
    path::{Path, PathBuf},
    slice,
};

use gst::prelude::*;

use crate::{
    error::Error,
    media::{
        CAT,
        interrupt::{self, POLL_INTERVAL},
        pipeline::{End, Pipeline},
        watchdog,
    },
};

/// The coded frames of all segments, with their presentation times in the output.
pub struct SegmentFrames<'a> {
    remaining: slice::Iter<'a, PathBuf>,
    times: slice::Iter<'a, u64>,
    /// What is subtracted from the times.
    offset: i64,
    current: Option<SegmentReader>,
    caps: gst::Caps,
}

impl<'a> SegmentFrames<'a> {
    /// Opens the first segment. `times` are the stream times of all frames in the original, in nanoseconds; `offset` is what is
    /// subtracted from them.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Interrupted`].
    pub fn open(segments: &'a [PathBuf], times: &'a [u64], offset: i64) -> Result<Self, Error> {
        let mut remaining = segments.iter();
        let first = remaining
            .next()
            .ok_or_else(|| Error::Failed("there are no frames".into()))?;
        let current = SegmentReader::open(first)?;
        let caps = current.caps()?;
        Ok(Self {
            remaining,
            times: times.iter(),
            offset,
            current: Some(current),
            caps,
        })
    }

    pub fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    fn next_frame(&mut self) -> Result<Option<gst::Buffer>, Error> {
        while let Some(reader) = &self.current {
            if let Some(frame) = reader.next()? {
                return self.timed(frame).map(Some);
            }
            self.current = self
                .remaining
                .next()
                .map(|path| SegmentReader::open(path))
                .transpose()?;
        }
        Ok(None)
    }

    fn timed(&mut self, mut frame: gst::Buffer) -> Result<gst::Buffer, Error> {
        let Some(&time) = self.times.next() else {
            return Err(Error::Failed("a segment has more frames than its record".into()));
        };
        let next = self.times.as_slice().first();
        let duration = next.map(|next| gst::ClockTime::from_nseconds(next.saturating_sub(time)));
        let time = gst::ClockTime::from_nseconds(time.saturating_add_signed(-self.offset));
        let buffer = frame.make_mut();
        buffer.set_pts(time);
        // The encoders do not reorder.
        buffer.set_dts(time);
        if duration.is_some() {
            buffer.set_duration(duration);
        }
        Ok(frame)
    }
}

impl Iterator for SegmentFrames<'_> {
    type Item = Result<gst::Buffer, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

/// The coded frames of one segment.
struct SegmentReader {
    pipeline: Pipeline,
    output: gst_app::AppSink,
    path: PathBuf,
}

impl SegmentReader {
    fn open(path: &Path) -> Result<Self, Error> {
        let file = gst::ElementFactory::make("filesrc")
            .property("location", path)
            .build()?;
        let demuxer = gst::ElementFactory::make("qtdemux").build()?;
        let output = gst_app::AppSink::builder().sync(false).max_buffers(8).build();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&file, &demuxer, output.upcast_ref()])?;
        file.link(&demuxer)?;
        let sink = output.static_pad("sink");
        demuxer.connect_pad_added(move |_, pad| {
            if sink.as_ref().is_none_or(|sink| pad.link(sink).is_err()) {
                gst::error!(CAT, obj = pad, "a segment has more than one stream");
            }
        });
        let pipeline = Pipeline::start(pipeline).map_err(|end| unreadable(path, end))?;
        Ok(Self {
            pipeline,
            output,
            path: path.to_owned(),
        })
    }

    fn caps(&self) -> Result<gst::Caps, Error> {
        if let Some(end) = self.pipeline.wait_state_change()? {
            return Err(unreadable(&self.path, end));
        }
        let caps = self.output.static_pad("sink").and_then(|pad| pad.current_caps());
        caps.ok_or_else(|| Error::unreadable(&self.path, "it has no frames"))
    }

    fn next(&self) -> Result<Option<gst::Buffer>, Error> {
        let _wait = watchdog::wait();
        loop {
            interrupt::check()?;
            if let Some(sample) = self.output.try_pull_sample(POLL_INTERVAL) {
                return Ok(sample.buffer_owned());
            }
            if self.output.is_eos() {
                return Ok(None);
            }
            if let Some(end) = self.pipeline.poll_end() {
                return Err(unreadable(&self.path, end));
            }
        }
    }
}

fn unreadable(path: &Path, end: End) -> Error {
    let ended = || Error::unreadable(path, "it ended before its first frame");
    end.into_read_result(path).err().unwrap_or_else(ended)
}
