// SPDX-License-Identifier: MPL-2.0

//! Clips to restore, running the command, and reading its outputs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use gst::prelude::*;

use crate::common::command;

pub const SIDE: &str = "width=96,height=64";

/// Returns `blurdm restore` on the CPU provider, which every runtime has.
pub fn restore(arguments: &[&str]) -> Command {
    let mut command = command();
    command
        .arg("restore")
        .args(["--execution-provider", "cpu"])
        .args(arguments);
    command
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn run(arguments: &[&str]) -> Output {
    restore(arguments).output().unwrap()
}

/// Runs a command that must succeed.
pub fn succeed(arguments: &[&str]) -> Output {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    output
}

pub fn launch(pipeline: &str) {
    launch_with(pipeline, |_| {});
}

/// As [`launch`], after `prepare`.
pub fn launch_with(pipeline: &str, prepare: impl FnOnce(&gst::Bin)) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(pipeline).unwrap();
    prepare(pipeline.downcast_ref().unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(end.is_some_and(|message| message.type_() == gst::MessageType::Eos));
}

/// Makes a clip of a moving ball with audio, in the container of the muxer.
pub fn clip(path: &Path, frames: usize, muxer: &str) {
    clip_of(SIDE, path, frames, muxer);
}

pub fn clip_of(size: &str, path: &Path, frames: usize, muxer: &str) {
    let path = path.display();
    launch(&format!(
        "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,{size},framerate=25/1 ! x264enc key-int-max=50 bframes=2 ! h264parse ! mux. \
         audiotestsrc num-buffers={} samplesperbuffer=1920 ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! mux. \
         {muxer} name=mux ! filesink location=\"{path}\"",
        frames
    ));
}

/// Makes an MP4 clip of a moving ball, which has a key frame every second and frames in the order of their times.
pub fn mp4(path: &Path, frames: usize) {
    launch(&format!(
        "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! \
         x264enc key-int-max=25 bframes=0 ! h264parse ! mp4mux ! filesink location=\"{}\"",
        path.display()
    ));
}

/// Changes the fields of a box of this type, the first in the file. They begin after version and flags.
pub fn patch(path: &Path, kind: &[u8; 4], change: impl Fn(&mut [u8])) {
    let mut file = fs::read(path).unwrap();
    let at = file.windows(4).position(|window| window == kind).unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    change(&mut file[at + 8..at - 4 + size]);
    fs::write(path, file).unwrap();
}

/// Takes the duration that all packets of a track have out of the tracks of a Matroska file.
pub fn forget_default_durations(file: &mut [u8]) {
    while let Some(at) = file.windows(3).position(|window| window == b"\x23\xe3\x83") {
        let bytes = file[at + 3] & 0x7f;
        // A Void element of the same length.
        file[at] = 0xec;
        file[at + 1] = 0x80 | (bytes + 2);
    }
}

/// Changes a big-endian 32-bit number.
pub fn change(number: &mut [u8], by: impl Fn(u32) -> u32) {
    let old = u32::from_be_bytes(number.try_into().unwrap());
    number.copy_from_slice(&by(old).to_be_bytes());
}

pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Times in nanoseconds and contents of the packets of each stream, by its media type.
pub type Streams = BTreeMap<String, Vec<(Option<u64>, Vec<u8>)>>;

pub fn packets(path: &Path) -> Streams {
    streams(path, "parsebin")
}

/// Returns the decoded frames of the video.
pub fn frames(path: &Path) -> Vec<(Option<u64>, Vec<u8>)> {
    streams(path, "decodebin").remove("video/x-raw").unwrap_or_default()
}

pub fn streams(path: &Path, parts: &str) -> Streams {
    read(path, parts, |pad| {
        pad.current_caps().unwrap().structure(0).unwrap().name().to_string()
    })
}

/// As [`packets`], by the id of the track.
pub fn tracks(path: &Path) -> Streams {
    read(path, "parsebin", track_id)
}

/// Returns the decoded frames of each video, by the id of the track.
pub fn frames_of_tracks(path: &Path) -> Streams {
    let mut decoded = read(path, "decodebin", track_id);
    decoded.retain(|_, frames| frames.iter().any(|(_, frame)| frame.len() > 4096));
    decoded
}

fn track_id(pad: &gst::Pad) -> String {
    let id = pad.stream_id().unwrap().to_string();
    // Matroska's has the UID of the track as well.
    let own = id.split('/').nth(1).unwrap_or_default();
    own.split(':').next().unwrap_or_default().into()
}

fn read(path: &Path, parts: &str, name: fn(&gst::Pad) -> String) -> Streams {
    use std::sync::{Arc, Mutex};

    gst::init().unwrap();
    let found = Arc::new(Mutex::new(Streams::new()));
    let pipeline = gst::Pipeline::new();
    let file = gst::ElementFactory::make("filesrc")
        .property("location", path)
        .build()
        .unwrap();
    let parts = gst::ElementFactory::make(parts).build().unwrap();
    pipeline.add_many([&file, &parts]).unwrap();
    file.link(&parts).unwrap();
    let (inside, collected) = (pipeline.downgrade(), found.clone());
    parts.connect_pad_added(move |_, pad| {
        let pipeline = inside.upgrade().unwrap();
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()
            .unwrap();
        pipeline.add(&sink).unwrap();
        sink.sync_state_with_parent().unwrap();
        pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        let collected = collected.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let name = name(pad);
            let buffer = info.buffer().unwrap();
            let content = buffer.map_readable().unwrap().to_vec();
            let packet = (buffer.pts().map(gst::ClockTime::nseconds), content);
            collected.lock().unwrap().entry(name).or_default().push(packet);
            gst::PadProbeReturn::Ok
        });
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    std::mem::take(&mut *found.lock().unwrap())
}

pub fn times(packets: &[(Option<u64>, Vec<u8>)]) -> Vec<Option<u64>> {
    let mut times: Vec<_> = packets.iter().map(|(time, _)| *time).collect();
    times.sort_unstable();
    times
}

/// Reads the record of an output.
pub fn record(output: &Path) -> serde_json::Value {
    let mut path = output.as_os_str().to_owned();
    path.push(".json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Asserts that audio is the same bit for bit, and that every frame has its time.
pub fn assert_kept(original: &Path, output: &Path) {
    let (mut original, mut output) = (packets(original), packets(output));
    let (before, after) = (
        original.remove("video/x-h264").unwrap(),
        output.remove("video/x-h264").unwrap(),
    );
    assert_eq!(times(&before), times(&after));
    assert!(original == output, "another stream has changed");
    assert!(before != after, "nothing was restored");
}

/// Makes the first track with this handler of an MP4 an encrypted one by its boxes (ISO/IEC 23001-7), if not by its samples. Its `moov` must be the last box.
pub fn encrypt(path: &Path, handler: [u8; 4]) {
    let mut file = fs::read(path).unwrap();
    let (mut parents, mut at, mut within) = (Vec::new(), 0, file.len());
    let mut wanted = ["moov", "trak", "mdia", "minf", "stbl", "stsd"].into_iter().peekable();
    while let Some(&kind) = wanted.peek() {
        assert!(at < within, "there is no {kind}");
        let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let is_other_track = kind == "trak" && !file[at..at + size].windows(4).any(|window| window == handler);
        if &file[at + 4..at + 8] == kind.as_bytes() && !is_other_track {
            wanted.next();
            parents.push(at);
            within = at + size;
            at += 8;
        } else {
            at += size;
        }
    }
    // Behind version, flags and the number of entries.
    let entry = at + 8;
    parents.push(entry);
    let size = u32::from_be_bytes(file[entry..entry + 4].try_into().unwrap()) as usize;
    let coding = file[entry + 4..entry + 8].to_vec();
    file[entry + 4..entry + 8].copy_from_slice(if &handler == b"vide" { b"encv" } else { b"enca" });
    let boxed =
        |kind: &[u8; 4], content: &[u8]| [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat();
    let scheme = boxed(b"schm", b"\0\0\0\0cenc\0\x01\0\0");
    let key = boxed(b"tenc", &[&[0, 0, 0, 0, 0, 0, 1, 8][..], &[7; 16]].concat());
    let protection = [boxed(b"frma", &coding), scheme, boxed(b"schi", &key)].concat();
    let sinf = boxed(b"sinf", &protection);
    // The vectors of the samples, and where they are.
    let stbl_end = within_end(&file, parents[4]);
    let vectors: Vec<u8> = (0..60_u64).flat_map(u64::to_be_bytes).collect();
    let senc = boxed(b"senc", &[&[0, 0, 0, 0, 0, 0, 0, 60][..], &vectors].concat());
    let saiz = boxed(b"saiz", &[0, 0, 0, 0, 8, 0, 0, 0, 60]);
    let first = (stbl_end + sinf.len() + saiz.len() + 20 + 16) as u32;
    let saio = boxed(b"saio", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &first.to_be_bytes()].concat());
    let tables = [saiz, saio, senc].concat();
    for (depth, parent) in parents.into_iter().enumerate() {
        let more = sinf.len() + if depth < 5 { tables.len() } else { 0 };
        change(&mut file[parent..parent + 4], |old| old + more as u32);
    }
    file.splice(stbl_end..stbl_end, tables);
    file.splice(entry + size..entry + size, sinf);
    fs::write(path, file).unwrap();
}

fn within_end(file: &[u8], start: usize) -> usize {
    start + u32::from_be_bytes(file[start..start + 4].try_into().unwrap()) as usize
}
