// SPDX-License-Identifier: MPL-2.0

//! What GStreamer's demuxers find in a file: the packets of each stream, as a hash and their times.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    headers::{self, essential},
    labels::labels,
};
use crate::{
    error::Error,
    media::{
        before_segment::Segments,
        demuxer::{self, Kind, Parsing, Stream},
        pipeline::{End, Pipeline},
    },
    restore::plan::Part,
    sync::lock,
};

/// The packets of a stream.
#[derive(Debug, Clone, Default)]
pub struct Packets {
    /// Whether it is video, or pictures.
    pub is_video: bool,
    /// How it is coded: what two streams must have in common for their bytes to be comparable.
    pub coding: String,
    pub count: usize,
    /// How many of them muxers leave out: they are not presented, or begin before what is written.
    pub outside: usize,
    /// How many have no time, whatever part is read.
    pub untimed: usize,
    /// Stream times of those that are presented, in nanoseconds and in ascending order.
    pub times: Vec<u64>,
    /// Times in the container of all of them, in nanoseconds and in ascending order.
    pub stored: Vec<u64>,
    /// The hash of all their bytes.
    pub hash: Vec<u8>,
    /// The hash of the headers of the codec, where these come ahead of the packets.
    pub headers: Vec<u8>,
    /// What the file says about it.
    pub labels: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Collector {
    packets: Packets,
    digest: Sha256,
    headers: Sha256,
    /// What the caps say in place of headers, for codecs whose headers count as these.
    from_caps: String,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

impl Packets {
    /// Returns the media type.
    pub fn media(&self) -> &str {
        self.coding.split(' ').next().unwrap_or_default()
    }
}

/// The streams of a file, by what the demuxer calls them.
#[derive(Debug)]
pub struct Streams {
    pub by_id: BTreeMap<String, Packets>,
    /// Why reading ended before the end of the file, if it did.
    pub error: Option<String>,
}

/// Reads all streams of a file; of all but `whole` only what is in `part`. `start` is the running time at which muxers begin to write, in nanoseconds.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn read(path: &Path, part: Option<(Part, &[&str])>, start: i64) -> Result<Streams, Error> {
    let found: Arc<Mutex<BTreeMap<String, Arc<Mutex<Collector>>>>> = Arc::default();
    let shared = found.clone();
    let segments = Segments::default();
    let of_parsers = segments.clone();
    let part = part.map(|(part, whole)| (part, whole.iter().map(|&id| id.to_owned()).collect::<Vec<_>>()));
    let on_stream = move |_: &gst::Pipeline, pad: &gst::Pad, stream: &Stream, caps: &gst::Caps| {
        let collector = lock(&shared).entry(stream.id.clone()).or_default().clone();
        {
            let packets = &mut lock(&collector).packets;
            packets.is_video = stream.kind != Kind::Other;
            packets.coding = coding(caps);
        }
        let part = part.as_ref().filter(|(_, whole)| !whole.contains(&stream.id));
        add_probe(pad, collector, &of_parsers, part.map(|(part, _)| *part), start);
    };
    let pipeline = demuxer::pipeline(path, Parsing::Unframed, on_stream)?;
    segments.lengthen(&pipeline);
    let end = match Pipeline::start(pipeline) {
        Ok(pipeline) => pipeline.wait_end()?,
        Err(end) => end,
    };
    let collectors = std::mem::take(&mut *lock(&found));
    Ok(Streams {
        by_id: collectors
            .into_iter()
            .map(|(id, collector)| (id, lock(&collector).take()))
            .collect(),
        error: match end {
            End::Eos => None,
            End::Failed(reason) => Some(reason),
            End::MissingPlugin(missing) => Some(missing.to_string()),
        },
    })
}

/// Returns the video of files that follow each other, as one stream. Their times are left out.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn joined(files: &[PathBuf]) -> Result<Packets, Error> {
    let collector = Arc::new(Mutex::new(Collector::default()));
    for file in files {
        let shared = collector.clone();
        let on_stream = move |_: &gst::Pipeline, pad: &gst::Pad, _: &Stream, caps: &gst::Caps| {
            lock(&shared).packets.coding = coding(caps);
            add_probe(pad, shared.clone(), &Segments::default(), None, 0);
        };
        let pipeline = demuxer::pipeline(file, Parsing::Unframed, on_stream)?;
        if let Ok(pipeline) = Pipeline::start(pipeline) {
            pipeline.wait_end()?;
        }
    }
    let mut packets = lock(&collector).take();
    packets.times.clear();
    Ok(packets)
}

/// Returns the media type, and in what units and with which header the stream is stored.
fn coding(caps: &gst::Caps) -> String {
    let Some(first) = caps.structure(0) else {
        return String::new();
    };
    let fields = ["stream-format", "alignment", "format"].map(|name| first.get::<String>(name).unwrap_or_default());
    format!("{} {}", first.name(), fields.join(" "))
}

fn add_probe(pad: &gst::Pad, collector: Arc<Mutex<Collector>>, segments: &Segments, part: Option<Part>, start: i64) {
    let segments = segments.clone();
    pad.sticky_events_foreach(|event| {
        lock(&collector).packets.labels.extend(labels(event));
        if let gst::EventView::Caps(event) = event.view() {
            lock(&collector).from_caps = headers::of_caps(event.caps());
        }
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(what, move |pad, info| {
        if let Some(event) = info.event() {
            lock(&collector).packets.labels.extend(labels(event));
        }
        if let Some(buffer) = info.buffer() {
            match media_type_of_header(pad, buffer) {
                Some(media_type) if headers::is_in_caps(&media_type) => {}
                Some(media_type) => lock(&collector).record_header(&media_type, buffer),
                None => lock(&collector).record(buffer, part, start),
            }
        } else if let Some(gst::EventView::Segment(event)) = info.event().map(|event| event.view()) {
            let own = segments.of(pad).or_else(|| event.segment().clone().downcast().ok());
            lock(&collector).segment = own;
        } else if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) {
            lock(&collector).from_caps = headers::of_caps(event.caps());
        }
        gst::PadProbeReturn::Ok
    });
}

/// Returns the media type of a stream if a buffer of it is a header of its codec, which has no time.
fn media_type_of_header(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<String> {
    if buffer.pts().or(buffer.dts()).is_some() {
        return None;
    }
    let caps = pad.current_caps()?;
    let first = caps.structure(0).filter(|first| first.has_field("streamheader"))?;
    Some(first.name().to_string())
}

impl Packets {
    /// Whether a stream has the same packets and headers.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        (&self.hash, &self.headers) == (&other.hash, &other.headers)
    }
}

impl Collector {
    fn record_header(&mut self, media_type: &str, buffer: &gst::BufferRef) {
        if let Ok(data) = buffer.map_readable() {
            self.headers.update(essential(media_type, &data));
        }
    }

    fn record(&mut self, buffer: &gst::BufferRef, part: Option<Part>, start: i64) {
        let time = buffer.pts().or(buffer.dts());
        let within = self.segment.as_ref().zip(time);
        let presented = within.and_then(|(segment, time)| {
            let end = buffer.duration().map(|duration| time + duration);
            let (from, _) = segment.clip(time, end)?;
            segment.to_stream_time(from)
        });
        let stream_time = within.and_then(|(segment, time)| segment.to_stream_time(time));
        if time.is_none() && buffer.flags().contains(gst::BufferFlags::HEADER) {
            // It is in the caps as well. Whether and how often demuxers send it says nothing about the file.
            return;
        }
        let is_kept = part.is_none_or(|part| match stream_time {
            Some(time) => part.contains(time.nseconds()),
            None => time.is_none(),
        });
        if !is_kept {
            return;
        }
        self.packets.count += 1;
        let running = within.and_then(|(segment, time)| segment.to_running_time(time));
        if time.is_some() && running.is_none_or(|running| (running.nseconds() as i64) < start) {
            self.packets.outside += 1;
        } else if time.is_none() {
            self.packets.untimed += 1;
        }
        self.packets.times.extend(presented.map(gst::ClockTime::nseconds));
        self.packets.stored.extend(time.map(gst::ClockTime::nseconds));
        if let Ok(data) = buffer.map_readable() {
            self.digest.update(&data);
        }
    }

    fn take(&mut self) -> Packets {
        let mut packets = std::mem::take(&mut self.packets);
        packets.times.sort_unstable();
        packets.stored.sort_unstable();
        packets.hash = std::mem::take(&mut self.digest).finalize().to_vec();
        self.headers.update(std::mem::take(&mut self.from_caps));
        packets.headers = std::mem::take(&mut self.headers).finalize().to_vec();
        packets
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::media::watchdog;

    /// `parsebin` drops errors of a demuxer that it is starting: whether this one comes is a matter of threads. The stream of sound is read to its end.
    #[test]
    fn a_file_with_a_track_that_its_demuxer_cannot_read_is_never_whole() {
        gst::init().unwrap();
        watchdog::observe();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let sounds = ["0", "1"].map(|number| format!("audiotestsrc num-buffers=5 ! alawenc ! qtmux.audio_{number}"));
        let pipeline = format!(
            "{} qtmux name=qtmux ! filesink location=\"{}\"",
            sounds.join(" "),
            path.display()
        );
        let pipeline = gst::parse::launch(&pipeline).unwrap().downcast().unwrap();
        assert_eq!(Pipeline::start(pipeline).unwrap().wait_end().unwrap(), End::Eos);
        assert_eq!(read(&path, None, 0).unwrap().error, None);
        let mut file = fs::read(&path).unwrap();
        let stsd = file.windows(4).rposition(|window| window == b"stsd").unwrap();
        // The number of entries.
        file[stsd + 8..stsd + 12].fill(0);
        fs::write(&path, file).unwrap();
        for attempt in 0..60 {
            assert!(read(&path, None, 0).unwrap().error.is_some(), "{attempt}");
        }
    }
}
