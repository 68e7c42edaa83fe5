// SPDX-License-Identifier: MPL-2.0

//! The frames of a file's videos, their times and sync points, found by demuxing it once without decoding.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use gst::prelude::*;

use super::{
    damage,
    videos::{self, CodedFrame, Video, VideoChoice, VideoNumber, choose, left_out, main},
};
use crate::{
    error::Error,
    media::{
        broadcast, codec_name,
        colour::Colour,
        demuxer::{self, Kind, Parsing},
        early_messages::EarlyMessages,
        encrypted, frame_packing, frame_size,
        orientation::{self, Orientation},
        pipeline::Pipeline,
        stereo, transport,
    },
    sync::lock,
};

/// Codecs whose headers are buffers of their own, without a time.
const WITH_HEADERS: [&str; 4] = ["video/x-theora", "video/x-dirac", "video/x-vp8", "video/x-daala"];

/// A video that is restored, in its file.
#[derive(Debug)]
pub struct Scan {
    pub path: PathBuf,
    pub video: VideoNumber,
    /// Whether it is the one that is restored unasked.
    pub is_main: bool,
    /// It in words, as in `96x64 video/x-h264, 60 frames`.
    pub description: String,
    /// The caps of the coded video.
    pub caps: gst::Caps,
    /// Whether only the bitstream states that both eyes are in one picture.
    pub packing_in_bitstream: bool,
    pub colour: Colour,
    /// How pictures are shown, as the container states it. `None` where that is no whole number of quarter turns.
    pub orientation: Option<Orientation>,
    /// The same, as the first frame states it.
    pub coded_orientation: Option<Orientation>,
    /// In ascending order of their times.
    pub frames: Vec<CodedFrame>,
    /// Running time of the first frame minus its stream time, in nanoseconds. Recordings of broadcasts start at a time of day.
    pub shift: i64,
    /// Stream time from which times are counted that people state, in nanoseconds: that of the earliest packet of a broadcast, as players show it.
    pub origin: u64,
    pub is_matroska: bool,
    /// Whether a seek leads to the frames of its time, and not behind them.
    pub can_seek: bool,
    /// When the file was recorded, if it says that.
    pub recorded: Option<gst::glib::DateTime>,
    /// Number of all streams.
    pub streams: usize,
    /// The caps of all streams that are not restored.
    pub others: Vec<gst::Caps>,
    /// The error that ended reading after the first frames, or what is missing at the end.
    pub damage: Option<String>,
}

/// What the streaming threads have found.
#[derive(Debug, Default)]
struct Found {
    streams: usize,
    /// The ids and caps of all streams.
    all: Vec<(String, gst::Caps)>,
    /// By the id of the stream, which orders them as in the file.
    videos: BTreeMap<String, Arc<Mutex<FoundVideo>>>,
    /// The earliest stream time of a broadcast.
    earliest: Option<u64>,
    is_program_stream: bool,
    recorded: Option<gst::glib::DateTime>,
}

#[derive(Debug, Default)]
struct FoundVideo {
    video: Video,
    /// The first frame, with the caps that it came with: parsers complete them by what they find in it.
    first: Option<(gst::Buffer, gst::Caps)>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    /// The last tag `image-orientation`.
    orientation: Option<String>,
    /// The parser that it comes from, if that drops messages.
    parser: Option<String>,
}

impl Scan {
    /// Demuxes `path` from start to end. Returns the chosen videos, at least one, in the order of the file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::NoVideo`], [`Error::Unsuitable`] and [`Error::MissingPlugin`] where no frame is found; [`Error::NoSuchVideo`];
    /// [`Error::Interrupted`].
    pub fn run(path: &Path, choice: VideoChoice) -> Result<Vec<Self>, Error> {
        let found = Arc::new(Mutex::new(Found::default()));
        let (shared, early) = (found.clone(), EarlyMessages::default());
        let parsers = early.clone();
        let on_stream = move |_: &gst::Pipeline, pad: &gst::Pad, stream: &demuxer::Stream, caps: &gst::Caps| {
            collect_time_of_recording(pad, shared.clone());
            collect_earliest(pad, shared.clone());
            let mut found = lock(&shared);
            found.streams += 1;
            found.all.push((stream.id.clone(), caps.clone()));
            if stream.kind == Kind::Other {
                return;
            }
            let before = found.videos.iter();
            let after = before.map(|(id, video)| (id.clone(), lock(video).video.frames.len()));
            let after = after.filter(|(_, frames)| *frames > 0).collect();
            let video = found.videos.entry(stream.id.clone()).or_default();
            add_probe(pad, video.clone());
            let mut video = lock(video);
            video.parser = video.parser.take().or_else(|| parsers.parser(pad));
            let known = &mut video.video;
            known.id.clone_from(&stream.id);
            known.after = after;
            known.enabled = stream.enabled;
            known.is_picture = stream.kind == Kind::Picture;
            known.caps.get_or_insert_with(|| caps.clone());
        };
        let pipeline = demuxer::pipeline(path, Parsing::Unframed, on_stream)?;
        early.watch(&pipeline);
        let (end, missing) = match Pipeline::start(pipeline) {
            Ok(pipeline) => (pipeline.wait_end()?, pipeline.missing_for_video()),
            Err(end) => (end, None),
        };
        let found = std::mem::take(&mut *lock(&found));
        let found_videos = found.videos.values().map(|found| std::mem::take(&mut *lock(found)));
        let (moving, still): (Vec<_>, Vec<_>) = found_videos.partition(|found| found.video.is_moving());
        let untimed = still
            .iter()
            .find(|found| found.video.untimed > 1)
            .map(FoundVideo::media_type);
        // Streams of joined Ogg files have random ids. Those that go on at the same time stay as their ids order them.
        let earlier = |found: &FoundVideo| {
            let ended = moving.iter().filter(|other| found.video.comes_after(&other.video));
            ended.count()
        };
        let earlier: Vec<_> = moving.iter().map(earlier).collect();
        let mut moving: Vec<_> = earlier.into_iter().zip(moving).collect();
        moving.sort_by_key(|(earlier, _)| *earlier);
        let (mut videos, rest): (Vec<_>, Vec<_>) = moving
            .into_iter()
            .map(|(_, found)| (found.video, (found.first, found.orientation, found.parser)))
            .unzip();
        for video in &mut videos {
            let stored = video.caps.as_ref().filter(|stored| !stereo::is_stereo(stored));
            if let Some(caps) = stored.and_then(|stored| stereo::of_movie(path, &video.id, stored)) {
                video.caps = Some(caps);
            }
            // Stable, since frames of equal times are presented as they come.
            video.frames.sort_by_key(|frame| frame.time);
        }
        if videos.is_empty() {
            if found.all.iter().any(|(_, caps)| encrypted::is_video(caps)) {
                return Err(Error::Unsuitable {
                    path: path.to_owned(),
                    reason: "its video is encrypted; give a copy that has been decrypted".into(),
                });
            }
            end.into_read_result(path)?;
            if let Some(media) = untimed {
                return Err(without_times(path, &media));
            }
            // Without a parser for the video the other streams are still read to their end.
            missing.map_or(Ok(()), |missing| missing.into_read_result(path))?;
            return Err(Error::NoVideo { path: path.to_owned() });
        }
        let chosen = choose(&videos, choice);
        if chosen.is_empty() {
            return Err(Error::NoSuchVideo {
                path: path.to_owned(),
                videos: videos.len(),
            });
        }
        let (of, main) = (videos.len(), main(&videos));
        let is_restored = |id: &String| chosen.iter().any(|&index| videos[index].id == *id);
        let others = found.all.iter().filter(|(id, _)| !is_restored(id));
        let others: Vec<gst::Caps> = others.map(|(_, caps)| caps.clone()).collect();
        let damage = end.into_read_result(path).err().map(Error::into_reason);
        let damage = damage
            .or_else(|| damage::of(path))
            .or_else(|| left_out(&videos, &chosen));
        let without_times = videos::without_times(&videos, &chosen);
        let damage: Vec<String> = damage.into_iter().chain(without_times).collect();
        let damage = (!damage.is_empty()).then(|| damage.join("; "));
        let is_matroska = damage::is_matroska(path);
        // GStreamer 1.22's demuxer of program streams guesses the place from the bit rate.
        let can_seek = !found.is_program_stream && !transport::are_times_corrected(path);
        let scanned = videos.into_iter().zip(rest).enumerate();
        Ok(scanned
            .filter(|(index, _)| chosen.contains(index))
            .map(|(index, (video, (first_frame, tag, parser)))| {
                let early = parser.map(|parser| early.of(&parser)).unwrap_or_default();
                let mut packing = None;
                let in_frame = first_frame.and_then(|(frame, caps)| {
                    let data = frame.map_readable().ok()?;
                    let stored = video.caps.as_ref().filter(|stored| !stereo::is_stereo(stored));
                    packing = stored.and_then(|_| frame_packing::stated(&caps, &early, &data));
                    let colour = Colour::read(path, &video.id, &caps, &early, &data);
                    Some((colour, orientation::read_coded(&caps, &early, &data)))
                });
                let (colour, coded_orientation) = in_frame.unwrap_or((Colour::default(), Some(Orientation::UPRIGHT)));
                let packing_in_bitstream = packing.is_some();
                Self {
                    path: path.to_owned(),
                    is_main: Some(index) == main,
                    colour,
                    orientation: orientation::read(path, &video.id, tag.as_deref()),
                    coded_orientation,
                    description: video.to_string(),
                    video: VideoNumber {
                        number: index + 1,
                        of,
                        stream: video.id,
                    },
                    caps: packing.or(video.caps).unwrap_or_else(gst::Caps::new_empty),
                    packing_in_bitstream,
                    frames: video.frames,
                    shift: video.shift.unwrap_or(0),
                    origin: found.earliest.unwrap_or(0),
                    is_matroska,
                    can_seek,
                    recorded: found.recorded.clone(),
                    streams: found.streams,
                    others: others.clone(),
                    damage: damage.clone(),
                }
            })
            .collect())
    }

    /// Returns the end of the last frame in nanoseconds.
    pub fn length(&self) -> u64 {
        // Matroska need not state durations. The last frame gets that of the one before it.
        let before = self.frames.iter().rev().nth(1);
        let last = self.frames.last();
        last.map_or(0, |frame| {
            let interval = before.map_or(0, |before| frame.time - before.time);
            frame.time + frame.duration.unwrap_or(interval)
        })
    }

    /// Returns the frames that are presented at a stream time in nanoseconds.
    pub fn frames_at(&self, time: u64) -> &[CodedFrame] {
        let from = self.frames.partition_point(|frame| frame.time < time);
        let to = self.frames.partition_point(|frame| frame.time <= time);
        &self.frames[from..to]
    }

    /// Checks what can be known before the work: that the model takes frames of this size, as far as the container states it, and that GStreamer knows the
    /// codec.
    ///
    /// # Errors
    /// [`Error::Unsuitable`].
    pub fn check(&self) -> Result<(), Error> {
        self.check_size()?;
        self.check_codec()
    }

    fn check_size(&self) -> Result<(), Error> {
        let side = |name| self.caps.structure(0).and_then(|first| first.get::<i32>(name).ok());
        let size = side("width").zip(side("height"));
        match size.and_then(|(width, height)| frame_size::refusal(width, height)) {
            Some(reason) => Err(Error::Unsuitable {
                path: self.path.clone(),
                reason,
            }),
            None => Ok(()),
        }
    }

    /// Whether the width or the height of the pictures is odd, as far as the container states them.
    pub fn has_odd_side(&self) -> bool {
        let side = |name| self.caps.structure(0).and_then(|first| first.get::<i32>(name).ok());
        ["width", "height"]
            .into_iter()
            .filter_map(side)
            .any(|side| side % 2 != 0)
    }

    fn check_codec(&self) -> Result<(), Error> {
        codec_name::of_unknown(&self.caps).map_or(Ok(()), |codec| {
            let reason = format!(
                "GStreamer does not know what the container calls the codec of its video ({codec}); convert it before, as with \
                 'ffmpeg -i IN -c:v ffv1 -c:a copy OUT.mkv'"
            );
            let path = self.path.clone();
            Err(Error::Unsuitable { path, reason })
        })
    }

    /// Returns the media type of the video, as in "video/x-h264".
    pub fn media_type(&self) -> &str {
        self.caps.structure(0).map_or("", |first| first.name().as_str())
    }
}

/// Returns the error for a file whose video, of this media type, has frames, but no times of them.
fn without_times(path: &Path, media: &str) -> Error {
    let why = match transport::lacks_clock(path) {
        true => "the file has no clock (PCR), without which GStreamer does not know the times of its frames".to_owned(),
        false => format!("GStreamer finds no times of the frames of its video ({media})"),
    };
    let other = if damage::is_matroska(path) { "mov" } else { "mkv" };
    Error::Unsuitable {
        path: path.to_owned(),
        reason: format!("{why}; copy it into another container before, as with 'ffmpeg -i IN -c copy OUT.{other}'"),
    }
}

/// Records every frame that passes a pad.
fn add_probe(pad: &gst::Pad, found: Arc<Mutex<FoundVideo>>) {
    let tagged = found.clone();
    demuxer::on_tags(pad, move |tags| {
        if let Some(orientation) = tags.get::<gst::tags::ImageOrientation>() {
            lock(&tagged).orientation = Some(orientation.get().to_owned());
        }
    });
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(what, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            let mut found = lock(&found);
            if found.first.is_none() {
                found.first = pad.current_caps().map(|caps| (buffer.clone(), caps));
            }
            found.record(buffer);
            return gst::PadProbeReturn::Ok;
        }
        if let Some(gst::EventView::Segment(event)) = info.event().map(|event| event.view()) {
            lock(&found).segment = event.segment().clone().downcast().ok();
        } else if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view()) {
            lock(&found).video.caps.get_or_insert_with(|| event.caps_owned());
        }
        gst::PadProbeReturn::Ok
    });
}

/// Collects the first time of recording that the tags of a pad state.
fn collect_time_of_recording(pad: &gst::Pad, found: Arc<Mutex<Found>>) {
    demuxer::on_tags(pad, move |tags| {
        if let Some(time) = tags.get::<gst::tags::DateTime>()
            && let Ok(time) = time.get().to_g_date_time()
        {
            lock(&found).recorded.get_or_insert(time);
        }
    });
}

/// Collects the earliest time of the streams of a broadcast.
fn collect_earliest(pad: &gst::Pad, found: Arc<Mutex<Found>>) {
    let elements = demuxer::elements_before(pad);
    let Some(demuxer) = elements.last().filter(|last| broadcast::is_broadcast(last)) else {
        return;
    };
    lock(&found).is_program_stream |= broadcast::is_program_stream(demuxer);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let pts = info.buffer().and_then(|buffer| buffer.pts());
        let time = pts.and_then(|pts| {
            let event = pad.sticky_event::<gst::event::Segment>(0)?;
            let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
            segment.to_stream_time(pts)
        });
        if let Some(time) = time.map(gst::ClockTime::nseconds) {
            let earliest = &mut lock(&found).earliest;
            *earliest = Some(earliest.map_or(time, |earliest| earliest.min(time)));
        }
        gst::PadProbeReturn::Ok
    });
}

impl FoundVideo {
    fn media_type(&self) -> String {
        let first = self.video.caps.as_ref().and_then(|caps| caps.structure(0));
        first.map_or("unknown", |first| first.name().as_str()).into()
    }

    /// Whether a buffer is a header of the codec, which demuxers send ahead of the frames of some.
    fn is_header(&self, buffer: &gst::BufferRef) -> bool {
        buffer.flags().contains(gst::BufferFlags::HEADER) && WITH_HEADERS.contains(&self.media_type().as_str())
    }

    /// Records a frame, unless it is outside of the segment and so never presented. A frame without PTS (in some AVI files) has a DTS.
    fn record(&mut self, buffer: &gst::BufferRef) {
        let Some(segment) = &self.segment else { return };
        let duration = buffer.duration();
        let Some(pts) = buffer.pts().or(buffer.dts()) else {
            self.video.untimed += usize::from(!self.is_header(buffer));
            return;
        };
        let Some((from, _)) = segment.clip(pts, duration.map(|duration| pts + duration)) else {
            return;
        };
        if let Some(time) = segment.to_stream_time(from) {
            let running = segment.to_running_time(from).map_or(time, |running| running);
            self.video
                .shift
                .get_or_insert(running.nseconds() as i64 - time.nseconds() as i64);
            self.video.frames.push(CodedFrame {
                time: time.nseconds(),
                pts: pts.nseconds(),
                duration: duration.map(gst::ClockTime::nseconds),
                sync: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            });
        }
    }
}
