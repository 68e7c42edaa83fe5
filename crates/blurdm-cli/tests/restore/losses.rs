// SPDX-License-Identifier: MPL-2.0

//! What of a file the output lacks is told, in a note and under `lost` in the record.

use std::{fs, path::Path};

use gst::prelude::*;

use crate::clips::{SIDE, clip, folder, frames, launch, launch_with, packets, record, stderr, succeed, text};

/// Restores a file, and returns what is lost: what the record and a note say.
fn lost(input: &Path, output: &Path, options: &[&str]) -> String {
    let done = succeed(&[&[text(input), "-o", text(output), "--strength", "0"], options].concat());
    let lost = record(output)["lost"].clone();
    for lost in lost.as_array().unwrap() {
        assert!(
            stderr(&done).contains(lost.as_str().unwrap()),
            "{lost}: {}",
            stderr(&done)
        );
    }
    lost.to_string()
}

#[test]
fn a_program_of_a_broadcast_that_is_not_read_is_told() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.ts");
    let video = |pattern: &str, pid: u32| {
        format!(
            "videotestsrc num-buffers=30 pattern={pattern} ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc ! h264parse ! mux.sink_{pid}"
        )
    };
    launch(&format!(
        "{} {} mpegtsmux name=mux prog-map=\"program_map,sink_65=(int)1,sink_66=(int)2\" ! filesink location=\"{}\"",
        video("ball", 65),
        video("smpte", 66),
        input.display()
    ));
    for options in [&[][..], &["--video", "all", "--overwrite"]] {
        let lost = lost(&input, &folder.join("out.mkv"), options);
        assert!(
            lost.contains("program ") && lost.contains("with its 1 stream"),
            "{lost}"
        );
    }
}

#[test]
fn one_program_is_all_of_a_broadcast() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.ts");
    clip(&input, 30, "mpegtsmux");
    assert_eq!(lost(&input, &folder.join("out.mkv"), &[]), "[]");
}

#[test]
fn a_cover_that_another_container_does_not_get_is_told() {
    let (_folder, folder) = folder();
    let (picture, input) = (folder.join("cover.jpg"), folder.join("clip.mp4"));
    launch(&format!(
        "videotestsrc num-buffers=1 ! video/x-raw,{SIDE} ! jpegenc ! filesink location=\"{}\"",
        picture.display()
    ));
    let pipeline = format!(
        "videotestsrc num-buffers=20 ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc ! h264parse ! mp4mux name=mux ! filesink location=\"{}\"",
        input.display()
    );
    launch_with(&pipeline, |bin| {
        let buffer = gst::Buffer::from_mut_slice(fs::read(&picture).unwrap());
        let caps = gst::Caps::builder("image/jpeg").build();
        let sample = gst::Sample::builder().buffer(&buffer).caps(&caps).build();
        let mux = bin.by_name("mux").unwrap();
        let setter = mux.dynamic_cast_ref::<gst::TagSetter>().unwrap();
        setter.add_tag::<gst::tags::Image>(&sample, gst::TagMergeMode::Replace);
    });
    let told = lost(&input, &folder.join("out.mkv"), &[]);
    assert!(told.contains("the cover 'image/jpeg, "), "{told}");
    assert_eq!(lost(&input, &folder.join("out.mp4"), &[]), "[]");
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// Appends a box to the index of a movie, which is at the end of the file.
fn append_to_moov(path: &Path, appended: &[u8]) {
    let mut file = fs::read(path).unwrap();
    let at = file.windows(4).rposition(|window| window == b"moov").unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) + appended.len() as u32;
    file[at - 4..at].copy_from_slice(&size.to_be_bytes());
    file.extend(appended);
    fs::write(path, file).unwrap();
}

#[test]
fn metadata_that_another_container_does_not_get_are_told_by_name_and_value() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mov");
    clip(&input, 20, "qtmux");
    let handler = boxed(b"hdlr", &[&[0; 8][..], b"mdta", &[0; 13]].concat());
    let names = ["com.apple.quicktime.make", "com.apple.quicktime.location.ISO6709"];
    let keys: Vec<u8> = names.iter().flat_map(|name| boxed(b"mdta", name.as_bytes())).collect();
    let keys = boxed(b"keys", &[&[0, 0, 0, 0, 0, 0, 0, 2][..], &keys].concat());
    let entry = |number: u32, value: &[u8]| {
        let data = boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], value].concat());
        boxed(&number.to_be_bytes(), &data)
    };
    let entries = [entry(1, b"Apfel"), entry(2, b"+48.1-011.6/")].concat();
    let meta = boxed(b"meta", &[handler, keys, boxed(b"ilst", &entries)].concat());
    let data = boxed(b"udta", &boxed(b"CAMX", b"of a camera"));
    append_to_moov(&input, &[meta, data].concat());
    for (name, options) in [("out.mkv", &[][..]), ("part.mov", &["--start", "0.2"])] {
        let told = lost(&input, &folder.join(name), options);
        for what in [
            "the metadata com.apple.quicktime.make 'Apfel'",
            "com.apple.quicktime.location.ISO6709 '+48.1-011.6/'",
            "the metadata CAMX",
        ] {
            assert!(told.contains(what), "{what} of {name}: {told}");
        }
    }
    assert_eq!(lost(&input, &folder.join("out.mov"), &[]), "[]");
}

#[test]
fn tags_of_matroska_that_gstreamer_does_not_know_are_told() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mkv");
    let pipeline = format!(
        "videotestsrc num-buffers=20 ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc ! h264parse ! matroskamux name=mux ! filesink location=\"{}\"",
        input.display()
    );
    launch_with(&pipeline, |bin| {
        let mux = bin.by_name("mux").unwrap();
        let setter = mux.dynamic_cast_ref::<gst::TagSetter>().unwrap();
        setter.add_tag::<gst::tags::Artist>(&"X100", gst::TagMergeMode::Append);
        setter.add_tag::<gst::tags::Title>(&"Ausfahrt", gst::TagMergeMode::Append);
    });
    let mut file = fs::read(&input).unwrap();
    let name = file.windows(6).position(|name| name == b"ARTIST").unwrap();
    file[name..name + 6].copy_from_slice(b"CAMERA");
    fs::write(&input, file).unwrap();
    let told = lost(&input, &folder.join("out.mkv"), &[]);
    assert_eq!(told, r#"["the metadata CAMERA 'X100'"]"#);
}

#[test]
fn that_interlaced_pictures_become_progressive_is_told_before_the_work() {
    let (_folder, folder) = folder();
    for (mode, told) in [("interleaved", true), ("progressive", false)] {
        let input = folder.join(format!("{mode}.mp4"));
        launch(&format!(
            "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! \
             capssetter caps=video/x-raw,interlace-mode={mode} ! x264enc interlaced={told} ! h264parse ! mp4mux ! filesink location=\"{}\"",
            input.display()
        ));
        let output = folder.join("out").join(format!("{mode}.mp4"));
        let done = stderr(&succeed(&[text(&input), "-o", text(&output)]));
        assert_eq!(done.contains("interlaced pictures become progressive"), told, "{done}");
    }
}

/// Moves all blocks of a Matroska file by so many milliseconds.
fn move_blocks(file: &mut [u8], by: i16) {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u64, &byte| number << 8 | u64::from(byte));
    let mut at = 0;
    while at < file.len() {
        let id_length = file[at].leading_zeros() as usize + 1;
        let id = number(&file[at..at + id_length]);
        let size_at = at + id_length;
        let size_length = file[size_at].leading_zeros() as usize + 1;
        let size = number(&file[size_at..size_at + size_length]) & !(1 << (7 * size_length));
        let body = size_at + size_length;
        at = match id {
            // A segment, a cluster, and a group of blocks.
            0x1853_8067 | 0x1f43_b675 | 0xa0 => body,
            0xa1 | 0xa3 => {
                let time = i16::from_be_bytes([file[body + 1], file[body + 2]]) + by;
                file[body + 1..body + 3].copy_from_slice(&time.to_be_bytes());
                body + size as usize
            }
            _ => body + size as usize,
        };
    }
}

#[test]
fn the_times_of_frames_before_0_in_matroska_are_told_and_the_frames_are_restored() {
    let (_folder, folder) = folder();
    let input = folder.join("early.mkv");
    launch(&format!(
        "videotestsrc num-buffers=30 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! \
         x264enc bframes=0 key-int-max=10 ! h264parse ! matroskamux ! filesink location=\"{}\"",
        input.display()
    ));
    let whole = lost(&input, &folder.join("whole.mkv"), &[]);
    assert!(!whole.contains("before 0"), "{whole}");
    let mut bytes = fs::read(&input).unwrap();
    move_blocks(&mut bytes, -200);
    fs::write(&input, bytes).unwrap();
    for name in ["out.mkv", "out.mp4"] {
        let output = folder.join(name);
        let told = lost(&input, &output, &[]);
        assert!(
            told.contains("the times of 5 packets of track 1 before 0, which begins at -0.200 s"),
            "{name}: {told}"
        );
        assert_eq!(record(&output)["frames"], 30);
        assert_eq!(frames(&output).len(), 30);
    }
}

#[test]
fn both_eyes_in_one_picture_are_written_as_the_bitstream_states_them_and_told_where_mp4_loses_them() {
    const SIDE_BY_SIDE: [u8; 4] = [0x53, 0xb8, 0x81, 1];
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    // Of FFmpeg and x264: GStreamer's muxer states it in a box as well.
    fs::write(&input, include_bytes!("data/frame-packing.mp4")).unwrap();
    let kept = folder.join("out.mkv");
    let told = lost(&input, &kept, &[]);
    assert!(!told.contains("both eyes"), "{told}");
    assert!(fs::read(&kept).unwrap().windows(4).any(|window| window == SIDE_BY_SIDE));
    let told = lost(&input, &folder.join("out.mp4"), &[]);
    assert!(told.contains("both eyes are in one picture"), "{told}");
}

/// Makes a clip with subtitles that have styles, of which the second has two rows.
fn with_styles(path: &Path) {
    let pipeline = format!(
        "videotestsrc num-buffers=25 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc bframes=0 ! h264parse ! m. \
         appsrc name=lines format=time ! m.subtitle_0 matroskamux name=m ! filesink location=\"{}\"",
        path.display()
    );
    launch_with(&pipeline, |bin| {
        let lines = bin.by_name("lines").unwrap().downcast::<gst_app::AppSrc>().unwrap();
        let header = b"[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Text\n";
        let caps = gst::Caps::builder("application/x-ass").field("codec_data", gst::Buffer::from_slice(header));
        lines.set_caps(Some(&caps.build()));
        bin.set_state(gst::State::Paused).unwrap();
        for (number, text) in [r"{\i1}one{\i0} & <two>", r"three\Nfour"].into_iter().enumerate() {
            let line = format!("{number},0,Default,,0,0,0,,{text}");
            let mut line = gst::Buffer::from_mut_slice(line.into_bytes());
            let buffer = line.get_mut().unwrap();
            buffer.set_pts(gst::ClockTime::from_mseconds(200 + 400 * number as u64));
            buffer.set_duration(gst::ClockTime::from_mseconds(200));
            lines.push_buffer(line).unwrap();
        }
        lines.end_of_stream().unwrap();
    });
}

#[test]
fn of_subtitles_with_styles_mp4_has_the_text_and_that_the_styles_are_lost_is_told() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mkv");
    with_styles(&input);
    for (name, options) in [("out.mp4", &[][..]), ("part.mov", &["--start", "0.1"])] {
        let output = folder.join(name);
        let told = lost(&input, &output, options);
        assert!(
            told.contains("the styles of a stream of application/x-ass"),
            "{name}: {told}"
        );
        let streams = packets(&output);
        let lines: Vec<String> = streams["text/x-raw"]
            .iter()
            .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
            .filter(|text| !text.trim().is_empty())
            .collect();
        assert_eq!(lines.len(), 2, "{name}: {lines:?}");
        assert!(lines[0] == "one & <two>", "{name}: {lines:?}");
        assert!(
            lines[1].contains("three") && lines[1].contains("four"),
            "{name}: {lines:?}"
        );
        assert!(
            lines.iter().all(|line| !line.contains(['{', '\\'])),
            "{name}: {lines:?}"
        );
    }
    let output = folder.join("out.mkv");
    assert_eq!(lost(&input, &output, &[]), "[]");
}
