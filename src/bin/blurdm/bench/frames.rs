// SPDX-License-Identifier: MPL-2.0

//! Frames out of pipelines, and when they came.

use std::{path::Path, time::Instant};

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
        let running = Running::start(pipeline).map_err(|end| broken(end, path))?;
        Ok((source, Self { running, sink }))
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

    /// Times of arrival of all frames, and what `each` keeps of them.
    ///
    /// # Errors
    /// As [`Frames::next`].
    pub fn drain(&self, path: &Path, mut each: impl FnMut(&gst::Sample)) -> Result<Vec<Instant>, Error> {
        let mut arrivals = Vec::new();
        while let Some(sample) = self.next(path)? {
            arrivals.push(Instant::now());
            each(&sample);
        }
        Ok(arrivals)
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
