// SPDX-License-Identifier: MPL-2.0

//! Times of MPEG transport and program streams, which begin at any time, have gaps, and begin at 0 again after 26.5 hours.

use std::{fs, path::Path};

use gst::prelude::*;

use crate::clips::{
    SIDE, Streams, folder, launch, launch_with, packets, record, run, stderr, streams, succeed, text, times,
};

const MS: u64 = 1_000_000;

/// How a broadcast is made.
struct Broadcast<'a> {
    muxer: &'a str,
    /// Of the video, per second.
    rate: u64,
    /// What is left out, in milliseconds, of video and of sound.
    gaps: [std::ops::Range<u64>; 2],
    /// When it begins, in seconds.
    begins: i64,
}

const WHOLE: Broadcast<'static> = Broadcast {
    muxer: "mpegtsmux",
    rate: 25,
    gaps: [0..0, 0..0],
    begins: 0,
};

impl Broadcast<'_> {
    /// Makes three seconds, or ten frames.
    fn make(&self, path: &Path) {
        let (frames, (sounds, _)) = (self.frames(), self.sounds());
        let (coder, samples) = match self.muxer {
            "mpegpsmux" => ("avenc_mp2 ! mpegaudioparse", 1152),
            _ => ("avenc_ac3 ! ac3parse", 1536),
        };
        let pipeline = format!(
            "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,{SIDE},framerate={}/1 ! \
             x264enc bframes=0 key-int-max=25 pass=quant quantizer=20 threads=1 ! h264parse ! identity name=video ! queue ! mux. \
             audiotestsrc num-buffers={sounds} samplesperbuffer={samples} ! audio/x-raw,rate=48000,channels=2 ! {coder} ! \
             identity name=audio ! queue ! mux. {} name=mux ! filesink location=\"{}\"",
            self.rate,
            self.muxer,
            path.display()
        );
        launch_with(&pipeline, |bin| {
            for (name, gap) in ["video", "audio"].into_iter().zip(self.gaps.clone()) {
                let pad = bin.by_name(name).unwrap().static_pad("src").unwrap();
                pad.set_offset(self.begins * 1_000_000_000);
                pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                    let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
                    let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap().clone();
                    let time = info.buffer().and_then(|buffer| segment.to_stream_time(buffer.pts()?));
                    match time.is_some_and(|time| gap.contains(&time.mseconds())) {
                        true => gst::PadProbeReturn::Drop,
                        false => gst::PadProbeReturn::Ok,
                    }
                });
            }
        });
    }

    fn frames(&self) -> u64 {
        (3 * self.rate).max(10)
    }

    /// Returns how many packets of sound there are, and the milliseconds of each.
    fn sounds(&self) -> (u64, u64) {
        let each = if self.muxer == "mpegpsmux" { 24 } else { 32 };
        (self.frames() * 1000 / self.rate / each, each)
    }

    /// Returns the times of the packets that are not left out, in milliseconds: of stream 0, the video, or 1, the sound.
    fn times(&self, stream: usize) -> Vec<u64> {
        let (count, interval) = match stream {
            0 => (self.frames(), 1000 / self.rate),
            _ => self.sounds(),
        };
        let all = (0..count).map(|index| index * interval);
        all.filter(|time| !self.gaps[stream].contains(time)).collect()
    }
}

fn times_of(streams: &Streams, kind: &str) -> Vec<u64> {
    let (_, packets) = streams.iter().find(|(media, _)| media.starts_with(kind)).unwrap();
    times(packets).into_iter().flatten().collect()
}

/// Asserts that all packets of a broadcast are in an output, at their times from the first.
fn assert_whole(broadcast: &Broadcast, output: &Path, name: &str) {
    let after = packets(output);
    let start = times_of(&after, "audio/")[0];
    for (stream, kind) in ["video/", "audio/"].into_iter().enumerate() {
        let (found, expected) = (times_of(&after, kind), broadcast.times(stream));
        assert_eq!(found.len(), expected.len(), "{name}: {kind}: {found:?}");
        let apart = found
            .iter()
            .zip(&expected)
            .map(|(found, expected)| found.abs_diff(start + expected * MS));
        assert!(apart.max().unwrap() <= 2 * MS, "{name}: {kind}: {found:?}");
    }
}

#[test]
fn gaps_in_the_clock_of_a_transport_stream_stay_as_long_as_they_are() {
    let (_folder, folder) = folder();
    let cases = [
        ("video", [1000..2000, 0..0], 25),
        ("both", [1000..2600, 1000..2600], 25),
        ("slow", [0..0, 0..0], 1),
    ];
    for (name, gaps, rate) in cases {
        let broadcast = Broadcast { gaps, rate, ..WHOLE };
        let input = folder.join(format!("{name}.ts"));
        broadcast.make(&input);
        for ending in ["mkv", "mp4"] {
            let output = folder.join(format!("{name}.{ending}"));
            succeed(&[text(&input), "-o", text(&output)]);
            assert!(record(&output)["lost"].as_array().unwrap().is_empty(), "{name}");
            assert_whole(&broadcast, &output, name);
        }
        // What is behind the gap is found.
        let part = folder.join(format!("{name}-part.mkv"));
        let start = broadcast.times(0).into_iter().rev().nth(4).unwrap();
        succeed(&[
            text(&input),
            "-o",
            text(&part),
            "--start",
            &format!("{:.3}", start as f64 / 1e3 - 0.01),
        ]);
        assert_eq!(times_of(&packets(&part), "video/").len(), 5, "{name}");
    }
}

/// Stores each packet of sound behind the next eight pictures, so that the clock is later.
fn store_sound_later(path: &Path) {
    let file = fs::read(path).unwrap();
    let (mut stored, mut waiting, mut pictures) = (Vec::new(), std::collections::VecDeque::new(), 0);
    for packet in file.chunks(188) {
        match packet[1] & 0x1f == 0 && packet[2] == 66 {
            true => waiting.push_back((pictures + 9, packet)),
            false => {
                pictures += usize::from(packet[1] & 0x40 != 0 && packet[2] == 65);
                while let Some((_, sound)) = waiting.front().copied().filter(|(after, _)| *after <= pictures) {
                    stored.extend(sound);
                    waiting.pop_front();
                }
                stored.extend(packet);
            }
        }
    }
    stored.extend(waiting.into_iter().flat_map(|(_, sound)| sound));
    fs::write(path, stored).unwrap();
}

#[test]
fn a_clock_that_begins_at_0_again_goes_on() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in.ts"), folder.join("out.mkv"));
    // The muxer's begins at an hour.
    let broadcast = Broadcast {
        begins: (1_i64 << 33) / 90_000 - 3600 - 1,
        ..WHOLE
    };
    broadcast.make(&input);
    store_sound_later(&input);
    succeed(&[text(&input), "-o", text(&output)]);
    assert_whole(&broadcast, &output, "period");
}

#[test]
fn parts_and_previews_are_counted_from_the_first_packet_of_the_file() {
    let (_folder, folder) = folder();
    for (muxer, ending) in [("mpegtsmux", "ts"), ("mpegpsmux", "mpg")] {
        let mut previews = Vec::new();
        for begins in [0, 36_000] {
            let name = format!("{begins}.{ending}");
            let (input, output) = (folder.join(&name), folder.join(format!("{name}.mkv")));
            Broadcast { muxer, begins, ..WHOLE }.make(&input);
            let part = ["--start", "0.99", "--duration", "0.4"];
            let done = succeed(&[&[text(&input), "-o", text(&output)][..], &part].concat());
            assert!(
                stderr(&done).contains("restored, 10 frames"),
                "{name}: {}",
                stderr(&done)
            );
            let found = times_of(&packets(&output), "video/");
            assert!(found[0] <= 1000 * MS / 25 && found.len() == 10, "{name}: {found:?}");
            let shown = folder.join(format!("{name}.mp4"));
            succeed(&[text(&input), "-o", text(&shown), "--preview", "1.01"]);
            previews.push(fs::read(folder.join(format!("{name}-before.png"))).unwrap());
            let late = run(&[text(&input), "-o", text(&output), "--overwrite", "--start", "5"]);
            assert!(stderr(&late).contains("is 3.000 s long"), "{name}: {}", stderr(&late));
        }
        assert!(previews[0] == previews[1], "{muxer}");
    }
}

#[test]
fn all_of_a_program_stream_is_restored_whatever_comes_first() {
    let (_folder, folder) = folder();
    let input = folder.join("in.mpg");
    let broadcast = Broadcast {
        muxer: "mpegpsmux",
        ..WHOLE
    };
    broadcast.make(&input);
    for (ending, options) in [("mkv", &[][..]), ("mp4", &["--codec", "h264"])] {
        let output = folder.join(format!("out.{ending}"));
        succeed(&[&[text(&input), "-o", text(&output)][..], options].concat());
        assert!(record(&output)["lost"].as_array().unwrap().is_empty());
        assert_whole(&broadcast, &output, ending);
    }
}

/// For the demuxer it begins with the first picture, which comes first in the file, and parsers drop what is before that.
#[test]
fn all_sound_before_the_first_picture_is_kept() {
    // Opus needs no parser.
    let coders = [
        ("aac", 96_000, 1024, "avenc_aac ! aacparse"),
        ("opus", 48_000, 960, "opusenc"),
    ];
    for (name, rate, samples, coder) in coders {
        all_sound_is_kept(name, rate, samples, coder);
    }
}

fn all_sound_is_kept(name: &str, rate: u32, samples: u32, coder: &str) {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.ts"), folder.join("out.mkv"));
    let pipeline = format!(
        "videotestsrc name=camera num-buffers=30 ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc bframes=0 ! h264parse ! mux.sink_65 \
         audiotestsrc num-buffers=130 samplesperbuffer={samples} ! audio/x-raw,rate={rate},channels=2 ! {coder} ! mux.sink_66 mpegtsmux name=mux ! \
         filesink location=\"{}\"",
        input.display()
    );
    launch_with(&pipeline, |bin| {
        let camera = bin.by_name("camera").unwrap().static_pad("src").unwrap();
        // The clock of the muxer is 125 ms behind, and what comes before it has no time.
        camera.set_offset(110_000_000);
    });
    let file = fs::read(&input).unwrap();
    let chunks = || file.chunks(188);
    let is_of = |packet: &[u8], stream: u8| packet[1] & 0x1f == 0 && packet[2] == stream;
    let begins = |packet: &&[u8]| packet[1] & 0x40 != 0 && is_of(packet, 65);
    let second = chunks()
        .enumerate()
        .filter(|(_, packet)| begins(packet))
        .nth(1)
        .unwrap()
        .0;
    let (sound, first): (Vec<&[u8]>, Vec<&[u8]>) = chunks().take(second).partition(|packet| is_of(packet, 66));
    let reordered = first.into_iter().chain(sound).chain(chunks().skip(second));
    fs::write(&input, reordered.collect::<Vec<_>>().concat()).unwrap();

    succeed(&[text(&input), "-o", text(&output)]);
    assert!(record(&output)["lost"].as_array().unwrap().is_empty(), "{name}");
    if name == "aac" {
        // The muxer writes each frame of sound as a unit of its own.
        let sound = |path: &Path, parts: &str| streams(path, parts)["audio/mpeg"].len();
        assert_eq!(sound(&input, "tsdemux"), sound(&output, "matroskademux"));
    }
    let after = packets(&output);
    let [video, sound] = ["video/", "audio/"].map(|kind| times_of(&after, kind)[0]);
    assert!(
        (90 * MS..120 * MS).contains(&(video.saturating_sub(sound))),
        "{name}: {video} {sound}"
    );
}

/// The checksum of tables (ISO/IEC 13818-1, annex A).
fn checksum(table: &[u8]) -> [u8; 4] {
    let checksum = table.iter().fold(u32::MAX, |checksum, &byte| {
        (0..8).fold(checksum ^ (u32::from(byte) << 24), |checksum, _| {
            let carry = checksum >> 31;
            (checksum << 1) ^ (0x04c1_1db7 * carry)
        })
    });
    checksum.to_be_bytes()
}

/// Changes the kind of the stream of sound in the table of the program, and takes away what describes it.
fn change_kind(path: &Path, from: u8, to: u8) {
    let mut file = fs::read(path).unwrap();
    for packet in file.chunks_mut(188) {
        // A byte in front says that the table of the program begins.
        let Some(before) = packet.windows(3).position(|bytes| bytes == [0, 2, 0xb0]) else {
            continue;
        };
        let table = &mut packet[before + 1..];
        if 3 + usize::from(table[2]) > table.len() {
            continue;
        }
        let end = 3 + usize::from(table[2]) - 4;
        let sound = table[..end].windows(3).position(|entry| entry == [from, 0xe0, 66]);
        let Some(sound) = sound else { continue };
        table[sound] = to;
        // Without what describes it.
        let described = usize::from(table[sound + 4]);
        if described > 2 {
            table[sound + 5..sound + 5 + described].fill(0);
            table[sound + 5..sound + 7].copy_from_slice(&[0xfe, described as u8 - 2]);
        }
        let checksum = checksum(&table[..end]);
        table[end..end + 4].copy_from_slice(&checksum);
    }
    fs::write(path, file).unwrap();
}

/// FFmpeg writes AAC into M2TS as such.
#[test]
fn a_stream_that_the_demuxer_does_not_know_is_told() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.ts"), folder.join("out.mkv"));
    WHOLE.make(&input);
    change_kind(&input, 0x81, 0x06);
    let done = succeed(&[text(&input), "-o", text(&output)]);
    let told = "stream 00000042, which GStreamer does not read: private data";
    assert!(stderr(&done).contains(told), "{}", stderr(&done));
    assert!(record(&output)["lost"].to_string().contains(told));
    assert!(!packets(&output).keys().any(|media| media.starts_with("audio/")));
}

/// Matroska and MP4 hold AAC, but not in LATM.
#[test]
fn aac_in_latm_is_told() {
    let (_folder, folder) = folder();
    let (sound, input) = (folder.join("sound.loas"), folder.join("clip.ts"));
    launch(&format!(
        "audiotestsrc num-buffers=60 samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! avmux_latm ! filesink location=\"{}\"",
        sound.display()
    ));
    launch(&format!(
        "videotestsrc num-buffers=30 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc bframes=0 ! h264parse ! queue ! mux. \
         filesrc location=\"{}\" ! aacparse ! \
         capssetter replace=true caps=\"audio/mpeg,mpegversion=4,stream-format=adts,framed=true,rate=48000,channels=2\" ! queue ! mux. \
         mpegtsmux name=mux ! filesink location=\"{}\"",
        sound.display(),
        input.display()
    ));
    change_kind(&input, 0x0f, 0x11);
    for ending in ["mkv", "mp4"] {
        let output = folder.join(format!("out.{ending}"));
        let done = succeed(&[text(&input), "-o", text(&output)]);
        let told = "a stream of audio/mpeg";
        assert!(stderr(&done).contains(told), "{ending}: {}", stderr(&done));
        assert_eq!(record(&output)["lost"], serde_json::json!([told]), "{ending}");
        assert_eq!(packets(&output).len(), 1, "{ending}");
    }
}

/// Takes the clock out of a transport stream. With `is_full` the packets with the table of the program have private data in the room before it.
fn take_clock(path: &Path, is_full: bool) {
    let mut file = fs::read(path).unwrap();
    for packet in file
        .chunks_mut(188)
        .filter(|packet| packet[3] & 0x20 != 0 && packet[4] >= 7)
    {
        if packet[5] & 0x10 != 0 {
            packet[5] &= !0x10;
            packet[6..12].fill(0xff);
        }
        // Behind the room, the table has the id 2, and nothing before it.
        let start = 5 + usize::from(packet[4]);
        if is_full && packet[1] & 0x40 != 0 && packet[start..start + 2] == [0, 2] {
            packet[5] = 0x02;
            packet[6] = packet[4] - 2;
        }
    }
    fs::write(path, file).unwrap();
}

/// Moves the room before the payload of the packets with the table of the program behind it, as ffmpeg writes them.
fn move_room(path: &Path) {
    let mut file = fs::read(path).unwrap();
    let mut moved = 0;
    for packet in file.chunks_mut(188).filter(|packet| packet[3] & 0x20 != 0) {
        let start = 5 + usize::from(packet[4]);
        if packet[1] & 0x40 != 0 && packet.get(start..start + 2) == Some(&[0, 2]) {
            packet[3] &= !0x20;
            packet.copy_within(start.., 4);
            packet[4 + 188 - start..].fill(0xff);
            moved += 1;
        }
    }
    assert!(moved > 0);
    fs::write(path, file).unwrap();
}

#[test]
fn a_transport_stream_without_a_clock_has_the_times_of_its_frames_and_its_sound() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.ts"), folder.join("out.mkv"));
    WHOLE.make(&input);
    take_clock(&input, false);
    succeed(&[text(&input), "-o", text(&output)]);
    assert_whole(&WHOLE, &output, "room before the table");
    move_room(&input);
    succeed(&[text(&input), "-o", text(&output), "--overwrite"]);
    assert_whole(&WHOLE, &output, "room behind the table");
    let part = folder.join("part.mkv");
    succeed(&[text(&input), "-o", text(&part), "--start", "0.5"]);
    let found = times_of(&packets(&part), "video/").len();
    assert!((50..75).contains(&found), "{found}");
}

#[test]
fn a_transport_stream_without_a_clock_and_without_room_for_one_is_refused_with_the_reason() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.ts"), folder.join("out.mkv"));
    WHOLE.make(&input);
    take_clock(&input, true);
    let refused = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("has no clock (PCR)") && told.contains("ffmpeg"), "{told}");
}

#[test]
fn frames_before_the_first_table_of_a_transport_stream_are_kept_or_told() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.ts"), folder.join("out.mkv"));
    WHOLE.make(&input);
    let file = fs::read(&input).unwrap();
    let is_of = |packet: &[u8], streams: &[u16]| {
        streams.contains(&(u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff)) && packet[1] & 0x40 != 0
    };
    // The tables of this muxer are in streams 0 and 32.
    let half = file.len() / 188 / 2;
    let late: Vec<&[u8]> = file
        .chunks(188)
        .enumerate()
        .filter(|(index, packet)| *index >= half || !is_of(packet, &[0, 32]))
        .map(|(_, packet)| packet)
        .collect();
    let first = late.iter().position(|packet| is_of(packet, &[32])).unwrap();
    let before = late[..first].iter().filter(|packet| is_of(packet, &[65])).count();
    assert!(before > 10, "{before}");
    // Packets of nothing, by which the tables come too late.
    let nothing = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]]
        .concat()
        .repeat((16 << 20) / 188);
    for (name, between) in [("late", &[][..]), ("too late", &nothing)] {
        let (start, end) = (late[..first - 1].concat(), late[first - 1..].concat());
        fs::write(&input, [&start[..], between, &end].concat()).unwrap();
        let done = run(&[text(&input), "-o", text(&output), "--overwrite"]);
        let told = stderr(&done);
        if between.is_empty() {
            assert_eq!(done.status.code(), Some(0), "{name}: {told}");
            assert_whole(&WHOLE, &output, name);
            continue;
        }
        assert_eq!(done.status.code(), Some(3), "{name}: {told}");
        let expected = format!("{before} frames or packets of stream 00000041 before the first table");
        assert!(told.contains(&expected), "{name}: {expected}: {told}");
        // The next key frame is behind the table.
        let kept = times_of(&packets(&output), "video/").len();
        assert!((1..=WHOLE.times(0).len() - before).contains(&kept), "{name}: {kept}");
    }
}

#[test]
fn joined_recordings_of_which_one_has_a_gap_have_all_frames_and_the_gap() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.ts"), folder.join("out.mkv"));
    let gap = Broadcast {
        gaps: [1000..2000, 1000..2000],
        ..WHOLE
    };
    for (name, parts) in [("first", [&gap, &WHOLE]), ("second", [&WHOLE, &gap])] {
        let joined = parts.map(|part| {
            part.make(&input);
            fs::read(&input).unwrap()
        });
        fs::write(&input, joined.concat()).unwrap();
        let done = run(&[text(&input), "-o", text(&output), "--overwrite"]);
        assert_eq!(done.status.code(), Some(0), "{name}: {}", stderr(&done));
        assert_eq!(record(&output)["lost"], serde_json::json!([]), "{name}");
        for (stream, kind) in ["video/", "audio/"].into_iter().enumerate() {
            let found = times_of(&packets(&output), kind);
            let [before, after] = parts.map(|part| part.times(stream));
            assert_eq!(found.len(), before.len() + after.len(), "{name}: {kind}: {found:?}");
            let (first, second) = found.split_at(before.len());
            for (found, expected) in [(first, before), (second, after)] {
                let (times, begins) = (found.iter().zip(&expected), expected[0]);
                let apart = times.map(|(time, expected)| (time - found[0]).abs_diff((expected - begins) * MS));
                assert!(apart.max().unwrap() <= 2 * MS, "{name}: {kind}: {found:?}");
            }
            assert!(second[0] > first[first.len() - 1], "{name}: {kind}");
        }
    }
}

#[test]
fn frames_without_a_time_are_told_and_the_others_restored() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.ts"), folder.join("out.mkv"));
    WHOLE.make(&input);
    let mut file = fs::read(&input).unwrap();
    let is_start = |packet: &&mut [u8]| packet[1] & 0x40 != 0;
    let mut untimed = 0;
    for packet in file.chunks_mut(188).filter(is_start) {
        let start = if packet[3] & 0x20 != 0 {
            5 + usize::from(packet[4])
        } else {
            4
        };
        // The header of a frame, its flags of times, and the times.
        if packet[start..].starts_with(&[0, 0, 1, 0xe0]) && untimed < 3 {
            untimed += 1;
            packet[start + 7] &= 0x3f;
            let length = usize::from(packet[start + 8]);
            packet[start + 9..start + 9 + length].fill(0xff);
        }
    }
    fs::write(&input, file).unwrap();
    let done = run(&[text(&input), "-o", text(&output)]);
    let told = stderr(&done);
    assert_eq!(done.status.code(), Some(3), "{told}");
    assert!(told.contains("3 of 75 frames of video 1 have no time"), "{told}");
    let frames = record(&output)["frames"].as_u64().unwrap();
    assert!((72..=75).contains(&frames), "{frames}");
    assert!(record(&output)["gaps"].to_string().contains("have no time"));
}
