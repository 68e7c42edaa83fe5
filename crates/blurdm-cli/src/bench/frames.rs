// SPDX-License-Identifier: MPL-2.0

//! Frames out of pipelines, and when they came.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use gst::prelude::*;

use crate::restore::{
    Error,
    bus::{End, Running},
};

/// Part of a file, in ns of stream time.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

/// A pipeline that ends in frames.
pub struct Frames {
    running: Running,
    sink: gst_app::AppSink,
    entries: Entries,
}

/// When frames went into what is measured.
#[derive(Debug, Clone, Default)]
struct Entries(Arc<Mutex<Vec<Instant>>>);

impl Entries {
    /// Of those that go into `element`, from the last flush on.
    fn of(element: Option<&gst::Element>) -> Self {
        let entries = Self::default();
        if let Some(pad) = element.and_then(|element| element.static_pad("sink")) {
            let noted = entries.clone();
            let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
            pad.add_probe(what, move |_, info| {
                match &info.data {
                    Some(gst::PadProbeData::Buffer(_)) => noted.with(|entries| entries.push(Instant::now())),
                    _ => noted.with(Vec::clear),
                }
                gst::PadProbeReturn::Ok
            });
        }
        entries
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Instant>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When frames went in and came out.
#[derive(Debug)]
pub struct Times {
    entries: Vec<Instant>,
    arrivals: Vec<Instant>,
}

impl Times {
    pub fn frames(&self) -> usize {
        self.arrivals.len()
    }

    /// Frames per second, from the time when frame number `skipped` went in until the last one had come out: an encoder that looks ahead
    /// gives nothing for a while, and then much at once. None where no frame is left to count.
    pub fn fps(&self, skipped: usize) -> Option<f64> {
        let last = self.arrivals.last()?;
        let (first, frames) = match self.entries.get(skipped) {
            Some(first) => (first, self.frames().checked_sub(skipped)?),
            // They come from where nothing is seen of them.
            None => (self.arrivals.get(skipped)?, self.frames().checked_sub(skipped + 1)?),
        };
        (frames > 0).then(|| frames as f64 / (*last - *first).as_secs_f64().max(1e-9))
    }
}

/// Frames that may wait between two threads.
const WAITING: u32 = 3;

/// A queue between two stages, which then have threads of their own, as in `blurdm restore`.
pub fn queue() -> Result<gst::Element, gst::glib::BoolError> {
    gst::ElementFactory::make("queue")
        .property("max-size-buffers", WAITING)
        .property("max-size-bytes", 0_u32)
        .property("max-size-time", 0_u64)
        .build()
}

pub fn sink() -> gst_app::AppSink {
    gst_app::AppSink::builder().sync(false).max_buffers(WAITING).build()
}

impl Frames {
    /// The decoded video of a part of a file, through `chain`.
    ///
    /// # Errors
    /// A file that cannot be read or decoded, or gone to a part of.
    pub fn of_file(path: &Path, span: Span, chain: &[gst::Element]) -> Result<Self, Error> {
        let file = gst::ElementFactory::make("filesrc")
            .property("location", path)
            .build()?;
        let decode = gst::ElementFactory::make("decodebin").build()?;
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
            // A second video of the file, or one that does not link, is not what is measured; the pipeline then says so itself.
            if let Some(entry) = entry.as_ref().filter(|entry| is_video && !entry.is_linked()) {
                pad.link(entry).ok();
            }
        });
        let frames = Self {
            running: Running::new(pipeline),
            sink,
            entries: Entries::of(chain.first()),
        };
        frames.reach(gst::State::Paused, path)?;
        let sought = frames.running.pipeline.seek(
            1.0,
            gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE,
            gst::SeekType::Set,
            gst::ClockTime::from_nseconds(span.from),
            gst::SeekType::Set,
            gst::ClockTime::from_nseconds(span.to),
        );
        sought.map_err(|_| Error::unreadable(path, "it cannot be gone to a part of"))?;
        frames.settle(path)?;
        frames.reach(gst::State::Playing, path)?;
        Ok(frames)
    }

    /// What comes out of `chain` for frames that are pushed into the source.
    ///
    /// # Errors
    /// An element that fails.
    pub fn of_source(caps: &gst::Caps, chain: &[gst::Element], path: &Path) -> Result<(gst_app::AppSrc, Self), Error> {
        let source = gst_app::AppSrc::builder()
            .caps(caps)
            .format(gst::Format::Time)
            .block(true)
            .max_buffers(WAITING.into())
            .build();
        let sink = sink();
        let mut all = vec![source.clone().upcast()];
        all.extend_from_slice(chain);
        all.push(sink.clone().upcast());
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&all)?;
        gst::Element::link_many(&all)?;
        let entries = Entries::of(chain.first());
        let running = Running::start(pipeline).map_err(|end| broken(end, path))?;
        Ok((source, Self { running, sink, entries }))
    }

    /// The next frame; `None` after the last.
    ///
    /// # Errors
    /// What an element has failed for.
    pub fn next(&self, path: &Path) -> Result<Option<gst::Sample>, Error> {
        match self.sink.pull_sample() {
            Ok(sample) => Ok(Some(sample)),
            Err(_) => match self.running.ended_now() {
                Some(End::Eos) | None => Ok(None),
                Some(end) => Err(broken(end, path)),
            },
        }
    }

    /// When all frames went in and came out, and what `each` keeps of them.
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
            entries: self.entries.with(|entries| entries.clone()),
            arrivals,
        })
    }

    /// What runs the model, as far as it has been said.
    pub fn provider(&self) -> String {
        self.running.ended_now();
        self.running.provider()
    }

    fn reach(&self, state: gst::State, path: &Path) -> Result<(), Error> {
        self.running.change(state).map_err(|end| broken(end, path))?;
        self.settle(path)
    }

    fn settle(&self, path: &Path) -> Result<(), Error> {
        match self.running.settle()? {
            None | Some(End::Eos) => Ok(()),
            Some(end) => Err(broken(end, path)),
        }
    }
}

fn broken(end: End, path: &Path) -> Error {
    match end.reading(path) {
        Ok(()) => Error::unreadable(path, "its video ended early"),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_encoder_that_looks_ahead_is_not_faster_for_it() {
        let began = Instant::now();
        let at = |milliseconds| began + Duration::from_millis(milliseconds);
        // A frame every 50 ms, the first of which comes out when 40 have gone in; those that are left at the end come every 20 ms.
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
    fn frames_that_are_seen_only_where_they_come_out_are_counted_there() {
        let began = Instant::now();
        let times = Times {
            entries: Vec::new(),
            arrivals: (0..11)
                .map(|frame| began + Duration::from_millis(100 * frame))
                .collect(),
        };
        assert_eq!(times.fps(1), Some(10.0));
        assert_eq!(times.fps(10), None);
    }
}
