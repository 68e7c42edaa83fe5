// SPDX-License-Identifier: MPL-2.0

//! Files with several videos: which one is restored.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::clips::{Streams, folder, frames_of_tracks, launch, record, run, stderr, succeed, text, tracks};

/// Makes a file with the videos of these sources, each after its encoder, and returns it.
pub fn file_of(folder: &Path, name: &str, muxer: &str, videos: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let videos: Vec<_> = videos.iter().map(|video| format!("{video} ! m. ")).collect();
    launch(&format!(
        "{muxer} name=m ! filesink location=\"{}\" {}",
        path.display(),
        videos.concat()
    ));
    path
}

pub fn h264(pattern: &str, frames: usize, width: u32) -> String {
    format!(
        "videotestsrc num-buffers={frames} pattern={pattern} ! video/x-raw,format=I420,width={width},height=64,framerate=25/1 ! \
         x264enc bframes=0 key-int-max=25 ! h264parse ! queue"
    )
}

pub fn jpeg(frames: usize) -> String {
    format!(
        "videotestsrc num-buffers={frames} pattern=smpte ! video/x-raw,format=I420,width=320,height=240,framerate=1/1 ! jpegenc ! queue"
    )
}

/// Says in the header of a track that it is not enabled.
pub fn disable(path: &Path, track: usize) {
    let mut file = fs::read(path).unwrap();
    let header = (0..file.len())
        .filter(|&at| file[at..].starts_with(b"tkhd"))
        .nth(track)
        .unwrap();
    file[header + 7] &= 0xfe;
    fs::write(path, file).unwrap();
}

fn assert_restored(input: &Path, output: &Path, track: &str) {
    assert_all_restored(input, output, &[track]);
}

/// Asserts that these tracks were restored, look like themselves, and that all others are as they were.
pub fn assert_all_restored(input: &Path, output: &Path, restored: &[&str]) {
    let (before, after) = (tracks(input), tracks(output));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (id, packets) in &before {
        let differ = packets
            .iter()
            .zip(&after[id])
            .position(|(before, after)| before != after);
        let first = differ.map(|packet| (packet, packets[packet].0, after[id][packet].0));
        assert_eq!(
            differ.is_none(),
            !restored.contains(&id.as_str()),
            "track {id}, packet, and its times: {first:?}"
        );
        assert_eq!(packets.len(), after[id].len(), "track {id}");
    }
    let (before, after) = (frames_of_tracks(input), frames_of_tracks(output));
    restored.iter().for_each(|track| assert_alike(&before, &after, track));
}

fn assert_alike(before: &Streams, after: &Streams, track: &str) {
    let (before, after) = (&before[track], &after[track]);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before.0, after.0);
        let differences = before.1.iter().zip(&after.1).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = differences.sum::<f64>() / before.1.len() as f64;
        assert!(mean < 25.0, "these are not the pictures of track {track}: {mean}");
    }
}

#[test]
fn the_video_that_is_restored_is_the_one_that_is_replaced() {
    let (_folder, folder) = folder();
    let videos = [h264("ball", 30, 96), h264("smpte", 30, 96)];
    let videos = videos.each_ref().map(String::as_str);
    let small_first = [h264("ball", 30, 64), h264("smpte", 30, 96)];
    let small_first = small_first.each_ref().map(String::as_str);
    for (name, videos, disabled, restored) in [
        ("both.mp4", videos, None, "001"),
        ("first-off.mp4", videos, Some(0), "002"),
        ("second-off.mov", videos, Some(1), "001"),
        ("larger-second.mp4", small_first, None, "002"),
        ("larger-off.mp4", small_first, Some(1), "001"),
    ] {
        let input = file_of(&folder, name, "qtmux", &videos);
        if let Some(track) = disabled {
            disable(&input, track);
        }
        let output = folder.join("out").join(name);
        let done = succeed(&[text(&input), "-o", text(&folder.join("out"))]);
        assert_restored(&input, &output, restored);
        let told = stderr(&done);
        let number = restored.trim_start_matches('0');
        assert!(told.contains(&format!("video {number} (")), "{name}: {told}");
        assert_eq!(record(&output)["video"]["number"].to_string(), number, "{name}");
    }
}

#[test]
fn another_video_can_be_chosen_and_one_that_is_not_there_is_refused() {
    let (_folder, folder) = folder();
    let videos = [h264("ball", 30, 96), h264("smpte", 30, 96)];
    let videos = videos.each_ref().map(String::as_str);
    for (name, muxer) in [("two.mp4", "mp4mux"), ("two.mkv", "matroskamux")] {
        let input = file_of(&folder, name, muxer, &videos);
        let output = folder.join("out").join(name);
        for number in ["2", "1"] {
            let overwrite = ["--overwrite", "--video", number, "--strength", "0.5"];
            succeed(&[&[text(&input), "-o", text(&output)][..], &overwrite].concat());
            assert_restored(&input, &output, &format!("00{number}"));
        }
        let refused = run(&[text(&input), "-o", text(&folder.join("none.mp4")), "--video", "3"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            stderr(&refused).contains("its videos are 1 to 2"),
            "{}",
            stderr(&refused)
        );
    }
}

#[test]
fn thumbnails_and_covers_are_kept_and_the_video_is_restored() {
    let (_folder, folder) = folder();
    for (name, pictures) in [("thumbnails.mov", 3), ("cover.mov", 1)] {
        let input = file_of(&folder, name, "qtmux", &[&jpeg(pictures), &h264("ball", 40, 96)]);
        let output = folder.join("out").join(name);
        succeed(&[text(&input), "-o", text(&folder.join("out"))]);
        assert_restored(&input, &output, "002");
        assert!(record(&output)["lost"].as_array().unwrap().is_empty(), "{name}");
    }
}
