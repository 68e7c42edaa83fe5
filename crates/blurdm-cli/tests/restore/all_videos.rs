// SPDX-License-Identifier: MPL-2.0

//! `--video all`: every video of a file is restored into one output.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use mp4_splice::Movie;

use crate::{
    clips::{folder, frames_of_tracks, launch, mp4, packets, record, restore, run, stderr, succeed, text, tracks},
    videos::{assert_all_restored, disable, file_of, h264, jpeg},
};

/// A rear camera: another size and frame rate.
fn rear(frames: usize) -> String {
    format!(
        "videotestsrc num-buffers={frames} pattern=smpte ! video/x-raw,format=I420,width=128,height=80,framerate=15/1 ! \
         x264enc bframes=2 key-int-max=15 ! h264parse ! queue"
    )
}

fn front_and_rear(folder: &Path, name: &str, muxer: &str, frames: usize) -> PathBuf {
    file_of(folder, name, muxer, &[&h264("ball", frames, 96), &rear(frames)])
}

/// Runs `--video all` with these further arguments.
fn restore_all(input: &Path, output: &Path, arguments: &[&str]) -> std::process::Output {
    succeed(&[&[text(input), "-o", text(output), "--video", "all"], arguments].concat())
}

/// Overwrites the samples of a track, from this chunk on.
fn destroy(path: &Path, track: usize, from: usize) {
    let movie = Movie::open(path).unwrap();
    let mut file = fs::read(path).unwrap();
    for chunk in movie.tracks()[track].chunks.iter().skip(from) {
        file[chunk.offset as usize..chunk.end() as usize].fill(0xaa);
    }
    fs::write(path, file).unwrap();
}

#[test]
fn all_videos_are_restored_into_one_output_and_thumbnails_and_sound_stay() {
    let (_folder, folder) = folder();
    let sound =
        "audiotestsrc num-buffers=40 samplesperbuffer=1920 ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! queue";
    let (front, pictures, rear) = (h264("ball", 40, 96), jpeg(3), rear(30));
    // Of Matroska GStreamer lists videos before pictures.
    for (name, muxer, videos, number, track) in [
        ("all.mp4", "qtmux", [&front[..], &pictures, &rear, sound], 3, "003"),
        ("all.mkv", "matroskamux", [&front, &rear, &pictures, sound], 2, "002"),
    ] {
        let input = file_of(&folder, name, muxer, &videos);
        let output = folder.join("out").join(name);
        if muxer == "qtmux" {
            disable(&input, 2);
        }
        let done = restore_all(&input, &output, &[]);
        assert_all_restored(&input, &output, &["001", track]);
        let told = format!(
            "2 of its 3 videos are restored: video 1 (96x64 video/x-h264, 40 frames), video {number} (128x80 video/x-h264, 30 frames)"
        );
        assert!(stderr(&done).contains(&told), "{name}: {}", stderr(&done));
        let record = record(&output);
        assert_eq!(
            (&record["frames"], &record["video"]["of"]),
            (&70.into(), &3.into()),
            "{record}"
        );
        assert!(record["gaps"].as_array().unwrap().is_empty(), "{record}");
        for (number, frames, video) in [(1, 40, &record["videos"][0]), (number, 30, &record["videos"][1])] {
            assert_eq!(
                (&video["number"], &video["frames"]),
                (&number.into(), &frames.into()),
                "{record}"
            );
            assert_eq!(video["encoder"]["codec"], record["encoder"]["codec"]);
        }
        let again = run(&[text(&input), "-o", text(&output), "--video", "all"]);
        assert!(stderr(&again).contains("was restored before"), "{}", stderr(&again));
        let one = run(&[text(&input), "-o", text(&output), "--video", "1"]);
        assert!(stderr(&one).contains("already exists"), "{}", stderr(&one));
    }
}

#[test]
fn progress_counts_the_frames_of_all_videos() {
    let (_folder, folder) = folder();
    let input = front_and_rear(&folder, "two.mp4", "mp4mux", 12);
    let done = restore_all(&input, &folder.join("out.mp4"), &["--json"]);
    let lines = String::from_utf8(done.stdout).unwrap();
    let events = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    let events: Vec<serde_json::Value> = events.collect();
    let of = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    assert_eq!(of("begun")["total"], 24, "{lines}");
    assert_eq!(of("done")["restored"], 24, "{lines}");
}

#[test]
fn a_file_with_one_video_is_restored_as_without_it() {
    let (_folder, folder) = folder();
    let input = folder.join("one.mp4");
    mp4(&input, 30);
    let [all, plain] = ["all.mp4", "plain.mp4"].map(|name| folder.join(name));
    restore_all(&input, &all, &[]);
    succeed(&[text(&input), "-o", text(&plain)]);
    assert!(fs::read(&all).unwrap() == fs::read(&plain).unwrap());
    let again = succeed(&[text(&input), "-o", text(&all)]);
    assert!(stderr(&again).contains("was restored before"), "{}", stderr(&again));
}

#[test]
fn each_video_keeps_its_codec() {
    let (_folder, folder) = folder();
    let other = "videotestsrc num-buffers=20 pattern=smpte ! video/x-raw,format=I420,width=64,height=64,framerate=10/1";
    let jpegs =
        "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=64,height=64,framerate=10/1 ! jpegenc ! queue";
    let vp9 = format!("{other} ! vp9enc deadline=1 ! vp9parse ! queue");
    let input = file_of(
        &folder,
        "mixed.mkv",
        "matroskamux",
        &[&h264("ball", 20, 96), &vp9, jpegs],
    );
    let output = folder.join("out.mkv");
    let done = restore_all(&input, &output, &[]);
    let streams = packets(&output);
    let codecs: Vec<&String> = streams.keys().collect();
    // What there is no encoder for becomes H.264, and is told.
    assert_eq!(codecs, ["video/x-h264", "video/x-vp9"]);
    assert!(
        stderr(&done).contains("video 3: the video was image/jpeg and becomes"),
        "{}",
        stderr(&done)
    );
    assert_eq!(record(&output)["videos"][1]["encoder"]["codec"], "vp9");
}

#[test]
fn a_webm_has_all_videos() {
    let (_folder, folder) = folder();
    let input = front_and_rear(&folder, "two.mkv", "matroskamux", 12);
    let output = folder.join("out.webm");
    restore_all(&input, &output, &[]);
    let counts: Vec<usize> = frames_of_tracks(&output).values().map(Vec::len).collect();
    assert_eq!(counts, [12, 12]);
    let streams = packets(&output);
    assert_eq!(streams.keys().collect::<Vec<_>>(), ["video/x-vp9"]);
}

#[test]
fn a_run_that_is_killed_in_the_second_video_is_resumed_and_gives_the_same_bytes() {
    let (_folder, folder) = folder();
    let input = front_and_rear(&folder, "two.mp4", "mp4mux", 250);
    let (whole, resumed) = (folder.join("whole.mp4"), folder.join("resumed.mp4"));
    restore_all(&input, &whole, &[]);
    let arguments = [text(&input), "-o", text(&resumed), "--video", "all"];
    let mut child = restore(&arguments).spawn().unwrap();
    let began = Instant::now();
    // The first video has two segments, the second one three.
    while !folder.join("resumed.mp4.blurdm/00002.json").exists() {
        assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(240));
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!resumed.exists());
    let done = succeed(&[&arguments[..], &["--json"]].concat());
    let lines = String::from_utf8(done.stdout).unwrap();
    let begun: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert!(begun["frames"].as_u64().unwrap() > 250, "{lines}");
    assert!(
        fs::read(&whole).unwrap() == fs::read(&resumed).unwrap(),
        "the bytes differ"
    );
    assert!(!folder.join("resumed.mp4.blurdm").exists());
}

#[test]
fn segments_are_numbered_through_all_videos_and_can_be_restored_apart() {
    let (_folder, folder) = folder();
    let input = front_and_rear(&folder, "two.mp4", "mp4mux", 130);
    let (whole, parts) = (folder.join("whole.mp4"), folder.join("parts.mp4"));
    restore_all(&input, &whole, &[]);
    let plan = restore_all(&input, &parts, &["--plan"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let segments = plan["segments"].as_array().unwrap();
    let numbers: Vec<u64> = segments
        .iter()
        .map(|segment| segment["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..segments.len() as u64).collect::<Vec<_>>());
    let frames: u64 = segments.iter().map(|segment| segment["frames"].as_u64().unwrap()).sum();
    assert_eq!(frames, 260);
    for number in numbers.iter().rev() {
        restore_all(&input, &parts, &["--segments", &number.to_string()]);
    }
    assert!(!parts.exists());
    restore_all(&input, &parts, &[]);
    assert!(
        fs::read(&whole).unwrap() == fs::read(&parts).unwrap(),
        "the bytes differ"
    );
}

#[test]
fn damage_in_one_video_is_told_with_its_number_and_the_other_is_restored() {
    let (_folder, folder) = folder();
    for (name, from, told) in [
        (
            "nothing.mp4",
            0,
            "video 2: none of its frames can be decoded, and it is kept as it is",
        ),
        ("half.mp4", 4, "video 2: "),
    ] {
        let input = front_and_rear(&folder, name, "mp4mux", 60);
        destroy(&input, 1, from);
        let output = folder.join("out").join(name);
        let done = run(&[text(&input), "-o", text(&output), "--video", "all"]);
        assert_eq!(done.status.code(), Some(3), "{name}: {}", stderr(&done));
        let record = record(&output);
        let gaps = record["gaps"].to_string();
        assert!(gaps.contains(told) && !gaps.contains("video 1"), "{name}: {gaps}");
        assert!(stderr(&done).contains(told), "{name}: {}", stderr(&done));
        assert_eq!(record["videos"][0]["frames"], 60, "{name}");
        let (before, after) = (tracks(&input), tracks(&output));
        assert!(
            before["001"] != after["001"] && before["001"].len() == after["001"].len(),
            "{name}"
        );
        assert_eq!(before["002"] == after["002"], from == 0, "{name}");
    }
    let input = front_and_rear(&folder, "both.mp4", "mp4mux", 12);
    destroy(&input, 0, 0);
    destroy(&input, 1, 0);
    let done = run(&[text(&input), "-o", text(&folder.join("out.mp4")), "--video", "all"]);
    assert_eq!(done.status.code(), Some(1), "{}", stderr(&done));
}

#[test]
fn a_part_is_that_of_all_videos_and_one_that_has_ended_by_then_is_told() {
    let (_folder, folder) = folder();
    let input = front_and_rear(&folder, "two.mp4", "mp4mux", 50);
    for name in ["part.mp4", "part.mkv"] {
        let output = folder.join(name);
        restore_all(&input, &output, &["--start", "0.8", "--duration", "0.6"]);
        let counts: Vec<usize> = frames_of_tracks(&output).values().map(Vec::len).collect();
        assert_eq!(counts, [15, 9], "{name}");
        // The front camera ends after two seconds, the rear one after 3.3.
        let output = folder.join(format!("late-{name}"));
        let done = restore_all(&input, &output, &["--start", "2.4"]);
        assert!(stderr(&done).contains("video 1: "), "{}", stderr(&done));
        let counts: Vec<usize> = frames_of_tracks(&output).values().map(Vec::len).collect();
        assert_eq!(counts, [14], "{name}");
    }
    let none = run(&[
        text(&input),
        "-o",
        text(&folder.join("none.mp4")),
        "--video",
        "all",
        "--start",
        "9",
    ]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("has no frame between"), "{}", stderr(&none));
}

#[test]
fn a_part_ends_where_it_is_to_end_though_a_video_has_ended_before() {
    let (_folder, folder) = folder();
    let input = folder.join("sound.mp4");
    launch(&format!(
        "mp4mux name=m ! filesink location=\"{}\" {} ! m. {} ! m. \
         audiotestsrc num-buffers=75 samplesperbuffer=1920 ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! queue ! m.",
        input.display(),
        h264("ball", 20, 96),
        rear(45)
    ));
    // The front camera ends after 0.8 seconds, the rear one and the sound after 3.
    let output = folder.join("part.mp4");
    restore_all(&input, &output, &["--duration", "1"]);
    let sound = &packets(&output)["audio/mpeg"];
    assert!((44..=49).contains(&sound.len()), "{} packets", sound.len());
    let counts: Vec<usize> = frames_of_tracks(&output).values().map(Vec::len).collect();
    assert_eq!(counts, [20, 15]);
}

#[test]
fn a_report_shows_all_videos_and_a_preview_the_main_one() {
    let (_folder, folder) = folder();
    let input = front_and_rear(&folder, "two.mp4", "mp4mux", 20);
    restore_all(&input, &folder.join("out.mp4"), &["--report"]);
    let page = fs::read_to_string(folder.join("out.mp4.html")).unwrap();
    assert_eq!(page.matches("data:image/png;base64,").count(), 20);
    for what in [
        "Video 1 (96x64 video/x-h264, 20 frames)",
        "Video 2 (128x80 video/x-h264, 20 frames)",
        "Frames of video 2",
    ] {
        assert!(page.contains(what), "{what}");
    }
    restore_all(&input, &folder.join("look.mp4"), &["--preview", "0.5"]);
    let picture = fs::read(folder.join("look-after.png")).unwrap();
    // The rear one is the larger one.
    assert_eq!(picture[16..24], [0, 0, 0, 128, 0, 0, 0, 80]);
}

#[test]
fn a_choice_that_is_none_is_refused() {
    let refused = run(&["a.mp4", "-o", "b.mp4", "--video", "both"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("neither a number from 1 on nor 'all'"),
        "{}",
        stderr(&refused)
    );
}

/// Frames of a matroska file with two videos of which one runs ahead by more than a queue holds.
#[test]
fn videos_of_very_different_rates_are_muxed() {
    let (_folder, folder) = folder();
    let input = folder.join("slow.mkv");
    launch(&format!(
        "matroskamux name=m ! filesink location=\"{}\" {} ! m. \
         videotestsrc num-buffers=13 pattern=smpte ! video/x-raw,format=I420,width=64,height=64,framerate=2/1 ! x264enc bframes=0 ! h264parse ! queue ! m.",
        input.display(),
        h264("ball", 130, 96)
    ));
    let output = folder.join("out.mkv");
    restore_all(&input, &output, &[]);
    assert_all_restored(&input, &output, &["001", "002"]);
}
