// SPDX-License-Identifier: MPL-2.0

//! Finished segments and the other streams of the original into a new file, by GStreamer's own demuxers and muxers: for containers that
//! [`mp4_splice`] does not splice, and for a part of a file. Streams are copied, not encoded again.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use gst::prelude::*;

use super::{
    CAT, Error,
    bus::{End, Running},
    interrupt,
    scan::Scan,
    source::{self, Stream},
    text,
};

/// What of one stream may wait until the muxer has come to it: sparse streams hold up none of the others so long.
const WAITING_BYTES: u32 = 64 << 20;

/// Coded frames that may wait for the muxer.
const WAITING: u64 = 32;

/// How long to look away while it has enough.
const PATIENCE: Duration = Duration::from_millis(2);

/// How long an interruption may go unseen.
const GLANCE: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// The muxer for a file of this name; Matroska holds most.
pub fn muxer(output: &Path) -> &'static str {
    let extension = output.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("mp4" | "m4v") => "mp4mux",
        Some("mov") => "qtmux",
        _ => "matroskamux",
    }
}

/// Which part of the original's other streams is wanted: stream times in ns.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub from: u64,
    pub to: Option<u64>,
}

/// What goes into a new file.
pub struct Remuxed<'a> {
    pub scan: &'a Scan,
    /// Files of finished segments, in their order.
    pub segments: &'a [PathBuf],
    /// When their frames are shown: stream times of the original in ns, of all segments.
    pub times: &'a [u64],
    /// What is wanted of the other streams; the new file begins with it.
    pub part: Option<Part>,
    /// Names and texts to add.
    pub tags: &'a [(&'a str, &'a str)],
}

/// What is found out of the original while its streams are linked.
#[derive(Debug, Default)]
struct Known {
    /// Streams for which the muxer has no place.
    lost: Vec<String>,
    /// Of the video.
    tags: Option<gst::TagList>,
    /// Streams linked or lost by now.
    streams: usize,
}

impl Remuxed<'_> {
    /// Writes `output`. Returns what the container cannot keep.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Unreadable`], [`Error::Interrupted`].
    pub fn write(&self, output: &Path, muxer: &str) -> Result<Vec<String>, Error> {
        let mux = gst::ElementFactory::make(muxer).build()?;
        let file = gst::ElementFactory::make("filesink")
            .property("location", output)
            .build()?;
        add_tags(&mux, self.tags);
        let known = Arc::new(Mutex::new(Known::default()));
        let pipeline = self.pipeline(&mux, &known)?;
        pipeline.add_many([&mux, &file])?;
        mux.link(&file)?;
        let running = Running::new(pipeline);
        let frames = Segments::open(self.segments, self.times, self.times_ahead())?;
        let input = feed(&running.pipeline, &mux, frames.caps())?;
        let unwritable = |end: End| match end {
            End::Eos => Error::unwritable(output, "the muxer ended early"),
            End::Failed(reason) => Error::unwritable(output, reason),
            End::Missing(missing) => Error::unwritable(output, missing.to_string()),
        };
        running.change(gst::State::Playing).map_err(unwritable)?;
        // Muxers write their header with the first frame, of the streams that there are then.
        wait(&running, || lock(&known).streams >= self.scan.streams).map_err(unwritable)?;
        let tags = lock(&known).tags.take();
        if let Some(tags) = tags {
            input.send_event(gst::event::Tag::new(tags));
        }
        for frame in frames {
            let frame = frame?;
            wait(&running, || input.current_level_buffers() < WAITING).map_err(unwritable)?;
            interrupt::check()?;
            input
                .push_buffer(frame)
                .map_err(|flow| unwritable(running.ended_now().unwrap_or(End::Failed(flow.to_string()))))?;
        }
        input
            .end_of_stream()
            .map_err(|flow| unwritable(End::Failed(flow.to_string())))?;
        match running.wait()? {
            End::Eos => Ok(std::mem::take(&mut lock(&known).lost)),
            end => Err(unwritable(end)),
        }
    }

    /// How much later than in the output a frame is shown in the original, by stream time, in ns.
    fn times_ahead(&self) -> i64 {
        match self.part {
            Some(part) => i64::try_from(part.from).unwrap_or(i64::MAX),
            None => -self.scan.shift,
        }
    }

    /// The original's streams, on their way into the muxer.
    fn pipeline(&self, mux: &gst::Element, known: &Arc<Mutex<Known>>) -> Result<gst::Pipeline, gst::glib::BoolError> {
        let (video, part) = (self.scan.video, self.part);
        let later = self.times_ahead() + self.scan.shift;
        let (mux, known) = (mux.downgrade(), known.clone());
        let found = move |pipeline: &gst::Pipeline, pad: &gst::Pad, stream, caps: &gst::Caps| {
            if stream == Stream::Pictures(video) {
                keep_tags(pad, known.clone());
            } else {
                if let Some(part) = part {
                    cut(pad, part, later);
                }
                if let Some(mux) = mux.upgrade()
                    && let Err(why) = copy(pipeline, pad, caps, &mux)
                {
                    gst::info!(CAT, obj = pad, "{why}");
                    lock(&known).lost.push(described(caps));
                }
            }
            lock(&known).streams += 1;
        };
        source::taken_apart(&self.scan.path, found)
    }
}

/// Looks away until something is so, or the pipeline has ended, or somebody asks to stop.
fn wait(running: &Running, is_so: impl Fn() -> bool) -> Result<(), End> {
    while !is_so() && !interrupt::asked() {
        if let Some(end) = running.ended_now() {
            return Err(end);
        }
        thread::sleep(PATIENCE);
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream as people call it.
fn described(caps: &gst::Caps) -> String {
    let name = caps.structure(0).map_or("unknown", |first| first.name().as_str());
    format!("a stream of {name}")
}

fn add_tags(mux: &gst::Element, tags: &[(&str, &str)]) {
    if let Some(setter) = mux.dynamic_cast_ref::<gst::TagSetter>() {
        for (name, value) in tags {
            let text = format!("{name}={value}");
            setter.add_tag::<gst::tags::ExtendedComment>(&text.as_str(), gst::TagMergeMode::Append);
        }
    }
}

/// Copies a stream into the muxer, if that has a place for it.
fn copy(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::Caps,
    mux: &gst::Element,
) -> Result<(), gst::glib::BoolError> {
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", WAITING_BYTES)
        .property("max-size-time", 0u64)
        .build()?;
    let text = text::as_it_was(caps)?;
    let place = match &text {
        Some((_, plain)) => place_for(mux, plain),
        None => mux.compatible_pad(pad, None),
    };
    let place = place.ok_or_else(|| gst::glib::bool_error!("the muxer has no place for it"))?;
    let chain: Vec<gst::Element> = text.into_iter().map(|(setter, _)| setter).chain([queue]).collect();
    pipeline.add_many(&chain)?;
    let linked = link(pad, &chain, &place);
    if linked.is_err() {
        mux.release_request_pad(&place);
        for element in &chain {
            element.set_state(gst::State::Null).ok();
        }
        pipeline.remove_many(&chain)?;
    }
    linked
}

fn link(pad: &gst::Pad, chain: &[gst::Element], place: &gst::Pad) -> Result<(), gst::glib::BoolError> {
    gst::Element::link_many(chain)?;
    let first = chain.first().and_then(|first| first.static_pad("sink"));
    let last = chain.last().and_then(|last| last.static_pad("src"));
    let (Some(first), Some(last)) = (first, last) else {
        return Err(gst::glib::bool_error!("a queue has no pads"));
    };
    let refused = |refused| gst::glib::bool_error!("{refused}");
    last.link(place).map_err(refused)?;
    pad.link(&first).map_err(refused)?;
    chain.iter().try_for_each(|element| element.sync_state_with_parent())
}

fn place_for(mux: &gst::Element, caps: &gst::Caps) -> Option<gst::Pad> {
    let templates = mux.pad_template_list();
    let fits = |template: &&gst::PadTemplate| {
        template.direction() == gst::PadDirection::Sink && template.caps().can_intersect(caps)
    };
    mux.request_pad(templates.iter().find(fits)?, None, None)
}

/// Collects what is said of the original's video, such as how the camera was held.
fn keep_tags(pad: &gst::Pad, known: Arc<Mutex<Known>>) {
    let collect = move |event: &gst::EventRef| {
        if let gst::EventView::Tag(event) = event.view() {
            let mut known = lock(&known);
            let tags = known.tags.get_or_insert_default();
            tags.make_mut().insert(event.tag(), gst::TagMergeMode::Replace);
        }
    };
    pad.sticky_events_foreach(|event| {
        collect(event);
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event() {
            collect(event);
        }
        gst::PadProbeReturn::Ok
    });
}

/// The place in the pipeline where coded frames go in.
fn feed(pipeline: &gst::Pipeline, mux: &gst::Element, caps: &gst::Caps) -> Result<gst_app::AppSrc, Error> {
    let input = gst_app::AppSrc::builder().caps(caps).format(gst::Format::Time).build();
    let parser = parser_of(caps)?;
    pipeline.add_many([input.upcast_ref(), &parser])?;
    gst::Element::link_many([input.upcast_ref(), &parser, mux])?;
    Ok(input)
}

/// Muxers differ in the form that they want a codec in.
fn parser_of(caps: &gst::Caps) -> Result<gst::Element, Error> {
    let parser = match caps.structure(0).map(|first| first.name().as_str()) {
        Some("video/x-h264") => "h264parse",
        Some("video/x-h265") => "h265parse",
        Some("video/x-av1") => "av1parse",
        _ => "identity",
    };
    Ok(gst::ElementFactory::make(parser).build()?)
}

/// Lets of a stream pass what is in `part`, so many ns earlier.
fn cut(pad: &gst::Pad, part: Part, earlier: i64) {
    pad.set_offset(-earlier);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let time = info.buffer().and_then(|buffer| {
            let event = pad.sticky_event::<gst::event::Segment>(0)?;
            let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
            segment.to_stream_time(buffer.pts().or(buffer.dts())?)
        });
        let wanted = time.is_some_and(|time| {
            let time = time.nseconds();
            time >= part.from && part.to.is_none_or(|to| time < to)
        });
        if wanted {
            gst::PadProbeReturn::Ok
        } else {
            source::dropped(info)
        }
    });
}

/// The coded frames of finished segments, one segment after the other, with the times at which they are shown.
struct Segments<'a> {
    left: std::slice::Iter<'a, PathBuf>,
    times: std::slice::Iter<'a, u64>,
    /// What is taken off the times.
    ahead: i64,
    current: Option<Reader>,
    caps: gst::Caps,
}

impl<'a> Segments<'a> {
    fn open(segments: &'a [PathBuf], times: &'a [u64], ahead: i64) -> Result<Self, Error> {
        let mut left = segments.iter();
        let first = left.next().ok_or_else(|| Error::Failed("there are no frames".into()))?;
        let current = Reader::open(first)?;
        let caps = current.caps()?;
        Ok(Self {
            left,
            times: times.iter(),
            ahead,
            current: Some(current),
            caps,
        })
    }

    fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    fn next_frame(&mut self) -> Result<Option<gst::Buffer>, Error> {
        while let Some(reader) = &self.current {
            if let Some(mut frame) = reader.next()? {
                let Some(&time) = self.times.next() else {
                    return Err(Error::Failed("a segment has more frames than were counted".into()));
                };
                let next = self.times.as_slice().first();
                let duration = next.map(|next| gst::ClockTime::from_nseconds(next.saturating_sub(time)));
                let time = gst::ClockTime::from_nseconds(time.saturating_add_signed(-self.ahead));
                let frame_mut = frame.make_mut();
                frame_mut.set_pts(time);
                // Encoders here do not reorder (see `encoder`).
                frame_mut.set_dts(time);
                if duration.is_some() {
                    frame_mut.set_duration(duration);
                }
                return Ok(Some(frame));
            }
            self.current = self.left.next().map(|path| Reader::open(path)).transpose()?;
        }
        Ok(None)
    }
}

impl Iterator for Segments<'_> {
    type Item = Result<gst::Buffer, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

/// Coded frames of one segment.
struct Reader {
    running: Running,
    output: gst_app::AppSink,
    path: PathBuf,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, Error> {
        let file = gst::ElementFactory::make("filesrc")
            .property("location", path)
            .build()?;
        let demux = gst::ElementFactory::make("qtdemux").build()?;
        let output = gst_app::AppSink::builder().sync(false).max_buffers(8).build();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&file, &demux, output.upcast_ref()])?;
        file.link(&demux)?;
        let sink = output.static_pad("sink");
        demux.connect_pad_added(move |_, pad| {
            if sink.as_ref().is_none_or(|sink| pad.link(sink).is_err()) {
                gst::error!(CAT, obj = pad, "a segment has more than video");
            }
        });
        let running = Running::start(pipeline).map_err(|end| unreadable(path, end))?;
        Ok(Self {
            running,
            output,
            path: path.to_owned(),
        })
    }

    fn caps(&self) -> Result<gst::Caps, Error> {
        if let Some(end) = self.running.settle()? {
            return Err(unreadable(&self.path, end));
        }
        let caps = self.output.static_pad("sink").and_then(|pad| pad.current_caps());
        caps.ok_or_else(|| Error::unreadable(&self.path, "it holds no frames"))
    }

    fn next(&self) -> Result<Option<gst::Buffer>, Error> {
        loop {
            interrupt::check()?;
            if let Some(sample) = self.output.try_pull_sample(GLANCE) {
                return Ok(sample.buffer_owned());
            }
            if self.output.is_eos() {
                return Ok(None);
            }
            if let Some(end) = self.running.ended_now() {
                return Err(unreadable(&self.path, end));
            }
        }
    }
}

fn unreadable(path: &Path, end: End) -> Error {
    let nothing = || Error::unreadable(path, "it ended before it began");
    end.reading(path).err().unwrap_or_else(nothing)
}
