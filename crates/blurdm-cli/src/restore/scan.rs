// SPDX-License-Identifier: MPL-2.0

//! What is in a file, found out by reading it through without decoding: how many frames there are, when, and where decoding can begin.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gst::prelude::*;

use mp4_splice::Movie;

use super::{
    Error,
    bus::Running,
    matroska,
    source::{self, Stream},
};

/// A frame of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coded {
    /// Stream time in ns: what a player shows as its time.
    pub time: u64,
    /// In ns, where the file tells it.
    pub duration: Option<u64>,
    /// Whether decoding can begin here.
    pub key: bool,
}

#[derive(Debug)]
pub struct Scan {
    pub path: PathBuf,
    /// Which of the streams that are pictures is restored: the first.
    pub video: usize,
    /// The caps of its coded form.
    pub coded: gst::Caps,
    /// By time.
    pub frames: Vec<Coded>,
    /// Running time of the first frame less its stream time, in ns: recordings of broadcasts begin at some time of the day.
    pub shift: i64,
    /// How many streams there are of any kind.
    pub streams: usize,
    /// How many more streams that are pictures there are.
    pub more_videos: usize,
    /// What went wrong after the first frames, in the words of the element.
    pub damage: Option<String>,
}

/// As it grows, in the streaming thread.
#[derive(Debug, Default)]
struct Found {
    coded: Option<gst::Caps>,
    frames: Vec<Coded>,
    shift: Option<i64>,
    streams: usize,
    videos: usize,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

impl Scan {
    /// Reads `path` through.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::NoVideo`], [`Error::Missing`] where no frame could be found; [`Error::Interrupted`].
    pub fn of(path: &Path) -> Result<Self, Error> {
        let found = Arc::new(Mutex::new(Found::default()));
        let growing = found.clone();
        let watched = move |_: &gst::Pipeline, pad: &gst::Pad, stream, caps: &gst::Caps| {
            lock(&growing).streams += 1;
            if let Stream::Pictures(number) = stream {
                lock(&growing).videos += 1;
                if number == 0 {
                    lock(&growing).coded = Some(caps.clone());
                    watch(pad, growing.clone());
                }
            }
        };
        let pipeline = source::taken_apart(path, watched)?;
        let (end, missed) = match Running::start(pipeline) {
            Ok(running) => (running.wait()?, running.missed_video()),
            Err(end) => (end, None),
        };
        let mut found = lock(&found);
        let frames = {
            let mut frames = std::mem::take(&mut found.frames);
            frames.sort_unstable();
            frames
        };
        let Some(coded) = found.coded.take().filter(|_| !frames.is_empty()) else {
            end.reading(path)?;
            // Other streams can be read to their end where nothing here decodes the video.
            missed.map_or(Ok(()), |missed| missed.reading(path))?;
            return Err(Error::NoVideo { path: path.to_owned() });
        };
        let damage = end.reading(path).err().map(|error| error.to_string());
        Ok(Self {
            path: path.to_owned(),
            video: 0,
            coded,
            frames,
            shift: found.shift.unwrap_or(0),
            streams: found.streams,
            more_videos: found.videos - 1,
            damage: damage.or_else(|| cut_off(path)),
        })
    }

    /// When the last frame ends, in ns.
    pub fn length(&self) -> u64 {
        let last = self.frames.last();
        last.map_or(0, |frame| frame.time + frame.duration.unwrap_or(0))
    }

    /// The coded form, as "video/x-h264".
    pub fn codec(&self) -> &str {
        self.coded.structure(0).map_or("", |first| first.name().as_str())
    }
}

/// Demuxers end without a word where the file does.
fn cut_off(path: &Path) -> Option<String> {
    match Movie::open(path) {
        Err(error @ mp4_splice::Error::Truncated { .. }) => Some(error.to_string()),
        _ => matroska::missing_bytes(path)
            .map(|missing| format!("'{}' is cut off: it lacks {missing} bytes at its end", path.display())),
    }
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes every frame that passes.
fn watch(pad: &gst::Pad, found: Arc<Mutex<Found>>) {
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(what, move |_, info| {
        if let Some(buffer) = info.buffer() {
            lock(&found).note(buffer);
        } else if let Some(gst::EventView::Segment(event)) = info.event().map(|event| event.view()) {
            lock(&found).segment = event.segment().clone().downcast().ok();
        } else if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) {
            lock(&found).coded.get_or_insert_with(|| event.caps_owned());
        }
        gst::PadProbeReturn::Ok
    });
}

impl Found {
    /// Frames that are outside of what is to be shown are decoded by nobody. A file that tells no time of a frame (some AVI files) tells it of
    /// the next, and of how long one lasts.
    fn note(&mut self, buffer: &gst::BufferRef) {
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
            self.frames.push(Coded {
                time: time.nseconds(),
                duration: duration.map(gst::ClockTime::nseconds),
                key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            });
        }
    }
}
