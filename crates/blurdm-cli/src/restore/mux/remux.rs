// SPDX-License-Identifier: MPL-2.0

//! Muxing finished segments and the other streams of the original with GStreamer: for all containers but MP4, and for a part of a file.
//! Streams are copied, not encoded again.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use gst::prelude::*;

use super::{
    feed::{Entry, Feed},
    language,
    restored_video::RestoredVideo,
    subtitles,
    track_flags::{self, KeptStream},
};
use crate::{
    error::Error,
    media::{
        CAT, colour,
        demuxer::{self, Parsing, Stream},
        interrupt,
        matroska::{key_blocks, stereo_mode},
        muxer,
        pipeline::{End, Pipeline},
        stereo, watchdog,
    },
    restore::{
        plan::{Part, webm},
        proof,
    },
    sync::lock,
};

/// Capacity of the queue of each other stream, in bytes. Large enough that a sparse stream does not block the others.
const QUEUE_BYTES: u32 = 64 << 20;

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
    pub original: &'a Path,
    /// At least one.
    pub videos: &'a [RestoredVideo<'a>],
    /// Stream times of the frames of each in the original, in nanoseconds, or those of its container.
    pub times: &'a [Vec<u64>],
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
    /// The others, in the order in which the muxer writes them.
    kept: Vec<KeptStream>,
    /// Number of streams that are linked or lost.
    streams: usize,
}

impl Remux<'_> {
    /// Writes `output`. Returns the streams that the container cannot hold, and what of the others is lost.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Unreadable`], [`Error::Interrupted`].
    pub fn write(&self, output: &Path, muxer: &str) -> Result<Vec<String>, Error> {
        let mux = muxer::create(muxer)?;
        let file = gst::ElementFactory::make("filesink")
            .property("location", output)
            .build()?;
        add_tags(&mux, self.tags);
        let is_original_matroska = self.videos.iter().any(|video| video.scan.is_matroska);
        language::assume(&mux, is_matroska(muxer), is_original_matroska);
        if is_matroska(muxer) {
            let recorded = self.videos.first().and_then(|video| video.scan.recorded.clone());
            mux.set_property("creation-time", recorded);
        }
        let state = Arc::new(Mutex::new(State::default()));
        let mut feeds = self.feeds(muxer)?;
        let entries = feeds.iter().map(Feed::entry).collect();
        let pipeline = self.create_pipeline(&mux, entries, self.time_offset(muxer), &state)?;
        pipeline.add_many([&mux, &file])?;
        feeds.iter().try_for_each(|feed| feed.add_to(&pipeline))?;
        mux.link(&file)?;
        let pipeline = Pipeline::new(pipeline);
        let unwritable = |end: End| match end {
            End::Eos => Error::unwritable(output, "the muxer ended early"),
            End::Failed(reason) => Error::unwritable(output, reason),
            End::MissingPlugin(missing) => Error::unwritable(output, missing.to_string()),
        };
        pipeline.set_state(gst::State::Playing).map_err(unwritable)?;
        // Muxers write their header with the first frame. It describes the streams that are linked then.
        let streams = self.videos.first().map_or(0, |video| video.scan.streams);
        wait_until(&pipeline, || lock(&state).streams >= streams).map_err(unwritable)?;
        feeds.iter().for_each(Feed::send_tags);
        while !feeds.iter().all(Feed::has_ended) {
            // A muxer waits for the stream that is behind, so none waits here for another.
            wait_until(&pipeline, || feeds.iter().any(Feed::has_room)).map_err(unwritable)?;
            interrupt::check()?;
            for feed in feeds.iter_mut().filter(|feed| feed.has_room()) {
                let pushed = feed.push()?;
                pushed.map_err(|flow| unwritable(pipeline.poll_end().unwrap_or(End::Failed(flow.to_string()))))?;
            }
        }
        match pipeline.wait_end()? {
            End::Eos => {}
            end => return Err(unwritable(end)),
        }
        drop(pipeline);
        let State { mut lost, kept, .. } = std::mem::take(&mut *lock(&state));
        if is_matroska(muxer) {
            let corrected = stereo_mode::correct(output, self.original).and_then(|()| key_blocks::mark(output));
            corrected.map_err(|error| Error::unwritable(output, error))?;
        }
        lost.extend(track_flags::keep(self.original, &kept, output, is_matroska(muxer)));
        Ok(lost)
    }

    /// Returns the time in the original that is 0 in the output, in nanoseconds. An MP4 begins with the first frame or sound: recordings of
    /// broadcasts start at a time of day.
    fn time_offset(&self, muxer: &str) -> i64 {
        match self.part {
            Some(part) => i64::try_from(part.from).unwrap_or(i64::MAX),
            None if is_matroska(muxer) => 0,
            None => self.origin() - self.shift(),
        }
    }

    /// Returns the running time in the original that is 0 in the output. What is before it is left out. With times of the container all is kept.
    pub fn start(&self, muxer: &str) -> i64 {
        match self.keeps_container_times {
            true => i64::MIN,
            false => self.time_offset(muxer) + self.shift(),
        }
    }

    /// Returns the running time minus the stream time, which is that of the file.
    fn shift(&self) -> i64 {
        self.videos.first().map_or(0, |video| video.scan.shift)
    }

    fn origin(&self) -> i64 {
        let origin = self.videos.first().map_or(0, |video| video.scan.origin);
        i64::try_from(origin).unwrap_or(i64::MAX)
    }

    fn feeds(&self, muxer: &str) -> Result<Vec<Feed<'_>>, Error> {
        let offset = self.time_offset(muxer);
        let videos = self.videos.iter().zip(self.times);
        videos
            .map(|(video, times)| {
                let colour = match is_matroska(muxer) {
                    true => colour::for_matroska(video.scan.colour),
                    false => video.scan.colour,
                };
                // GStreamer 1.22's muxer for MP4 states the eyes in the wrong order.
                let is_shown = is_matroska(muxer) && stereo::is_written_into_matroska(&video.scan.caps);
                let shown = is_shown.then_some(&video.scan.caps);
                Feed::new(video, times, offset, &colour, shown)
            })
            .collect()
    }

    /// Creates a pipeline that copies the other streams of the original into the muxer. The restored ones get the places of their originals
    /// among them.
    fn create_pipeline(
        &self,
        mux: &gst::Element,
        restored: Vec<Entry>,
        offset: i64,
        state: &Arc<Mutex<State>>,
    ) -> Result<gst::Pipeline, gst::glib::BoolError> {
        let part = self.part;
        let (shift, keeps_container_times) = (offset + self.shift(), self.keeps_container_times);
        let (mux, state) = (mux.downgrade(), state.clone());
        let on_stream = move |pipeline: &gst::Pipeline, pad: &gst::Pad, stream: &Stream, caps: &gst::Caps| {
            let Some(mux) = mux.upgrade() else { return };
            let linked = match restored.iter().find(|entry| entry.stream == stream.id) {
                Some(entry) => entry.link(&mux, pad).map(|()| None),
                None => {
                    if keeps_container_times {
                        count_from_zero(pad);
                    } else {
                        pad.set_offset(-shift);
                    }
                    if let Some(part) = part {
                        cut(pad, part);
                    }
                    copy(pipeline, pad, caps, &mux)
                }
            };
            let mut state = lock(&state);
            match linked {
                Ok(lost) => {
                    state.kept.push(KeptStream {
                        id: stream.id.clone(),
                        enabled: stream.enabled,
                    });
                    state.lost.extend(lost);
                }
                Err(reason) => {
                    gst::info!(CAT, obj = pad, "{reason}");
                    state.lost.push(description(caps));
                }
            }
            state.streams += 1;
        };
        demuxer::pipeline(self.original, Parsing::Unframed, on_stream)
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
    proof::description(name)
}

fn add_tags(mux: &gst::Element, tags: &[(&str, &str)]) {
    if let Some(setter) = mux.dynamic_cast_ref::<gst::TagSetter>() {
        for (name, value) in tags {
            let text = format!("{name}={value}");
            setter.add_tag::<gst::tags::ExtendedComment>(&text.as_str(), gst::TagMergeMode::Append);
        }
    }
}

/// Copies a stream into the muxer, if that accepts it. Returns what of it is lost.
fn copy(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::Caps,
    mux: &gst::Element,
) -> Result<Option<String>, gst::glib::BoolError> {
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", QUEUE_BYTES)
        .property("max-size-time", 0u64)
        .build()?;
    let factory = mux.factory().map(|factory| factory.name());
    let is_refused = factory.is_some_and(|factory| muxer::refuses(&factory, caps).unwrap_or(false));
    let plain = subtitles::plain_text(caps, !is_refused)?;
    if plain.is_none() && is_refused {
        return Err(gst::glib::bool_error!("the muxer does not accept it"));
    }
    let mux_pad = match &plain {
        Some(plain) => request_pad(mux, &plain.caps),
        None => mux.compatible_pad(pad, None),
    };
    let mux_pad = mux_pad.ok_or_else(|| gst::glib::bool_error!("the muxer does not accept it"))?;
    let lost = subtitles::lost_styles(caps).filter(|_| plain.as_ref().is_some_and(|plain| plain.loses_styles));
    let converters = plain.map(|plain| plain.converters).unwrap_or_default();
    drop_headers_of_opus(pad, caps);
    let chain: Vec<gst::Element> = converters.into_iter().chain([queue]).collect();
    pipeline.add_many(&chain)?;
    let linked = link(pad, &chain, &mux_pad);
    if linked.is_err() {
        mux.release_request_pad(&mux_pad);
        for element in &chain {
            element.set_state(gst::State::Null).ok();
        }
        pipeline.remove_many(&chain)?;
    }
    linked.map(|()| lost)
}

/// Drops the headers that the demuxer of Ogg sends ahead of the packets of Opus. Muxers take these from the caps, and that of MP4 fails at a packet without a
/// time.
fn drop_headers_of_opus(pad: &gst::Pad, caps: &gst::CapsRef) {
    if caps.structure(0).is_none_or(|first| first.name() != "audio/x-opus") {
        return;
    }
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
        let is_header = info.buffer().is_some_and(|buffer| {
            buffer.pts().or(buffer.dts()).is_none() && buffer.flags().contains(gst::BufferFlags::HEADER)
        });
        match is_header {
            true => demuxer::drop_data(info),
            false => gst::PadProbeReturn::Ok,
        }
    });
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
