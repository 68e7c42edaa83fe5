// SPDX-License-Identifier: MPL-2.0

//! Files that are damaged where demuxers pass over it: the gap is told with exit status 3, as for an ordinary MP4.

use std::{
    fs,
    path::Path,
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gst::prelude::*;

use crate::clips::{SIDE, clip, folder, frames, launch_with, record, run, stderr, succeed, text};

/// Endings and muxers of containers whose streams are found anywhere in the file.
const CONTAINERS: [(&str, &str); 5] = [
    ("fragmented.mp4", "mp4mux fragment-duration=200"),
    ("clip.mkv", "matroskamux max-cluster-duration=400000000"),
    ("live.mkv", "matroskamux streamable=true max-cluster-duration=400000000"),
    ("clip.webm", "webmmux max-cluster-duration=400000000"),
    ("clip.ts", "mpegtsmux"),
];

const FRAMES: usize = 60;

fn make(path: &Path, muxer: &str) {
    if !muxer.starts_with("webmmux") {
        return clip(path, FRAMES, muxer);
    }
    launch_with(
        &format!(
            "videotestsrc num-buffers={FRAMES} pattern=ball ! video/x-raw,{SIDE},framerate=25/1 ! \
             vp9enc deadline=1 cpu-used=8 keyframe-max-dist=10 ! {muxer} ! filesink location=\"{}\"",
            path.display()
        ),
        |_| {},
    );
}

/// Restores a file that must be damaged, and returns what the record says about that.
fn gaps(input: &Path, output: &Path) -> String {
    let result: Output = run(&[text(input), "-o", text(output), "--strength", "0"]);
    assert_eq!(result.status.code(), Some(3), "{}: {}", text(input), stderr(&result));
    let gaps = record(output)["gaps"].to_string();
    assert!(stderr(&result).contains("is damaged") || stderr(&result).contains("is cut off"));
    gaps
}

#[test]
fn a_damaged_part_is_a_gap_with_exit_status_3_in_every_container() {
    let (_folder, folder) = folder();
    for (name, muxer) in CONTAINERS {
        let whole = folder.join(format!("whole-{name}"));
        make(&whole, muxer);
        let bytes = fs::read(&whole).unwrap();
        for (kind, length, noise) in [("zeros", 4096, [0; 3]), ("noise", 3000, [0xff, 0x0f, 0x53])] {
            let input = folder.join(format!("{kind}-{name}"));
            let output = folder.join("out").join(format!("{kind}-{name}"));
            let output = if name.ends_with("ts") {
                output.with_extension("ts.mkv")
            } else {
                output
            };
            let mut damaged = bytes.clone();
            let middle = bytes.len() / 2;
            let end = (middle + length).min(bytes.len() * 3 / 4);
            for (byte, noise) in damaged[middle..end].iter_mut().zip(noise.iter().cycle()) {
                *byte = *noise;
            }
            fs::write(&input, damaged).unwrap();
            let gaps = gaps(&input, &output);
            assert!(gaps.contains("is damaged"), "{kind} in {name}: {gaps}");
            assert!(!frames(&output).is_empty(), "{kind} in {name}");
        }
    }
}

#[test]
fn packets_that_are_missing_in_a_broadcast_are_a_gap() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.ts");
    clip(&input, FRAMES, "mpegtsmux");
    let bytes = fs::read(&input).unwrap();
    let packet = bytes.len() / 188 / 2 * 188;
    fs::write(&input, [&bytes[..packet], &bytes[packet + 5 * 188..]].concat()).unwrap();
    let gaps = gaps(&input, &folder.join("out.mkv"));
    assert!(gaps.contains("packets of its streams are missing"), "{gaps}");
}

#[test]
fn a_fragmented_recording_that_is_cut_off_is_told() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    make(&input, "mp4mux fragment-duration=200");
    let bytes = fs::read(&input).unwrap();
    fs::write(&input, &bytes[..bytes.len() * 3 / 5]).unwrap();
    let output = folder.join("out.mp4");
    let gaps = gaps(&input, &output);
    assert!(gaps.contains("is cut off"), "{gaps}");
    assert!((20..FRAMES).contains(&frames(&output).len()));
}

#[test]
fn a_recording_whose_frames_are_unevenly_spaced_is_not_damaged() {
    let (_folder, folder) = folder();
    for (name, muxer) in CONTAINERS {
        let (coder, muxer) = match muxer.starts_with("webmmux") {
            true => ("vp9enc deadline=1 cpu-used=8", muxer),
            false => ("x264enc key-int-max=25 ! h264parse", muxer),
        };
        let input = folder.join(name);
        let pipeline = format!(
            "videotestsrc name=camera num-buffers=60 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! {coder} ! {muxer} ! filesink location=\"{}\"",
            input.display()
        );
        launch_with(&pipeline, |bin| {
            let pad = bin.by_name("camera").unwrap().static_pad("src").unwrap();
            // Nothing moves for 12 s, and then every third frame is missing.
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                let buffer = info.buffer_mut().unwrap().make_mut();
                let pts = buffer.pts().unwrap();
                if pts > gst::ClockTime::SECOND {
                    buffer.set_pts(pts + gst::ClockTime::from_seconds(12));
                }
                match pts.mseconds() % 120 {
                    0 if pts > gst::ClockTime::SECOND => gst::PadProbeReturn::Drop,
                    _ => gst::PadProbeReturn::Ok,
                }
            });
        });
        let output = folder.join("out").join(name);
        let output = if name.ends_with("ts") {
            output.with_extension("ts.mkv")
        } else {
            output
        };
        succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
        assert!(frames(&output).len() > 40, "{name}");
    }
}

#[test]
fn uncompressed_frames_that_are_too_short_are_a_gap() {
    let (_folder, folder) = folder();
    for (muxer, short, status) in [
        ("matroskamux", 4..6, Some(3)),
        ("avimux", 4..6, Some(3)),
        ("matroskamux", 0..12, Some(1)),
    ] {
        let (input, output) = (folder.join("raw.mkv"), folder.join("out.mkv"));
        let pipeline = format!(
            "videotestsrc name=camera num-buffers=12 ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! {muxer} ! \
             filesink location=\"{}\"",
            input.display()
        );
        let frames_to_cut = short.clone();
        let seen = Arc::new(AtomicUsize::new(0));
        launch_with(&pipeline, |bin| {
            let pad = bin.by_name("camera").unwrap().static_pad("src").unwrap();
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if frames_to_cut.contains(&seen.fetch_add(1, Ordering::Relaxed)) {
                    info.buffer_mut().unwrap().make_mut().set_size(5000);
                }
                gst::PadProbeReturn::Ok
            });
        });
        let made = run(&[text(&input), "-o", text(&output), "--strength", "0", "--overwrite"]);
        assert_eq!(made.status.code(), status, "{muxer} {short:?}: {}", stderr(&made));
        if status == Some(3) {
            assert_eq!(frames(&output).len(), 12 - short.len(), "{muxer}");
        }
    }
}
