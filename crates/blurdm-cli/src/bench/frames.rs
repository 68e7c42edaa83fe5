// SPDX-License-Identifier: MPL-2.0

//! Pipelines that end in an application sink, and the times at which frames entered and left them.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
};

use gst::prelude::*;

use crate::{
    error::Error,
    media::{
        demuxer,
        interrupt::POLL_INTERVAL,
        pipeline::{End, Pipeline},
        watchdog,
    },
    sync::lock,
};

/// A part of a file, in nanoseconds of stream time.
#[derive(Debug, Clone, Copy)]
pub struct TimeRange {
    pub from: u64,
    pub to: u64,
}

/// A pipeline and the frames that it outputs.
pub struct Frames {
    pipeline: Pipeline,
    sink: gst_app::AppSink,
    entries: Entries,
}

/// The times at which frames entered what is measured.
#[derive(Debug, Clone, Default)]
struct Entries(Arc<Mutex<Vec<Instant>>>);

impl Entries {
    /// Records frames that enter `element`, from the last flush on.
    fn record(element: Option<&gst::Element>) -> Self {
        let entries = Self::default();
        if let Some(pad) = element.and_then(|element| element.static_pad("sink")) {
            let recorded = entries.clone();
            let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
            pad.add_probe(what, move |_, info| {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(_)) => lock(&recorded.0).push(Instant::now()),
                    _ => lock(&recorded.0).clear(),
                }
                gst::PadProbeReturn::Ok
            });
        }
        entries
    }
}

/// The times at which frames entered and left.
#[derive(Debug)]
pub struct Times {
    entries: Vec<Instant>,
    arrivals: Vec<Instant>,
}

impl Times {
    pub fn frames(&self) -> usize {
        self.arrivals.len()
    }

    /// Returns the frames per second, from the time at which frame number `skipped` entered to that at which the last one left. An encoder
    /// with lookahead outputs nothing for a while, and many frames at once at the end. `None` where no frame is left to count.
    pub fn fps(&self, skipped: usize) -> Option<f64> {
        let last = self.arrivals.last()?;
        let (first, frames) = match self.entries.get(skipped) {
            Some(first) => (first, self.frames().checked_sub(skipped)?),
            // Where entries are not recorded.
            None => (self.arrivals.get(skipped)?, self.frames().checked_sub(skipped + 1)?),
        };
        (frames > 0).then(|| frames as f64 / (*last - *first).as_secs_f64().max(1e-9))
    }
}

/// Capacity of the queue between two threads, in frames.
const QUEUE_CAPACITY: u32 = 3;

/// Creates a queue between two stages, so that each has its own thread, as in `blurdm restore`.
pub fn queue() -> Result<gst::Element, gst::glib::BoolError> {
    gst::ElementFactory::make("queue")
        .property("max-size-buffers", QUEUE_CAPACITY)
        .property("max-size-bytes", 0_u32)
        .property("max-size-time", 0_u64)
        .build()
}

pub fn sink() -> gst_app::AppSink {
    gst_app::AppSink::builder()
        .sync(false)
        .max_buffers(QUEUE_CAPACITY)
        .build()
}

impl Frames {
    /// Decodes a part of a file, and passes its video through `chain`.
    ///
    /// # Errors
    /// A file that cannot be read, decoded, or is not seekable.
    pub fn from_file(path: &Path, range: TimeRange, chain: &[gst::Element]) -> Result<Self, Error> {
        let file = gst::ElementFactory::make("filesrc")
            .property("location", path)
            .build()?;
        let decode = gst::ElementFactory::make("decodebin").build()?;
        demuxer::refuse_gif(&decode);
        let sink = sink();
        let mut after = vec![gst::ElementFactory::make("videoconvert").build()?, queue()?];
        after.extend_from_slice(chain);
        after.push(sink.clone().upcast());
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&file, &decode])?;
        pipeline.add_many(&after)?;
        file.link(&decode)?;
        gst::Element::link_many(&after)?;
        let entry = after.first().and_then(|first| first.static_pad("sink"));
        decode.connect_pad_added(move |_, pad| {
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let is_video = caps.structure(0).is_some_and(|caps| caps.name() == "video/x-raw");
            // Only the first video stream is measured. One that does not link is an error of the pipeline.
            if let Some(entry) = entry.as_ref().filter(|entry| is_video && !entry.is_linked()) {
                pad.link(entry).ok();
            }
        });
        let frames = Self {
            pipeline: Pipeline::new(pipeline),
            sink,
            entries: Entries::record(chain.first()),
        };
        frames.set_state(gst::State::Paused, path)?;
        let wait = watchdog::wait();
        let sought = frames.pipeline.inner.seek(
            1.0,
            gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE,
            gst::SeekType::Set,
            gst::ClockTime::from_nseconds(range.from),
            gst::SeekType::Set,
            gst::ClockTime::from_nseconds(range.to),
        );
        drop(wait);
        sought.map_err(|_| Error::unreadable(path, "it is not seekable"))?;
        frames.wait_state_change(path)?;
        frames.set_state(gst::State::Playing, path)?;
        Ok(frames)
    }

    /// Passes frames that are pushed into the returned source through `chain`.
    ///
    /// # Errors
    /// An element that fails.
    pub fn from_source(
        caps: &gst::Caps,
        chain: &[gst::Element],
        path: &Path,
    ) -> Result<(gst_app::AppSrc, Self), Error> {
        let source = gst_app::AppSrc::builder()
            .caps(caps)
            .format(gst::Format::Time)
            .block(true)
            .max_buffers(QUEUE_CAPACITY.into())
            .build();
        let sink = sink();
        let mut all = vec![source.clone().upcast()];
        all.extend_from_slice(chain);
        all.push(sink.clone().upcast());
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&all)?;
        gst::Element::link_many(&all)?;
        let entries = Entries::record(chain.first());
        let pipeline = Pipeline::start(pipeline).map_err(|end| error(end, path))?;
        Ok((
            source,
            Self {
                pipeline,
                sink,
                entries,
            },
        ))
    }

    /// Returns the next frame, and `None` after the last.
    ///
    /// # Errors
    /// The error of an element.
    pub fn next(&self, path: &Path) -> Result<Option<gst::Sample>, Error> {
        let _wait = watchdog::wait();
        loop {
            if let Some(sample) = self.sink.try_pull_sample(POLL_INTERVAL) {
                return Ok(Some(sample));
            }
            let is_eos = self.sink.is_eos();
            match self.pipeline.poll_end() {
                Some(End::Eos) | None if is_eos => return Ok(None),
                Some(End::Eos) | None => {}
                Some(end) => return Err(error(end, path)),
            }
        }
    }

    /// Calls `each` with all frames, and returns their times.
    ///
    /// # Errors
    /// As [`Frames::next`].
    pub fn drain(&self, path: &Path, mut each: impl FnMut(&gst::Sample)) -> Result<Times, Error> {
        let mut arrivals = Vec::new();
        while let Some(sample) = self.next(path)? {
            arrivals.push(Instant::now());
            each(&sample);
        }
        Ok(Times {
            entries: lock(&self.entries.0).clone(),
            arrivals,
        })
    }

    /// Returns execution provider and precision of the element. Empty where it has not posted them.
    pub fn provider(&self) -> String {
        self.pipeline.poll_end();
        self.pipeline.provider()
    }

    fn set_state(&self, state: gst::State, path: &Path) -> Result<(), Error> {
        self.pipeline.set_state(state).map_err(|end| error(end, path))?;
        self.wait_state_change(path)
    }

    fn wait_state_change(&self, path: &Path) -> Result<(), Error> {
        match self.pipeline.wait_state_change()? {
            None | Some(End::Eos) => Ok(()),
            Some(end) => Err(error(end, path)),
        }
    }
}

fn error(end: End, path: &Path) -> Error {
    match end.into_read_result(path) {
        Ok(()) => Error::unreadable(path, "its video ended early"),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_encoder_with_lookahead_is_not_counted_as_faster() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        // A frame enters every 50 ms. The first one leaves when 40 have entered, and those that remain at the end leave every 20 ms.
        let times = Times {
            entries: (0..100).map(|frame| at(50 * frame)).collect(),
            arrivals: (0..60)
                .map(|frame| at(50 * (frame + 40)))
                .chain((1..=40).map(|left| at(50 * 99 + 20 * left)))
                .collect(),
        };
        let fps = times.fps(10).unwrap_or_default();
        assert!((fps - 90.0 / (0.05 * 89.0 + 0.8)).abs() < 1e-9, "{fps}");
    }

    #[test]
    fn frames_whose_entries_are_not_recorded_are_counted_where_they_leave() {
        let start = Instant::now();
        let times = Times {
            entries: Vec::new(),
            arrivals: (0..11)
                .map(|frame| start + Duration::from_millis(100 * frame))
                .collect(),
        };
        assert_eq!(times.fps(1), Some(10.0));
        assert_eq!(times.fps(10), None);
    }
}
