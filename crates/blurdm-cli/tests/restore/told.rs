// SPDX-License-Identifier: MPL-2.0

//! What of a file the output lacks is told, in a note and under `lost` in the record.

use std::{fs, path::Path};

use gst::prelude::*;

use crate::clips::{SIDE, clip, folder, launch, launch_with, record, stderr, succeed, text};

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
    assert!(told.contains("the cover 'image/jpeg'"), "{told}");
    assert_eq!(lost(&input, &folder.join("out.mp4"), &[]), "[]");
}
