// SPDX-License-Identifier: MPL-2.0

//! The options.

use std::fs;

use crate::clips::{SIDE, clip, clip_of, folder, frames, launch, record, run, stderr, succeed, text, times};

#[test]
fn a_part_of_a_clip_has_the_frames_of_that_part() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 60, "mp4mux");
    succeed(&[text(&input), "-o", text(&output), "--start", "0.8", "--duration", "0.6"]);
    let expected: Vec<_> = (0..15).map(|frame| Some(frame * 40_000_000)).collect();
    assert_eq!(times(&frames(&output)), expected);
    let output = run(&[
        text(&input),
        "-o",
        text(&folder.join("none.mp4")),
        "--start",
        "7",
        "--duration",
        "1",
    ]);
    assert!(
        !output.status.success() && stderr(&output).contains("has no frame between 7.000 s"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_preview_is_a_frame_before_and_after() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 30, "mp4mux");
    succeed(&[text(&input), "-o", text(&folder.join("look.mp4")), "--preview", "0.5"]);
    let picture = |name| fs::read(folder.join(name)).unwrap();
    let (before, after) = (picture("look-before.png"), picture("look-after.png"));
    assert!(before.starts_with(b"\x89PNG") && after.starts_with(b"\x89PNG") && before != after);
    assert!(!folder.join("look.mp4").exists());
}

#[test]
fn side_by_side_is_twice_as_wide() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip_of(&format!("format=I420,{SIDE}"), &input, 12, "mp4mux");
    let made = succeed(&[text(&input), "-o", text(&output), "--compare", "side-by-side"]);
    // A size that was requested is no loss.
    assert!(!stderr(&made).contains("not kept"), "{}", stderr(&made));
    let shown = frames(&output);
    assert_eq!(shown.len(), 12);
    assert_eq!(shown[0].1.len(), 2 * 96 * 64 * 3 / 2);
}

#[test]
fn progress_for_scripts_is_a_json_object_per_line() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    let output = succeed(&[text(&input), "-o", text(&folder.join("out.mp4")), "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "begun");
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "done" && event["restored"] == 12),
        "{lines}"
    );
}

#[test]
fn a_report_shows_stills_and_figures_and_loads_nothing() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 30, "mp4mux");
    succeed(&[text(&input), "-o", text(&folder.join("out.mp4")), "--report"]);
    let page = fs::read_to_string(folder.join("out.mp4.html")).unwrap();
    assert_eq!(
        page.matches("data:image/png;base64,").count(),
        10,
        "five stills, before and after"
    );
    for asked in ["src=\"http", "href=\"http", "url(http", "@import", "fetch("] {
        assert!(!page.contains(asked), "{asked}");
    }
    assert!(page.contains("<svg"));
}

#[test]
fn only_blurred_frames_are_restored_if_that_is_requested() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    // The edges of squares are perfectly sharp.
    launch(&format!(
        "videotestsrc num-buffers=12 pattern=checkers-8 ! video/x-raw,width=256,height=256,framerate=25/1 ! x264enc pass=quant quantizer=1 ! mp4mux ! filesink location=\"{}\"",
        input.display()
    ));
    succeed(&[text(&input), "-o", text(&output), "--only-blurred"]);
    let record = record(&output);
    assert_eq!(record["passed"], 12, "{record}");
}

#[test]
fn a_preview_may_lie_beside_the_original() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    let original = fs::read(&input).unwrap();
    succeed(&[text(&input), "-o", text(&folder), "--preview", "0.1"]);
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["clip-after.png", "clip-before.png", "clip.mp4"]);
    assert!(fs::read(&input).unwrap() == original);
    // A picture that the preview would replace is an original as well.
    let refused = run(&[
        text(&folder.join("clip-after.png")),
        text(&input),
        "-o",
        text(&folder),
        "--preview",
        "0",
        "--overwrite",
    ]);
    assert!(stderr(&refused).contains("never overwritten"), "{}", stderr(&refused));
}

#[test]
fn a_name_is_that_of_a_file_where_it_ends_as_one_of_video_does_and_of_a_folder_with_a_slash() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    for (name, written) in [
        ("sound.mka", "sound.mka"),
        ("other.mkv3d", "other.mkv"),
        ("old.ogv", "old.mkv"),
        ("slash.mp4/", "slash.mp4/clip.mp4"),
    ] {
        let output = format!("{}/{name}", text(&folder));
        succeed(&[text(&input), "-o", &output]);
        let written = folder.join(written);
        assert!(written.is_file() && frames(&written).len() == 12, "{name}");
    }
    for (name, told) in [
        ("clip.mp4/", "name a folder"),
        ("song.m4a", "extension of a file that is not written"),
    ] {
        let refused = run(&[text(&input), "-o", &format!("{}/{name}", text(&folder))]);
        assert!(
            !refused.status.success() && stderr(&refused).contains(told),
            "{name}: {}",
            stderr(&refused)
        );
    }
    assert!(!folder.join("song.m4a").exists() && !folder.join("clip.mp4.blurdm").exists());
}
