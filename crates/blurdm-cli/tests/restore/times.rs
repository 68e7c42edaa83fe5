// SPDX-License-Identifier: MPL-2.0

//! Times that frames have in the file: several of one time, and edit lists.

use std::{fs, path::Path};

use gst::prelude::*;

use mp4_splice::Movie;

use crate::clips::{
    SIDE, Streams, change, clip, folder, forget_default_durations, launch, launch_with, mp4, patch, record, stderr,
    streams, succeed, text, times,
};

/// Returns the packets of each stream as the container has them.
fn stored(path: &Path) -> Streams {
    let demuxer = match path.extension().unwrap().to_str() {
        Some("mkv") => "matroskademux",
        Some("ts") => "tsdemux",
        _ => "qtdemux",
    };
    streams(path, demuxer)
}

fn video_times(path: &Path) -> Vec<Option<u64>> {
    times(&stored(path)["video/x-h264"])
}

#[test]
fn frames_of_one_time_are_all_there_and_keep_it() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    // One frame is longer than the others, and so has an entry of its own in the table of durations.
    let pipeline = format!(
        "videotestsrc name=camera num-buffers=200 pattern=ball ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! \
         x264enc key-int-max=25 bframes=0 ! h264parse ! mp4mux ! filesink location=\"{}\"",
        input.display()
    );
    launch_with(&pipeline, |bin| {
        let pad = bin.by_name("camera").unwrap().static_pad("src").unwrap();
        let longer = gst::ClockTime::from_mseconds(20);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer_mut().unwrap().make_mut();
            let pts = buffer.pts().unwrap();
            if pts > gst::ClockTime::SECOND {
                buffer.set_pts(pts + longer);
            }
            gst::PadProbeReturn::Ok
        });
    });
    patch(&input, b"stts", |table| {
        let odd = table[4..].chunks_exact_mut(8).find(|entry| entry[..4] == [0, 0, 0, 1]);
        odd.expect("an entry for one frame")[4..].fill(0);
    });
    let before = video_times(&input);
    assert!(before.windows(2).any(|pair| pair[0] == pair[1]));
    for name in ["out.mp4", "out.mkv"] {
        let output = folder.join(name);
        let told = stderr(&succeed(&[text(&input), "-o", text(&output)]));
        assert!(
            told.contains("begun, 200 frames") && told.contains("restored, 200 frames"),
            "{told}"
        );
        assert_eq!(record(&output)["frames"], 200);
        let after = video_times(&output);
        assert_eq!(after.len(), 200, "{name}");
        let apart = before.iter().zip(&after).map(|(a, b)| a.unwrap().abs_diff(b.unwrap()));
        // Matroska counts milliseconds.
        assert!(apart.max().unwrap() <= 1_000_000, "{name}");
    }
}

#[test]
fn a_clip_that_was_trimmed_without_encoding_stays_trimmed() {
    let (_folder, folder) = folder();
    for (name, frames) in [("within", 7.5), ("between", 7.0), ("later", 30.2)] {
        let input = folder.join(format!("{name}.mp4"));
        mp4(&input, 60);
        let timescale = |file: &[u8], kind: &[u8]| {
            let at = file.windows(4).position(|window| window == kind).unwrap();
            u32::from_be_bytes(file[at + 16..at + 20].try_into().unwrap())
        };
        let file = fs::read(&input).unwrap();
        let ticks = |scale: u32| (f64::from(scale) / 25.0 * frames) as u32;
        let (movie, media) = (ticks(timescale(&file, b"mvhd")), ticks(timescale(&file, b"mdhd")));
        patch(&input, b"elst", |list| {
            change(&mut list[4..8], |duration| duration - movie);
            change(&mut list[8..12], |start| start + media);
        });
        let output = folder.join("out").join(format!("{name}.mp4"));
        succeed(&[text(&input), "-o", text(&output)]);
        let record = record(&output);
        assert!(record["lost"].as_array().unwrap().is_empty(), "{record}");
        // The one that is shown in part as well.
        assert_eq!(record["frames"], 60 - frames as usize, "{name}");
        let edit = |path: &Path| {
            let file = fs::read(path).unwrap();
            let at = file.windows(4).position(|window| window == b"elst").unwrap();
            file[at..at + 24].to_vec()
        };
        assert_eq!(edit(&input), edit(&output), "{name}");
        // The first frame may begin before the edit list, and is not moved.
        let ticks = |path: &Path| Movie::open(path).unwrap().video().unwrap().presentation_ticks;
        let (all, shown) = (ticks(&input), ticks(&output));
        assert_eq!(shown[..], all[all.len() - shown.len()..], "{name}");
    }
}

#[test]
fn matroska_begins_where_the_original_did_and_has_the_sound_before_the_first_frame() {
    let (_folder, folder) = folder();
    let later = |bin: &gst::Bin| {
        let offsets = [("video", 523), ("audio", 23)];
        for (name, ms) in offsets {
            if let Some(element) = bin.by_name(name) {
                element.static_pad("src").unwrap().set_offset(ms * 1_000_000);
            }
        }
    };
    let video = "videotestsrc num-buffers=30 pattern=ball ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! \
                 x264enc key-int-max=25 bframes=0 ! h264parse name=video ! queue ! mux.";
    let audio = "audiotestsrc num-buffers=60 samplesperbuffer=960 ! audio/x-raw,rate=48000 ! avenc_ac3 ! ac3parse name=audio ! queue ! mux.";
    let mut all_sound = Vec::new();
    for (name, muxer, sources) in [
        ("silent.mkv", "matroskamux", video.to_owned()),
        ("sound.mkv", "matroskamux", format!("{video} {audio}")),
        ("broadcast.ts", "mpegtsmux", format!("{video} {audio}")),
    ] {
        let input = folder.join(name);
        launch_with(
            &format!("{muxer} name=mux ! filesink location=\"{}\" {sources}", input.display()),
            later,
        );
        let output = folder.join("out").join(name).with_extension("mkv");
        succeed(&[text(&input), "-o", text(&folder.join("out"))]);
        let (before, after) = (crate::clips::packets(&input), crate::clips::packets(&output));
        assert!(times(&before["video/x-h264"])[0].unwrap() > 0, "{name} begins late");
        if name == "broadcast.ts" {
            // What comes before the first tables and the first time of the clock has no time for the demuxer, which counts from there.
            for (stream, expected) in [
                ("video/x-h264", &times(&before["video/x-h264"])),
                ("audio/x-ac3", &all_sound),
            ] {
                let found = times(&after[stream]);
                assert_eq!(found.len(), expected.len(), "{stream}: {found:?}");
                let since_first = |times: &[Option<u64>], at: usize| times[at].unwrap() - times[0].unwrap();
                let apart = (0..found.len()).map(|at| since_first(&found, at).abs_diff(since_first(expected, at)));
                assert!(apart.max().unwrap() <= 1_000_000, "{stream}: {found:?} {expected:?}");
            }
            let first = |stream: &str| times(&after[stream])[0].unwrap();
            let lead = first("video/x-h264") - first("audio/x-ac3");
            assert!(lead.abs_diff(500_000_000) <= 1_000_000, "{lead}");
            continue;
        }
        if let Some(sound) = before.get("audio/x-ac3") {
            all_sound = times(sound);
        }
        for (stream, before) in &before {
            let (before, after) = (times(before), times(&after[stream]));
            assert_eq!(before.len(), after.len(), "{name}: {stream}");
            let apart = before.iter().zip(&after).map(|(a, b)| a.unwrap().abs_diff(b.unwrap()));
            assert!(
                apart.max().unwrap() <= 1_000_000,
                "{name}: {stream}: {before:?} {after:?}"
            );
        }
    }
}

/// Demuxers count such a file from its first packet until they find the earlier sound.
#[test]
fn matroska_whose_sound_is_earlier_than_its_first_packet_keeps_all_times() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mkv"), folder.join("out/clip.mkv"));
    // The muxer writes first what is earlier, so the sound gets its time afterwards.
    let pipeline = format!(
        "matroskamux name=mux ! filesink location=\"{}\" \
         videotestsrc num-buffers=30 pattern=ball ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! \
         x264enc key-int-max=100 bframes=0 ! h264parse name=video ! queue ! mux. \
         audiotestsrc num-buffers=1 samplesperbuffer=960 ! audio/x-raw,rate=48000 ! avenc_ac3 ! ac3parse name=audio ! queue ! mux.",
        input.display()
    );
    launch_with(&pipeline, |bin| {
        for (name, ms) in [("video", 500), ("audio", 530)] {
            let pad = bin.by_name(name).unwrap().static_pad("src").unwrap();
            pad.set_offset(ms * 1_000_000);
        }
    });
    earlier_sound(&input, 400);
    let times_of = |path: &Path| -> Vec<(String, Vec<Option<u64>>)> {
        let streams = crate::clips::packets(path);
        streams
            .iter()
            .map(|(name, packets)| (name.clone(), times(packets)))
            .collect()
    };
    let before = times_of(&input);
    let start = |media: &str| before.iter().find(|(name, _)| name.starts_with(media)).unwrap().1[0].unwrap();
    assert!(start("audio") < start("video"), "{before:?}");
    succeed(&[text(&input), "-o", text(&output)]);
    for ((name, before), (_, after)) in before.iter().zip(times_of(&output)) {
        assert_eq!(before.len(), after.len(), "{name}");
        let apart = before.iter().zip(&after).map(|(a, b)| a.unwrap().abs_diff(b.unwrap()));
        assert!(apart.max().unwrap() <= 1_000_000, "{name}: {before:?} {after:?}");
    }
}

/// Sets the time within the cluster of all blocks of the second track, in milliseconds.
fn earlier_sound(path: &Path, ms: u16) {
    let mut file = fs::read(path).unwrap();
    let mut blocks = 0;
    for at in 0..file.len() - 12 {
        // A SimpleBlock with a size of one to four bytes, of track 2.
        let size = 1 + file[at + 1].leading_zeros() as usize;
        if file[at] == 0xa3 && size <= 4 && file[at + 1 + size] == 0x82 {
            file[at + 2 + size..at + 4 + size].copy_from_slice(&(u16::MAX - ms + 1).to_be_bytes());
            blocks += 1;
        }
    }
    assert_eq!(blocks, 1);
    fs::write(path, file).unwrap();
}

#[test]
fn the_last_frame_is_there_where_the_file_states_no_frame_rate_however_many_come_in_a_second() {
    let (_folder, folder) = folder();
    for (rate, frames) in [(1000, 40), (25, 12)] {
        let input = folder.join(format!("{rate}.mkv"));
        launch(&format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,{SIDE},framerate={rate}/1 ! \
             x264enc bframes=2 ! h264parse ! matroskamux ! filesink location=\"{}\"",
            input.display()
        ));
        let mut file = fs::read(&input).unwrap();
        forget_default_durations(&mut file);
        fs::write(&input, file).unwrap();
        let before = video_times(&input);
        for ending in ["mkv", "mp4"] {
            let output = folder.join(format!("out-{rate}.{ending}"));
            succeed(&[text(&input), "-o", text(&output)]);
            let after = video_times(&output);
            assert_eq!(after.len(), frames, "{rate} in {ending}");
            let apart = before.iter().zip(&after).map(|(a, b)| a.unwrap().abs_diff(b.unwrap()));
            assert!(apart.max().unwrap() <= 1_000_000, "{rate} in {ending}");
        }
    }
}

#[test]
fn frames_behind_the_length_of_the_media_are_restored_where_there_is_no_edit_list() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in.mp4"), folder.join("out.mp4"));
    clip(&input, 50, "mp4mux");
    // All frames are presented later than they are decoded, as B-frames are without an edit list.
    let mut file = fs::read(&input).unwrap();
    while let Some(at) = file.windows(4).position(|window| window == b"edts") {
        file[at..at + 4].copy_from_slice(b"free");
    }
    fs::write(&input, file).unwrap();
    let done = succeed(&[text(&input), "-o", text(&output)]);
    assert!(stderr(&done).contains("restored, 50 frames"), "{}", stderr(&done));
    // Neither length has changed.
    let length = |path: &Path| {
        let file = fs::read(path).unwrap();
        let at = file.windows(4).position(|window| window == b"mdhd").unwrap();
        file[at..at + 28].to_vec()
    };
    assert_eq!(length(&input), length(&output));
}
