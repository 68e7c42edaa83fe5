// SPDX-License-Identifier: MPL-2.0

//! Demuxing a file into its streams, without decoding them.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gst::prelude::*;

use super::{
    broadcast, display_order, log::CAT, matroska::tracks::codec_delays, movie_length, packet_times, styled_text,
    transport,
};
use crate::sync::lock;

/// The format of AAC in the packets of LATM (ISO/IEC 14496-3, 1.7), as GStreamer calls it.
const LATM: &str = "loas";

/// A stream of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What the demuxer calls it, which is the same each time the file is read: for MP4 the id of the track, with leading zeros.
    pub id: String,
    pub kind: Kind,
    /// Whether players show it without being asked to.
    pub enabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    /// Pictures that are coded each on its own. The cover of a song is one, and so is MJPEG video.
    Picture,
    Other,
}

impl Stream {
    fn of(pad: &gst::Pad, caps: &gst::Caps, number: usize) -> Self {
        let start = pad.sticky_event::<gst::event::StreamStart>(0);
        let id = start.as_ref().map(|start| start.stream_id().to_string());
        // Demuxers append their own id to that of the file.
        let own = id
            .as_deref()
            .and_then(|id| id.rsplit_once('/').map(|(_, own)| own.to_owned()));
        let name = caps.structure(0).map_or("", |first| first.name().as_str());
        Self {
            id: own.or(id).unwrap_or_else(|| format!("{number:03}")),
            kind: match name.split_once('/') {
                Some(("video", _)) => Kind::Video,
                Some(("image", _)) => Kind::Picture,
                _ => Kind::Other,
            },
            enabled: start.is_none_or(|start| !start.stream_flags().contains(gst::StreamFlags::UNSELECT)),
        }
    }
}

impl Stream {
    /// Returns the number of a track of Matroska, whose id has its UID as well.
    pub fn matroska_number(&self) -> Option<u64> {
        self.id.split(':').next()?.parse().ok()
    }
}

/// Which streams go through a parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsing {
    All,
    /// Those whose container does not store the frames one by one with their parameter sets apart. Parsers insert these into the first frame.
    Unframed,
}

/// Returns a new pipeline of `filesrc ! parsebin`. `on_stream` is called in a streaming thread for each stream, with its caps and in the
/// order of the file. A stream that it does not link is read and discarded.
///
/// # Errors
/// An element of GStreamer's own is missing.
pub fn pipeline(
    path: &Path,
    parsing: Parsing,
    on_stream: impl Fn(&gst::Pipeline, &gst::Pad, &Stream, &gst::Caps) + Send + Sync + 'static,
) -> Result<gst::Pipeline, gst::glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    broadcast::begin_at_zero(&pipeline);
    let file = gst::ElementFactory::make("filesrc")
        .property("location", path)
        .build()?;
    let parser = gst::ElementFactory::make("parsebin").build()?;
    pipeline.add_many([&file, &parser])?;
    file.link(&parser)?;
    movie_length::correct(&file, path);
    transport::correct(&file, path);
    refuse_gif(&parser);
    parser.connect("autoplug-continue", false, move |arguments| {
        let caps = arguments.get(2).and_then(|caps| caps.get::<gst::Caps>().ok());
        let is_kept_framed = |caps: &gst::Caps| parsing == Parsing::Unframed && is_framed(caps) && is_decodable(caps);
        let is_parsed = caps.is_none_or(|caps| !is_styled_text(&caps) && !is_kept_framed(&caps));
        Some(is_parsed.to_value())
    });
    let (streams, weak) = (AtomicUsize::new(0), pipeline.downgrade());
    // Pads of one file are added one after the other, but nothing guarantees that.
    let serialize = Mutex::new(());
    let delays = codec_delays(path);
    parser.connect_pad_added(move |_, pad| {
        let Some(pipeline) = weak.upgrade() else { return };
        let _guard = lock(&serialize);
        let caps = caps_of(pad);
        let stream = Stream::of(pad, &caps, streams.fetch_add(1, Ordering::Relaxed));
        let delay = stream.matroska_number().and_then(|number| delays.get(&number));
        if elements_before(pad).last().is_some_and(broadcast::is_broadcast) {
            broadcast::begin_stream_at_zero(pad);
        }
        split_lists(pad);
        packet_times::complete(pad, &caps, delay.copied().unwrap_or(0));
        if is_of_avi(pad) {
            display_order::complete(pad, &caps);
        }
        on_stream(&pipeline, pad, &stream, &caps);
        if !pad.is_linked() && discard(&pipeline, pad).is_err() {
            gst::debug!(CAT, obj = pad, "this stream cannot be discarded");
        }
    });
    Ok(pipeline)
}

/// Returns the caps of a stream. Before its first packet a parser only tells all that it can make of any stream: of these, what it gets is meant.
fn caps_of(pad: &gst::Pad) -> gst::Caps {
    if let Some(caps) = pad.current_caps() {
        return caps;
    }
    let possible = pad.query_caps(None);
    let Some(stored) = stored_caps(pad) else {
        return possible;
    };
    let media = stored.structure(0).map(|first| first.name().to_owned());
    let same: gst::Caps = possible
        .iter()
        .filter(|one| media.as_deref() == Some(one.name()))
        .map(ToOwned::to_owned)
        .collect();
    let latm = gst::Caps::builder("audio/mpeg").field("stream-format", LATM).build();
    // The parser of AAC makes nothing else of LATM.
    match stored.is_subset(&latm) {
        true => same.intersect(&latm),
        false if same.is_empty() => possible,
        false => same,
    }
}

/// Returns the caps of the stream before its parser, as the container states them.
fn stored_caps(pad: &gst::Pad) -> Option<gst::Caps> {
    let mut source = pad.dynamic_cast_ref::<gst::GhostPad>()?.target()?;
    loop {
        let sink = source.parent_element()?.static_pad("sink")?;
        match sink.current_caps() {
            Some(caps) => return Some(caps),
            None => source = sink.peer()?,
        }
    }
}

/// Returns the elements that a stream of `parsebin` has come through, the last one first, up to its demuxer.
pub fn elements_before(pad: &gst::Pad) -> Vec<gst::Element> {
    let mut elements = Vec::new();
    let mut source = pad.dynamic_cast_ref::<gst::GhostPad>().and_then(|pad| pad.target());
    while let Some(element) = source.and_then(|source| source.parent_element()) {
        // A demuxer is the last: what comes before it is not one stream.
        let is_one_stream = element.num_src_pads() == 1;
        source = element
            .static_pad("sink")
            .filter(|_| is_one_stream)
            .and_then(|sink| sink.peer());
        elements.push(element);
    }
    elements
}

fn is_of_avi(pad: &gst::Pad) -> bool {
    let is_avi = |element: &gst::Element| element.factory().is_some_and(|factory| factory.name() == "avidemux");
    elements_before(pad).iter().any(is_avi)
}

/// Calls `on_tags` with the tags that have come and will come through a pad.
pub fn on_tags(pad: &gst::Pad, on_tags: impl Fn(&gst::TagListRef) + Send + Sync + 'static) {
    let tell = move |event: &gst::EventRef| {
        if let gst::EventView::Tag(event) = event.view() {
            on_tags(event.tag());
        }
    };
    pad.sticky_events_foreach(|event| {
        tell(event);
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event() {
            tell(event);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Makes a `parsebin` or `decodebin` fail for a GIF. The demuxer for it, `avdemux_gif` of GStreamer 1.22, never ends.
pub fn refuse_gif(bin: &gst::Element) {
    bin.connect("autoplug-continue", false, |arguments| {
        let [bin, _, caps] = arguments else { return Some(true.to_value()) };
        let is_gif = caps.get::<gst::Caps>().is_ok_and(|caps| {
            let first = caps.structure(0);
            first.is_some_and(|first| first.name() == "image/gif")
        });
        if let (true, Ok(bin)) = (is_gif, bin.get::<gst::Element>()) {
            gst::element_error!(
                bin,
                gst::StreamError::WrongType,
                ("it is a GIF, and these are not restored; make a video of it first, as with 'ffmpeg -i IN.gif OUT.mp4'")
            );
        }
        Some((!is_gif).to_value())
    });
}

/// Whether a container stores frames with these caps one by one, with their parameter sets apart.
pub fn is_framed(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|first| {
        let format = first.get::<&str>("stream-format").unwrap_or_default();
        first.has_field("codec_data") && ["avc", "avc3", "hvc1", "hev1"].contains(&format)
    })
}

/// Whether a stream is subtitles with styles, of which the parser makes plain text.
fn is_styled_text(caps: &gst::CapsRef) -> bool {
    let first = caps.structure(0);
    first.is_some_and(|first| styled_text::is_styled(first.name()))
}

/// Whether there are a parser and a decoder for a stream. Where one is missing, `parsebin` reports it.
fn is_decodable(caps: &gst::Caps) -> bool {
    [gst::ElementFactoryType::PARSER, gst::ElementFactoryType::DECODER]
        .into_iter()
        .all(|kind| {
            let factories = gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL);
            factories.iter().any(|factory| factory.can_sink_any_caps(caps))
        })
}

/// Makes each packet of a list pass a pad on its own, as probes of buffers see no lists. `tsdemux` sends the packets of Opus that share a PES packet as one.
fn split_lists(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::BUFFER_LIST, |pad, info| {
        let Some(gst::PadProbeData::BufferList(list)) = info.data.take() else {
            return gst::PadProbeReturn::Ok;
        };
        let mut flow = Ok(gst::FlowSuccess::Ok);
        for packet in list.iter_owned() {
            flow = pad.push(packet);
            if flow.is_err() {
                break;
            }
        }
        info.flow_res = flow;
        gst::PadProbeReturn::Handled
    });
}

/// Reads a stream and discards it, so that it does not block the others.
fn discard(pipeline: &gst::Pipeline, pad: &gst::Pad) -> Result<(), gst::glib::BoolError> {
    // The end of a stream waits in a sink until the pipeline plays. In a thread of its own it does not block the streams that go on.
    let queue = gst::ElementFactory::make("queue").build()?;
    let sink = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()?;
    // Before the sink, which in PAUSED would keep the first buffer and block.
    pad.add_probe(gst::PadProbeType::BUFFER, |_, info| drop_data(info));
    pipeline.add_many([&queue, &sink])?;
    queue.link(&sink)?;
    for element in [&sink, &queue] {
        element.sync_state_with_parent()?;
    }
    let queue_pad = queue
        .static_pad("sink")
        .ok_or_else(|| gst::glib::bool_error!("queue has no pad"))?;
    pad.link(&queue_pad)
        .map_err(|refused| gst::glib::bool_error!("{refused}"))?;
    Ok(())
}

/// Drops the data of a pad probe. Returns what the probe has to return then.
pub fn drop_data(info: &mut gst::PadProbeInfo<'_>) -> gst::PadProbeReturn {
    // For `Drop` GStreamer would release the data, which the bindings have released already.
    info.data = None;
    gst::PadProbeReturn::Handled
}
