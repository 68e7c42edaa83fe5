// SPDX-License-Identifier: MPL-2.0

//! AVI states when frames are decoded, and not when they are shown.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use gst::prelude::*;

use crate::clips::{SIDE, folder, frames, launch, launch_with, record, succeed, text, times};

/// A chunk of MPEG-4 without a picture, as encoders write it behind a chunk with two: a P-frame with a time of 16 bits that is not coded.
const EMPTY: &[u8] = b"\0\0\x01\xb6\x50\x00\x1b";

/// Returns the coded frames of a stream with B-frames.
fn coded(encoder: &str) -> Vec<gst::Buffer> {
    let found = Arc::new(Mutex::new(Vec::new()));
    launch_with(
        &format!(
            "videotestsrc num-buffers=40 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! {encoder} ! fakesink name=sink"
        ),
        |bin| {
            let found = found.clone();
            let pad = bin.by_name("sink").unwrap().static_pad("sink").unwrap();
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                found.lock().unwrap().push(info.buffer().unwrap().clone());
                gst::PadProbeReturn::Ok
            });
        },
    );
    std::mem::take(&mut *found.lock().unwrap())
}

fn is_b_frame(frame: &[u8]) -> bool {
    let vop = frame.windows(4).position(|window| window == b"\0\0\x01\xb6").unwrap();
    frame[vop + 4] >> 6 == 2
}

/// Writes chunks into an AVI, one per frame, and whether decoding can begin with each.
fn avi(path: &Path, chunks: &[(Vec<u8>, bool)]) {
    gst::init().unwrap();
    let pipeline = format!(
        "appsrc name=source format=time max-bytes=0 ! video/x-divx,divxversion=5,{SIDE},framerate=25/1 ! \
         avimux ! filesink location=\"{}\"",
        path.display()
    );
    let pipeline = gst::parse::launch(&pipeline).unwrap().downcast::<gst::Bin>().unwrap();
    let source = pipeline
        .by_name("source")
        .unwrap()
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for (number, (chunk, is_key)) in (0..).zip(chunks) {
        let mut buffer = gst::Buffer::from_slice(chunk.clone());
        let made = buffer.get_mut().unwrap();
        made.set_pts(gst::ClockTime::from_mseconds(40 * number));
        made.set_dts(gst::ClockTime::from_mseconds(40 * number));
        made.set_duration(gst::ClockTime::from_mseconds(40));
        if !is_key {
            made.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let end = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(
        matches!(end.as_ref().unwrap().view(), gst::MessageView::Eos(_)),
        "{end:?}"
    );
}

fn assert_all_restored(input: &Path, options: &[&str], expected: u64) {
    let output = input.with_extension(format!("{}.mkv", options.len()));
    succeed(&[&[text(input), "-o", text(&output)], options].concat());
    let record = record(&output);
    assert_eq!(
        (record["gaps"].to_string().as_str(), &record["frames"]),
        ("[]", &expected.into())
    );
    let restored = times(&frames(&output));
    let intervals: Vec<u64> = restored
        .windows(2)
        .map(|pair| pair[1].unwrap() - pair[0].unwrap())
        .collect();
    assert_eq!(restored.len() as u64, expected);
    assert!(
        intervals
            .iter()
            .all(|interval| interval.abs_diff(40_000_000) < 1_000_001),
        "{intervals:?}"
    );
}

#[test]
fn b_frames_of_avi_are_all_restored_from_wherever_decoding_begins() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.avi");
    launch(&format!(
        "videotestsrc num-buffers=40 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! avenc_mpeg4 max-bframes=2 gop-size=12 ! \
         mpeg4videoparse ! avimux ! filesink location=\"{}\"",
        input.display()
    ));
    assert_all_restored(&input, &[], 40);
    // Within a group of pictures.
    assert_all_restored(&input, &["--start", "0.6"], 25);
}

#[test]
fn two_frames_in_one_chunk_of_avi_have_two_times() {
    let (_folder, folder) = folder();
    let input = folder.join("packed.avi");
    let frames = coded("avenc_mpeg4 max-bframes=2 gop-size=12 ! mpeg4videoparse config-interval=-1");
    let frames: Vec<Vec<u8>> = frames
        .iter()
        .map(|frame| frame.map_readable().unwrap().to_vec())
        .collect();
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    let mut packed = false;
    for frame in &frames {
        match (is_b_frame(frame), packed) {
            (true, false) => {
                chunks.last_mut().unwrap().extend(frame);
                packed = true;
            }
            (true, true) => chunks.push(frame.clone()),
            (false, was_packed) => {
                if was_packed {
                    chunks.push(EMPTY.to_vec());
                }
                packed = false;
                chunks.push(frame.clone());
            }
        }
    }
    if packed {
        chunks.push(EMPTY.to_vec());
    }
    assert_eq!(chunks.len(), frames.len());
    // Key frames have the header of the stream before them.
    let is_key = |chunk: &Vec<u8>| chunk.windows(4).any(|window| window == b"\0\0\x01\xb0");
    let chunks: Vec<_> = chunks
        .into_iter()
        .map(|chunk| (chunk.clone(), is_key(&chunk)))
        .collect();
    avi(&input, &chunks);
    assert_all_restored(&input, &[], 40);
}

#[test]
fn frames_that_are_shown_before_the_key_frame_that_precedes_them_are_all_restored() {
    let (_folder, folder) = folder();
    for (code, encoder) in [
        (
            b"H264",
            "x264enc key-int-max=12 bframes=3 b-adapt=false option-string=\"open-gop=1\" ! video/x-h264,stream-format=byte-stream,alignment=au",
        ),
        (
            b"H265",
            "x265enc key-int-max=12 option-string=\"open-gop=1:bframes=3:b-adapt=0\" ! video/x-h265,stream-format=byte-stream,alignment=au",
        ),
    ] {
        let input = folder.join(format!("{}.avi", String::from_utf8_lossy(code)));
        let is_key = |frame: &gst::Buffer| !frame.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let chunks: Vec<_> = coded(encoder)
            .iter()
            .map(|frame| (frame.map_readable().unwrap().to_vec(), is_key(frame)))
            .collect();
        assert!(chunks.iter().filter(|(_, is_key)| *is_key).count() > 2);
        avi(&input, &chunks);
        let mut bytes = fs::read(&input).unwrap();
        let places: Vec<usize> = (0..bytes.len() - 4)
            .filter(|&at| &bytes[at..at + 4] == b"DX50")
            .collect();
        for at in places {
            bytes[at..at + 4].copy_from_slice(code);
        }
        fs::write(&input, bytes).unwrap();
        assert_all_restored(&input, &[], 40);
        assert_all_restored(&input, &["--start", "0.6"], 25);
    }
}
