// SPDX-License-Identifier: MPL-2.0

//! Muxing finished segments and the other streams of the original with GStreamer: for all containers but MP4, and for a part of a file.
//! Streams are copied, not encoded again.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use gst::prelude::*;

use super::{segment_reader::SegmentFrames, subtitles};
use crate::{
    error::Error,
    media::{
        CAT, colour,
        demuxer::{self, Parsing, Stream},
        interrupt, muxer,
        pipeline::{End, Pipeline},
        watchdog,
    },
    restore::plan::{Part, Scan, webm},
    sync::lock,
};

/// Capacity of the queue of each other stream, in bytes. Large enough that a sparse stream does not block the others.
const QUEUE_BYTES: u32 = 64 << 20;

/// Capacity of the queue of coded frames.
const QUEUE_FRAMES: u64 = 32;

/// How long to sleep between two checks of a condition.
const POLL_SLEEP: Duration = Duration::from_millis(2);

const MATROSKA: &str = "matroskamux";

/// Returns the muxer for a file of this name: Matroska's, unless the extension is that of MP4, QuickTime or WebM.
pub fn muxer_for(output: &Path) -> &'static str {
    let extension = output.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("mp4" | "m4v") => "mp4mux",
        Some("mov") => "qtmux",
        Some("webm") => webm::MUXER,
        _ => MATROSKA,
    }
}

/// Whether a muxer writes Matroska, of which WebM is a part.
pub fn is_matroska(muxer: &str) -> bool {
    [MATROSKA, webm::MUXER].contains(&muxer)
}

/// What the new file consists of.
pub struct Remux<'a> {
    pub scan: &'a Scan,
    /// Videos of the finished segments, in their order.
    pub segments: &'a [PathBuf],
    /// Stream times of their frames in the original, in nanoseconds, or those of its container.
    pub times: &'a [u64],
    /// The part of the other streams that is kept, with which the new file starts. `None` for all of it.
    pub part: Option<Part>,
    /// Whether all times are those of the original's container.
    pub keeps_container_times: bool,
    /// Names and texts of tags to add.
    pub tags: &'a [(&'a str, &'a str)],
}

/// What is known of the original while its streams are linked.
#[derive(Debug, Default)]
struct State {
    /// Streams that the muxer does not accept.
    lost: Vec<String>,
    /// Tags of the video.
    tags: Option<gst::TagList>,
    /// Number of streams that are linked or lost.
    streams: usize,
}

impl Remux<'_> {
    /// Writes `output`. Returns the streams that the container cannot hold.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Unreadable`], [`Error::Interrupted`].
    pub fn write(&self, output: &Path, muxer: &str) -> Result<Vec<String>, Error> {
        let mux = muxer::create(muxer)?;
        let file = gst::ElementFactory::make("filesink")
            .property("location", output)
            .build()?;
        add_tags(&mux, self.tags);
        let state = Arc::new(Mutex::new(State::default()));
        let frames = SegmentFrames::open(self.segments, self.times, self.time_offset(muxer))?;
        let colour = match muxer {
            MATROSKA | webm::MUXER => colour::for_matroska(self.scan.colour),
            _ => self.scan.colour,
        };
        let caps = colour::stated(frames.caps(), &colour);
        let input = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
        let parser = create_parser(&caps)?;
        let pipeline = self.create_pipeline(&mux, [input.upcast_ref(), &parser], self.time_offset(muxer), &state)?;
        pipeline.add_many([&mux, &file, input.upcast_ref(), &parser])?;
        mux.link(&file)?;
        input.link(&parser)?;
        // They start when the parser is linked to the muxer.
        for element in [input.upcast_ref(), &parser] {
            element.set_locked_state(true);
        }
        let pipeline = Pipeline::new(pipeline);
        let unwritable = |end: End| match end {
            End::Eos => Error::unwritable(output, "the muxer ended early"),
            End::Failed(reason) => Error::unwritable(output, reason),
            End::MissingPlugin(missing) => Error::unwritable(output, missing.to_string()),
        };
        pipeline.set_state(gst::State::Playing).map_err(unwritable)?;
        // Muxers write their header with the first frame. It describes the streams that are linked then.
        wait_until(&pipeline, || lock(&state).streams >= self.scan.streams).map_err(unwritable)?;
        let tags = lock(&state).tags.take();
        if let Some(mut tags) = tags {
            // Later muxers write it. It is stated in the finished file, or the pictures are turned.
            tags.make_mut().remove::<gst::tags::ImageOrientation>();
            input.send_event(gst::event::Tag::new(tags));
        }
        for frame in frames {
            let frame = frame?;
            wait_until(&pipeline, || input.current_level_buffers() < QUEUE_FRAMES).map_err(unwritable)?;
            interrupt::check()?;
            input
                .push_buffer(frame)
                .map_err(|flow| unwritable(pipeline.poll_end().unwrap_or(End::Failed(flow.to_string()))))?;
        }
        input
            .end_of_stream()
            .map_err(|flow| unwritable(End::Failed(flow.to_string())))?;
        match pipeline.wait_end()? {
            End::Eos => Ok(std::mem::take(&mut lock(&state).lost)),
            end => Err(unwritable(end)),
        }
    }

    /// Returns the time in the original that is 0 in the output, in nanoseconds. An MP4 begins with the first frame or sound: recordings of
    /// broadcasts start at a time of day.
    fn time_offset(&self, muxer: &str) -> i64 {
        match self.part {
            Some(part) => i64::try_from(part.from).unwrap_or(i64::MAX),
            None if is_matroska(muxer) => 0,
            None => -self.scan.shift,
        }
    }

    /// Creates a pipeline that copies the other streams of the original into the muxer. The restored one, source and parser, gets the place
    /// of its original among them.
    fn create_pipeline(
        &self,
        mux: &gst::Element,
        restored: [&gst::Element; 2],
        offset: i64,
        state: &Arc<Mutex<State>>,
    ) -> Result<gst::Pipeline, gst::glib::BoolError> {
        let (video, part) = (self.scan.video.stream.clone(), self.part);
        let (shift, keeps_container_times) = (offset + self.scan.shift, self.keeps_container_times);
        let (mux, restored, state) = (mux.downgrade(), restored.map(gst::Element::downgrade), state.clone());
        let on_stream = move |pipeline: &gst::Pipeline, pad: &gst::Pad, stream: &Stream, caps: &gst::Caps| {
            if stream.id == video {
                collect_tags(pad, state.clone());
                let [source, parser] = restored.each_ref().map(gst::glib::WeakRef::upgrade);
                if let (Some(mux), Some(source), Some(parser)) = (mux.upgrade(), source, parser)
                    && let Err(refused) = start_restored(&source, &parser, &mux)
                {
                    gst::error!(CAT, obj = pad, "the muxer does not take the restored video: {refused}");
                }
            } else {
                if keeps_container_times {
                    count_from_zero(pad);
                } else {
                    pad.set_offset(-shift);
                }
                if let Some(part) = part {
                    cut(pad, part);
                }
                if let Some(mux) = mux.upgrade()
                    && let Err(reason) = copy(pipeline, pad, caps, &mux)
                {
                    gst::info!(CAT, obj = pad, "{reason}");
                    lock(&state).lost.push(description(caps));
                }
            }
            lock(&state).streams += 1;
        };
        demuxer::pipeline(&self.scan.path, Parsing::Unframed, on_stream)
    }
}

/// Blocks until a condition is met, the pipeline has ended, or an interruption is requested.
fn wait_until(pipeline: &Pipeline, condition: impl Fn() -> bool) -> Result<(), End> {
    let _wait = watchdog::wait();
    while !condition() && !interrupt::is_requested() {
        if let Some(end) = pipeline.poll_end() {
            return Err(end);
        }
        thread::sleep(POLL_SLEEP);
    }
    Ok(())
}

/// Returns a description of a stream for messages.
fn description(caps: &gst::Caps) -> String {
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

/// Copies a stream into the muxer, if that accepts it.
fn copy(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::Caps,
    mux: &gst::Element,
) -> Result<(), gst::glib::BoolError> {
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", QUEUE_BYTES)
        .property("max-size-time", 0u64)
        .build()?;
    let converter = subtitles::plain_text_converter(caps)?;
    let mux_pad = match &converter {
        Some((_, plain)) => request_pad(mux, plain),
        None => mux.compatible_pad(pad, None),
    };
    let mux_pad = mux_pad.ok_or_else(|| gst::glib::bool_error!("the muxer does not accept it"))?;
    let converter = converter.map(|(element, _)| element);
    let chain: Vec<gst::Element> = converter.into_iter().chain([queue]).collect();
    pipeline.add_many(&chain)?;
    let linked = link(pad, &chain, &mux_pad);
    if linked.is_err() {
        mux.release_request_pad(&mux_pad);
        for element in &chain {
            element.set_state(gst::State::Null).ok();
        }
        pipeline.remove_many(&chain)?;
    }
    linked
}

fn link(pad: &gst::Pad, chain: &[gst::Element], mux_pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
    gst::Element::link_many(chain)?;
    let first = chain.first().and_then(|first| first.static_pad("sink"));
    let last = chain.last().and_then(|last| last.static_pad("src"));
    let (Some(first), Some(last)) = (first, last) else {
        return Err(gst::glib::bool_error!("a queue has no pads"));
    };
    let refused = |refused| gst::glib::bool_error!("{refused}");
    last.link(mux_pad).map_err(refused)?;
    pad.link(&first).map_err(refused)?;
    chain.iter().try_for_each(|element| element.sync_state_with_parent())
}

fn request_pad(mux: &gst::Element, caps: &gst::Caps) -> Option<gst::Pad> {
    let templates = mux.pad_template_list();
    let accepts = |template: &&gst::PadTemplate| {
        template.direction() == gst::PadDirection::Sink && template.caps().can_intersect(caps)
    };
    mux.request_pad(templates.iter().find(accepts)?, None, None)
}

/// Collects the tags of the original's video, such as its orientation.
fn collect_tags(pad: &gst::Pad, state: Arc<Mutex<State>>) {
    let collect = move |event: &gst::EventRef| {
        if let gst::EventView::Tag(event) = event.view() {
            let mut state = lock(&state);
            let tags = state.tags.get_or_insert_default();
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

/// Links the restored video to the muxer, and starts its elements.
fn start_restored(
    source: &gst::Element,
    parser: &gst::Element,
    mux: &gst::Element,
) -> Result<(), gst::glib::BoolError> {
    parser.link(mux)?;
    for element in [parser, source] {
        element.set_locked_state(false);
        element.sync_state_with_parent()?;
    }
    Ok(())
}

/// Creates a parser, which converts the stream to the format that the muxer accepts.
fn create_parser(caps: &gst::Caps) -> Result<gst::Element, Error> {
    if demuxer::is_framed(caps) {
        // Parsers take away the times of frames that have the same.
        let filter = gst::ElementFactory::make("capsfilter").property("caps", caps);
        return Ok(filter.build()?);
    }
    let parser = match caps.structure(0).map(|first| first.name().as_str()) {
        Some("video/x-h264") => "h264parse",
        Some("video/x-h265") => "h265parse",
        Some("video/x-av1") => "av1parse",
        Some("video/x-vp9") => "vp9parse",
        _ => "identity",
    };
    Ok(gst::ElementFactory::make(parser).build()?)
}

/// Makes the running times of a stream those of its container. `matroskademux` counts from the first packet, and begins anew where a later one is of
/// an earlier time.
fn count_from_zero(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let is_segment = info
            .event()
            .is_some_and(|event| event.type_() == gst::EventType::Segment);
        if is_segment {
            let segment = gst::FormattedSegment::<gst::ClockTime>::new();
            info.data = Some(gst::PadProbeData::Event(gst::event::Segment::new(&segment)));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Drops what of a stream is not in `part`.
fn cut(pad: &gst::Pad, part: Part) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let time = info.buffer().and_then(|buffer| {
            let event = pad.sticky_event::<gst::event::Segment>(0)?;
            let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
            segment.to_stream_time(buffer.pts().or(buffer.dts())?)
        });
        let kept = time.is_some_and(|time| part.contains(time.nseconds()));
        if kept {
            gst::PadProbeReturn::Ok
        } else {
            demuxer::drop_data(info)
        }
    });
}
