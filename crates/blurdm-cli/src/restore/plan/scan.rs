// SPDX-License-Identifier: MPL-2.0

//! The frames of a file, their times and sync points, found by demuxing it once without decoding.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use gst::prelude::*;

use mp4_splice::Movie;

use super::matroska;
use crate::{
    error::Error,
    media::{
        demuxer::{self, Stream},
        pipeline::Pipeline,
    },
    sync::lock,
};

/// A coded frame of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodedFrame {
    /// Stream time in nanoseconds.
    pub time: u64,
    /// In nanoseconds, where the file states it.
    pub duration: Option<u64>,
    /// Whether decoding can start here.
    pub sync: bool,
}

#[derive(Debug)]
pub struct Scan {
    pub path: PathBuf,
    /// Index of the video stream that is restored: the first.
    pub video: usize,
    /// The caps of the coded video.
    pub caps: gst::Caps,
    /// In ascending order of their times.
    pub frames: Vec<CodedFrame>,
    /// Running time of the first frame minus its stream time, in nanoseconds. Recordings of broadcasts start at a time of day.
    pub shift: i64,
    /// Number of all streams.
    pub streams: usize,
    /// The caps of all streams but the video that is restored.
    pub others: Vec<gst::Caps>,
    /// Number of further video streams.
    pub more_videos: usize,
    /// The error that ended reading after the first frames, or what is missing at the end.
    pub damage: Option<String>,
}

/// What the streaming thread has found.
#[derive(Debug, Default)]
struct Found {
    caps: Option<gst::Caps>,
    frames: Vec<CodedFrame>,
    shift: Option<i64>,
    streams: usize,
    others: Vec<gst::Caps>,
    videos: usize,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

impl Scan {
    /// Demuxes `path` from start to end.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::NoVideo`] and [`Error::MissingPlugin`] where no frame is found; [`Error::Interrupted`].
    pub fn run(path: &Path) -> Result<Self, Error> {
        let found = Arc::new(Mutex::new(Found::default()));
        let shared = found.clone();
        let on_stream = move |_: &gst::Pipeline, pad: &gst::Pad, stream, caps: &gst::Caps| {
            lock(&shared).streams += 1;
            if stream != Stream::Video(0) {
                lock(&shared).others.push(caps.clone());
            }
            if let Stream::Video(index) = stream {
                lock(&shared).videos += 1;
                if index == 0 {
                    lock(&shared).caps = Some(caps.clone());
                    add_probe(pad, shared.clone());
                }
            }
        };
        let pipeline = demuxer::pipeline(path, on_stream)?;
        let (end, missing) = match Pipeline::start(pipeline) {
            Ok(pipeline) => (pipeline.wait_end()?, pipeline.missing_for_video()),
            Err(end) => (end, None),
        };
        let mut found = lock(&found);
        let frames = {
            let mut frames = std::mem::take(&mut found.frames);
            frames.sort_unstable();
            frames
        };
        let Some(caps) = found.caps.take().filter(|_| !frames.is_empty()) else {
            end.into_read_result(path)?;
            // Without a parser for the video the other streams are still read to their end.
            missing.map_or(Ok(()), |missing| missing.into_read_result(path))?;
            return Err(Error::NoVideo { path: path.to_owned() });
        };
        let damage = end.into_read_result(path).err().map(|error| error.to_string());
        Ok(Self {
            path: path.to_owned(),
            video: 0,
            caps,
            frames,
            shift: found.shift.unwrap_or(0),
            streams: found.streams,
            others: std::mem::take(&mut found.others),
            more_videos: found.videos - 1,
            damage: damage.or_else(|| truncation(path)),
        })
    }

    /// Returns the end of the last frame in nanoseconds.
    pub fn length(&self) -> u64 {
        let last = self.frames.last();
        last.map_or(0, |frame| frame.time + frame.duration.unwrap_or(0))
    }

    /// Returns the media type of the video, as in "video/x-h264".
    pub fn media_type(&self) -> &str {
        self.caps.structure(0).map_or("", |first| first.name().as_str())
    }
}

/// Returns how a file is truncated, if it is. Demuxers end without an error where the file ends.
fn truncation(path: &Path) -> Option<String> {
    match Movie::open(path) {
        Err(error @ mp4_splice::Error::Truncated { .. }) => Some(error.to_string()),
        _ => matroska::missing_bytes(path)
            .map(|missing| format!("'{}' is cut off: it lacks {missing} bytes at its end", path.display())),
    }
}

/// Records every frame that passes a pad.
fn add_probe(pad: &gst::Pad, found: Arc<Mutex<Found>>) {
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(what, move |_, info| {
        if let Some(buffer) = info.buffer() {
            lock(&found).record(buffer);
        } else if let Some(gst::EventView::Segment(event)) = info.event().map(|event| event.view()) {
            lock(&found).segment = event.segment().clone().downcast().ok();
        } else if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) {
            lock(&found).caps.get_or_insert_with(|| event.caps_owned());
        }
        gst::PadProbeReturn::Ok
    });
}

impl Found {
    /// Records a frame, unless it is outside of the segment and so never presented. A frame without PTS (in some AVI files) has a DTS.
    fn record(&mut self, buffer: &gst::BufferRef) {
        let Some(segment) = &self.segment else { return };
        let duration = buffer.duration();
        let Some(time) = buffer.pts().or(buffer.dts()) else {
            return;
        };
        let Some((from, _)) = segment.clip(time, duration.map(|duration| time + duration)) else {
            return;
        };
        if let Some(time) = segment.to_stream_time(from) {
            let running = segment.to_running_time(from).map_or(time, |running| running);
            self.shift
                .get_or_insert(running.nseconds() as i64 - time.nseconds() as i64);
            self.frames.push(CodedFrame {
                time: time.nseconds(),
                duration: duration.map(gst::ClockTime::nseconds),
                sync: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            });
        }
    }
}
