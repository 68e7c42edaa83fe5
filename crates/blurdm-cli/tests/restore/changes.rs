// SPDX-License-Identifier: MPL-2.0

//! Recordings that were joined, as by `cat`, and whose pictures are others after that: all frames, or the gap is told with exit status 3.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::clips::{folder, frames, launch, record, run, stderr, text};

/// What a recording is like.
struct Part {
    size: (u32, u32),
    aspect: &'static str,
    rate: u32,
    pid: u32,
    pattern: &'static str,
}

const PART: Part = Part {
    size: (96, 64),
    aspect: "1/1",
    rate: 25,
    pid: 65,
    pattern: "ball",
};

const FRAMES: usize = 60;

/// Records the parts as MPEG-TS, and joins the files.
fn joined(folder: &Path, parts: &[Part]) -> PathBuf {
    let mut bytes = Vec::new();
    for part in parts {
        let path = folder.join("part.ts");
        let (
            (width, height),
            Part {
                aspect,
                rate,
                pid,
                pattern,
                ..
            },
        ) = (part.size, part);
        launch(&format!(
            "videotestsrc num-buffers={FRAMES} pattern={pattern} ! \
             video/x-raw,format=I420,width={width},height={height},framerate={rate}/1,pixel-aspect-ratio={aspect} ! \
             x264enc key-int-max=25 bframes=0 ! h264parse ! mux.sink_{pid} mpegtsmux name=mux ! filesink location=\"{}\"",
            path.display()
        ));
        bytes.extend(fs::read(path).unwrap());
    }
    let path = folder.join("joined.ts");
    fs::write(&path, bytes).unwrap();
    path
}

type Frames = Vec<(Option<u64>, Vec<u8>)>;

/// Restores a recording. Returns the exit status, what was said, and the frames of the output.
fn restored(input: &Path, output: &Path) -> (Option<i32>, String, Frames) {
    let result = run(&[text(input), "-o", text(output), "--strength", "0"]);
    (result.status.code(), stderr(&result), frames(output))
}

fn assert_times_ascend(frames: &[(Option<u64>, Vec<u8>)]) {
    let times: Vec<u64> = frames.iter().map(|(time, _)| time.unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
}

#[test]
fn all_frames_are_restored_where_the_clock_the_rate_or_the_aspect_ratio_of_pixels_changes() {
    let (_folder, folder) = folder();
    let second = [
        Part {
            pattern: "smpte",
            ..PART
        },
        Part { rate: 30, ..PART },
        Part { aspect: "4/3", ..PART },
    ];
    for (number, second) in second.into_iter().enumerate() {
        let input = joined(&folder, &[PART, second]);
        let (status, said, frames) = restored(&input, &folder.join(format!("{number}.mkv")));
        assert_eq!((status, frames.len()), (Some(0), 2 * FRAMES), "{number}: {said}");
        assert_times_ascend(&frames);
    }
}

#[test]
fn pictures_of_another_size_are_told_and_those_of_the_first_size_after_them_are_restored() {
    let (_folder, folder) = folder();
    let large = Part {
        size: (128, 96),
        ..PART
    };
    let input = joined(&folder, &[PART, large, PART]);
    let output = folder.join("out.mkv");
    let (status, said, frames) = restored(&input, &output);
    assert_eq!((status, frames.len()), (Some(3), 2 * FRAMES), "{said}");
    assert!(said.contains("128x96") && said.contains("96x64"), "{said}");
    assert_times_ascend(&frames);
    assert!(!record(&output)["gaps"].as_array().unwrap().is_empty());
}

#[test]
fn a_video_that_goes_on_in_another_stream_is_told() {
    let (_folder, folder) = folder();
    let input = joined(&folder, &[PART, Part { pid: 100, ..PART }]);
    let output = folder.join("out.mkv");
    let (status, said, _) = restored(&input, &output);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("another stream"), "{said}");
    let all = folder.join("all.mkv");
    let result = run(&[text(&input), "-o", text(&all), "--strength", "0", "--video", "all"]);
    assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
}
