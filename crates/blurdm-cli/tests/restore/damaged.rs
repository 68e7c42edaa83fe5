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

/// Endings, coders and muxers of containers that consist of pages, packets, tags or chunks, one behind the other.
const CHAINS: [(&str, &str); 5] = [
    ("ogv", "theoraenc ! oggmux"),
    // Of a file of this muxer the demuxer leaves the first frames out, so all are key frames.
    ("mpg", "x264enc key-int-max=1 ! h264parse ! mpegpsmux"),
    ("wmv", "avenc_wmv1 ! asfmux packet-size=1400"),
    ("flv", "x264enc key-int-max=25 bframes=0 ! h264parse ! flvmux"),
    ("avi", "x264enc key-int-max=25 bframes=0 ! h264parse ! avimux"),
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

fn make_chain(path: &Path, muxer: &str, prepare: impl FnOnce(&gst::Bin)) {
    let pipeline = format!(
        "videotestsrc name=camera num-buffers={FRAMES} pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! {muxer} ! \
         filesink location=\"{}\"",
        path.display()
    );
    launch_with(&pipeline, prepare);
}

/// Returns where a page, packet, tag or chunk begins, the first in the second half of a file.
fn unit_in_the_middle(ending: &str, bytes: &[u8]) -> usize {
    let find = |from: usize, mark: &[u8]| {
        let mut windows = bytes[from..].windows(mark.len());
        let place = windows.position(|window| window == mark);
        from + place.unwrap_or_else(|| panic!("no {mark:?} in {ending}"))
    };
    let middle = bytes.len() / 2;
    match ending {
        "ogv" => find(middle, b"OggS"),
        "mpg" => find(middle, &[0, 0, 1, 0xe0]),
        // A data object with its header, and packets of 1400 bytes.
        "wmv" => (find(0, &[0x36, 0x26, 0xb2, 0x75]) + 50..)
            .step_by(1400)
            .find(|&packet| packet > middle - 700)
            .unwrap(),
        // An inter frame of H.264 is behind a header of 11 bytes.
        "flv" => find(middle, &[0x27, 1, 0, 0]) - 11,
        "avi" => find(middle, b"00d"),
        other => panic!("{other} has no mark"),
    }
}

#[test]
fn zeros_in_the_middle_of_a_file_and_a_file_that_is_cut_off_are_told_with_their_bytes() {
    let (_folder, folder) = folder();
    for (ending, muxer) in CHAINS {
        let whole = folder.join(format!("whole.{ending}"));
        make_chain(&whole, muxer, |_| {});
        let bytes = fs::read(&whole).unwrap();

        let unit = unit_in_the_middle(ending, &bytes);
        let mut zeros = bytes.clone();
        zeros[unit..unit + 200].fill(0);
        let input = folder.join(format!("zeros.{ending}"));
        fs::write(&input, zeros).unwrap();
        let told = gaps(&input, &folder.join("out").join(format!("zeros.{ending}.mkv")));
        let numbers = told
            .split_once("bytes ")
            .unwrap_or_else(|| panic!("{ending}: {told}"))
            .1;
        let mut numbers = numbers.split(' ').filter_map(|word| word.parse::<usize>().ok());
        let part = numbers.next().unwrap()..numbers.next().unwrap();
        assert!(part.contains(&unit), "{ending}: {unit} is not in {told}");

        let input = folder.join(format!("cut.{ending}"));
        fs::write(&input, &bytes[..bytes.len() * 3 / 5]).unwrap();
        let told = gaps(&input, &folder.join("out").join(format!("cut.{ending}.mkv")));
        assert!(
            told.contains("is cut off") && told.contains("bytes"),
            "{ending}: {told}"
        );
    }
}

#[test]
fn a_whole_file_is_not_taken_for_damaged_however_its_frames_are_spaced_and_with_zeros_at_its_end() {
    let (_folder, folder) = folder();
    for (ending, muxer) in CHAINS {
        let input = folder.join(format!("clip.{ending}"));
        make_chain(&input, muxer, |bin| {
            // Of an unevenly spaced program stream the demuxer loses frames at the start, and these are told.
            if ending == "mpg" {
                return;
            }
            let pad = bin.by_name("camera").unwrap().static_pad("src").unwrap();
            // Every third frame is missing, and then nothing moves for 12 s.
            pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
                let buffer = info.buffer_mut().unwrap().make_mut();
                let pts = buffer.pts().unwrap();
                if pts > gst::ClockTime::SECOND {
                    buffer.set_pts(pts + gst::ClockTime::from_seconds(12));
                }
                match pts.mseconds() % 120 {
                    40 => gst::PadProbeReturn::Drop,
                    _ => gst::PadProbeReturn::Ok,
                }
            });
        });
        let output = folder.join(format!("{ending}.mkv"));
        let bytes = fs::read(&input).unwrap();
        for zeros in [0, 5000] {
            fs::write(&input, [&bytes[..], &vec![0; zeros]].concat()).unwrap();
            let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0", "--overwrite"]);
            let told = stderr(&done);
            assert!(
                !told.contains("damaged") && !told.contains("cut off"),
                "{ending}: {told}"
            );
            assert!(record(&output)["gaps"].as_array().unwrap().is_empty(), "{ending}");
        }
    }
}

#[test]
fn pages_that_are_missing_in_an_ogg_are_a_gap() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.ogv");
    make_chain(&input, "theoraenc ! oggmux max-page-delay=0 max-delay=0", |_| {});
    let bytes = fs::read(&input).unwrap();
    let page = unit_in_the_middle("ogv", &bytes);
    let next = bytes[page + 1..]
        .windows(4)
        .position(|window| window == b"OggS")
        .unwrap()
        + page
        + 1;
    fs::write(&input, [&bytes[..page], &bytes[next..]].concat()).unwrap();
    let told = gaps(&input, &folder.join("out.mkv"));
    assert!(told.contains("at least 1 pages of its streams are missing"), "{told}");
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
fn a_broadcast_that_ends_within_a_packet_is_told_and_padding_and_appended_text_are_not() {
    let (_folder, folder) = folder();
    for (name, muxer, size, before) in [
        ("clip.ts", "mpegtsmux", 188, 0),
        ("clip.m2ts", "mpegtsmux m2ts-mode=true", 192, 4),
    ] {
        let input = folder.join(name);
        clip(&input, FRAMES, muxer);
        let bytes = fs::read(&input).unwrap();
        let end = bytes.len() / size * 3 / 5 * size;
        let output = folder.join(format!("{name}.mkv"));
        for part in [1, 37, 187] {
            fs::write(&input, &bytes[..end + before + part]).unwrap();
            let told = gaps(&input, &output);
            let lacking = format!("is cut off: it lacks at least {} bytes", 188 - part);
            assert!(told.contains(&lacking), "{name}, {part} bytes: {told}");
            fs::remove_file(&output).unwrap();
        }
        for appended in [&[][..], &[0; 100], &[0; 1000], b"GPS of a camera"] {
            fs::write(&input, [&bytes[..], appended].concat()).unwrap();
            succeed(&[text(&input), "-o", text(&output), "--strength", "0", "--overwrite"]);
        }
    }
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

/// The decoder fills what it cannot decode with samples beyond 10 bits, and x264 ended the process on them.
#[test]
fn damage_in_a_picture_of_10_bits_crashes_no_encoder() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mkv"), folder.join("out.mkv"));
    // One byte of the first picture is another one.
    fs::write(&input, include_bytes!("data/damaged-10-bits.mkv")).unwrap();
    let made = run(&[text(&input), "-o", text(&output), "--strength", "0"]);
    assert!([Some(0), Some(3)].contains(&made.status.code()), "{}", stderr(&made));
    assert_eq!(frames(&output).len(), 12, "{}", stderr(&made));
}
