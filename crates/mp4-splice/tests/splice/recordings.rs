// SPDX-License-Identifier: MPL-2.0

//! Recordings and segments, made and read with GStreamer's elements.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
};

use gst::prelude::*;
use gst_app::AppSink;
use mp4_splice::{Movie, Segment, splice};

const WIDTH: i32 = 64;
const HEIGHT: i32 = 48;
const HANG: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// How a recording is made.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Presentation times of the frames in milliseconds.
    pub times: Vec<u64>,
    pub muxer: &'static str,
    pub encoder: &'static str,
    pub audio: bool,
    pub subtitles: bool,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            times: variable_rate(40),
            muxer: "mp4mux",
            encoder: "x264enc bframes=2 key-int-max=12",
            audio: true,
            subtitles: true,
        }
    }
}

/// A variable frame rate, as of a camera that exposes longer at night.
pub fn variable_rate(frames: usize) -> Vec<u64> {
    let steps = [33, 33, 34, 50, 66, 33, 100, 41];
    let mut now = 0;
    (0..frames)
        .map(|frame| {
            let time = now;
            now += steps[frame % steps.len()];
            time
        })
        .collect()
}

impl Recording {
    pub fn make(&self, path: &Path) -> PathBuf {
        let mut description = format!(
            "{} name=m ! filesink name=file videotestsrc name=camera num-buffers={} pattern=ball ! \
             video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=30/1 ! {} ! h264parse ! m.",
            self.muxer,
            self.times.len(),
            self.encoder
        );
        if self.audio {
            description += " audiotestsrc num-buffers=90 wave=ticks ! audio/x-raw,rate=44100,channels=2 ! audioconvert ! avenc_aac ! \
                            aacparse ! taginject tags=\"title=\\\"Night ride\\\",artist=Camera\" ! queue ! m.";
        }
        if self.subtitles {
            description += " appsrc name=words format=time caps=text/x-raw,format=utf8 ! queue ! m.subtitle_0";
        }
        let pipeline = pipeline(&description);
        pipeline
            .by_name("file")
            .unwrap()
            .set_property("location", path.to_str().unwrap());
        self.retime(&pipeline.by_name("camera").unwrap());
        if let Some(words) = pipeline.by_name("words") {
            push_subtitles(&words.downcast().unwrap());
        }
        run(&pipeline);
        rotate(path);
        path.into()
    }

    fn retime(&self, camera: &gst::Element) {
        let times = self.times.clone();
        let next = Mutex::new(0);
        let pad = camera.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let mut next = next.lock().unwrap();
            let buffer = info.buffer_mut().unwrap().make_mut();
            let end = times.get(*next + 1).copied().unwrap_or(times[*next] + 33);
            buffer.set_pts(gst::ClockTime::from_mseconds(times[*next]));
            buffer.set_duration(gst::ClockTime::from_mseconds(end - times[*next]));
            *next += 1;
            gst::PadProbeReturn::Ok
        });
    }
}

/// Writes a rotation by 90 degrees into the matrix of the video's track header.
fn rotate(path: &Path) {
    const MATRIX: usize = 4 + 40;
    let mut file = fs::read(path).unwrap();
    let video = file
        .windows(16)
        .position(|window| window.starts_with(b"hdlr") && window.ends_with(b"vide"))
        .unwrap();
    let header = file[..video].windows(4).rposition(|window| window == b"tkhd").unwrap();
    let matrix: [u32; 9] = [0, 1 << 16, 0, 0xffff_0000, 0, 0, (HEIGHT as u32) << 16, 0, 1 << 30];
    for (field, number) in file[header + MATRIX..].chunks_exact_mut(4).zip(matrix) {
        field.copy_from_slice(&number.to_be_bytes());
    }
    fs::write(path, file).unwrap();
}

fn push_subtitles(words: &gst_app::AppSrc) {
    for (start, text) in [(0, "Dark"), (700, "Deer, ahead"), (1100, "Stopped")] {
        let mut buffer = gst::Buffer::from_slice(text);
        let fields = buffer.get_mut().unwrap();
        fields.set_pts(gst::ClockTime::from_mseconds(start));
        fields.set_duration(gst::ClockTime::from_mseconds(300));
        words.push_buffer(buffer).unwrap();
    }
    words.end_of_stream().unwrap();
}

/// Makes a segment of the new video. Its own times are not used.
pub fn segment(path: &Path, frames: usize, pattern: &str, encoder: &str) -> PathBuf {
    let pipeline = pipeline(&format!(
        "videotestsrc num-buffers={frames} pattern={pattern} ! \
         video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=30/1 ! \
         {encoder} ! mp4mux ! filesink name=file"
    ));
    pipeline
        .by_name("file")
        .unwrap()
        .set_property("location", path.to_str().unwrap());
    run(&pipeline);
    path.into()
}

fn pipeline(description: &str) -> gst::Pipeline {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(description).unwrap_or_else(|error| panic!("{description}: {error}"));
    pipeline.downcast().unwrap()
}

fn run(pipeline: &gst::Pipeline) {
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let types = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(HANG, &types).expect("the pipeline hangs");
    if let gst::MessageView::Error(error) = message.view() {
        panic!("{} {:?}", error.error(), error.debug());
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

/// A track as `qtdemux` reads it.
#[derive(Debug, PartialEq)]
pub struct Stream {
    pub name: String,
    pub caps: gst::Caps,
    pub packets: Vec<Packet>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    pub pts: Option<u64>,
    pub duration: Option<u64>,
    /// In nanoseconds, by the segment event. Negative before the start of the edit list.
    pub stream_time: Option<i128>,
    pub bytes: Vec<u8>,
}

/// Returns all streams of a file in the order of their names, and the tags that `qtdemux` sends.
pub fn demuxed(path: &Path) -> (Vec<Stream>, Vec<String>) {
    let pipeline = pipeline("filesrc name=file ! qtdemux name=d");
    pipeline
        .by_name("file")
        .unwrap()
        .set_property("location", path.to_str().unwrap());
    let demuxer = pipeline.by_name("d").unwrap();
    let (streams, tags) = (
        Arc::<Mutex<Vec<Stream>>>::default(),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let (ended, end) = mpsc::channel();
    let (found, found_tags) = (streams.clone(), tags.clone());
    // Nothing is linked: buffers end in the probes.
    demuxer.connect_pad_added(move |_, pad| {
        let number = found.lock().unwrap().len();
        found.lock().unwrap().push(Stream {
            name: pad.name().into(),
            caps: gst::Caps::new_empty(),
            packets: Vec::new(),
        });
        let (found, found_tags, ended) = (found.clone(), found_tags.clone(), ended.clone());
        pad.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, move |pad, info| {
            if let Some(buffer) = info.buffer() {
                let stream = &mut found.lock().unwrap()[number];
                stream.caps = pad.current_caps().unwrap();
                stream.packets.push(packet(pad, buffer));
                return gst::PadProbeReturn::Drop;
            }
            match info.event().map(|event| event.view()) {
                Some(gst::EventView::Tag(tag)) => found_tags.lock().unwrap().push(tag.tag_owned().to_string()),
                Some(gst::EventView::Eos(_)) => ended.send(()).unwrap(),
                _ => (),
            }
            gst::PadProbeReturn::Ok
        });
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let wait = || {
        end.recv_timeout(HANG.into())
            .unwrap_or_else(|_| panic!("{}: the demuxer hangs", path.display()))
    };
    // When one stream has ended all streams are known.
    wait();
    let count = streams.lock().unwrap().len();
    (1..count).for_each(|_| wait());
    pipeline.set_state(gst::State::Null).unwrap();
    let mut streams = std::mem::take(&mut *streams.lock().unwrap());
    streams.sort_by(|one, other| one.name.cmp(&other.name));
    let tags = std::mem::take(&mut *tags.lock().unwrap());
    (streams, tags)
}

fn packet(pad: &gst::Pad, buffer: &gst::Buffer) -> Packet {
    let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
    let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap();
    Packet {
        pts: buffer.pts().map(gst::ClockTime::nseconds),
        duration: buffer.duration().map(gst::ClockTime::nseconds),
        stream_time: segment.to_stream_time_full(buffer.pts()).map(|time| match time {
            gst::Signed::Positive(time) => i128::from(time.nseconds()),
            gst::Signed::Negative(time) => -i128::from(time.nseconds()),
        }),
        bytes: buffer.map_readable().unwrap().to_vec(),
    }
}

/// Returns the decoded pictures of a file in presentation order.
pub fn pictures(path: &Path) -> Vec<Vec<u8>> {
    let pipeline = pipeline(
        "filesrc name=file ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! appsink name=sink sync=false max-buffers=0",
    );
    pipeline
        .by_name("file")
        .unwrap()
        .set_property("location", path.to_str().unwrap());
    let sink: AppSink = pipeline.by_name("sink").unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut pictures = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        pictures.push(sample.buffer().unwrap().map_readable().unwrap().to_vec());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    pictures
}

/// Opens segments.
pub fn opened(segments: &[PathBuf]) -> Vec<Segment> {
    segments.iter().map(|path| Segment::open(path).unwrap()).collect()
}

/// Splices segments that have a frame for every frame of the original.
pub fn spliced(original: &Path, segments: &[PathBuf], out: &Path) -> Vec<String> {
    let movie = Movie::open(original).unwrap();
    let ticks = movie.video().unwrap().presentation_ticks;
    let tags = [("blurdm", "nano, 3 Schritte über alles"), ("enhanced", "yes")];
    splice(&movie, &opened(segments), &ticks, &tags, fs::File::create(out).unwrap()).unwrap()
}
