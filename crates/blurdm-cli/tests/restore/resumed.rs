// SPDX-License-Identifier: MPL-2.0

//! Work that is interrupted, or done in parts.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::clips::{assert_kept, clip, folder, frames, restore, run, stderr, succeed, text};

/// Kills the command several times, each time a little later, and then lets it finish.
fn interrupted(arguments: &[&str], kills: u32, pause: Duration) {
    for kill in 1..=kills {
        let mut child = restore(arguments).spawn().unwrap();
        thread::sleep(pause * kill);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    succeed(arguments);
}

#[test]
fn a_killed_run_is_resumed_and_gives_the_same_frames() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 400, "mp4mux");
    let (whole, resumed) = (folder.join("whole.mp4"), folder.join("resumed.mp4"));
    succeed(&[text(&input), "-o", text(&whole)]);
    interrupted(&[text(&input), "-o", text(&resumed)], 4, Duration::from_millis(1500));
    assert_kept(&input, &resumed);
    assert!(frames(&whole) == frames(&resumed), "frames differ");
    assert!(!folder.join("resumed.mp4.blurdm").exists());
    assert!(
        fs::read_dir(&folder)
            .unwrap()
            .all(|entry| !text(&entry.unwrap().path()).ends_with(".part"))
    );
}

#[test]
fn ctrl_c_ends_within_a_second_and_keeps_what_is_finished() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 1500, "mp4mux");
    let mut child = restore(&[text(&input), "-o", text(&output)]).spawn().unwrap();
    let work = folder.join("out.mp4.blurdm");
    let began = Instant::now();
    while !work.join("00000.json").exists() {
        assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(120));
        thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let asked = Instant::now();
    let status = child.wait().unwrap();
    // One second is promised. A busy machine may take longer.
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(130));
    assert!(work.join("00000.mp4").exists() && !output.exists());
}

#[test]
fn segments_restored_separately_give_the_same_file() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 300, "mp4mux");
    let (whole, parts) = (folder.join("whole.mp4"), folder.join("parts.mp4"));
    succeed(&[text(&input), "-o", text(&whole)]);
    let plan = succeed(&[text(&input), "-o", text(&parts), "--plan"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let segments = plan["segments"].as_array().unwrap();
    assert!(segments.len() > 1);
    for segment in segments.iter().rev() {
        succeed(&[
            text(&input),
            "-o",
            text(&parts),
            "--segments",
            &segment["number"].to_string(),
        ]);
    }
    assert!(!parts.exists());
    succeed(&[text(&input), "-o", text(&parts)]);
    assert!(frames(&whole) == frames(&parts), "frames differ");
}

#[test]
fn a_finished_segment_that_is_no_longer_whole_is_restored_again() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 150, "mp4mux");
    let (whole, resumed) = (folder.join("whole.mp4"), folder.join("resumed.mp4"));
    succeed(&[text(&input), "-o", text(&whole), "--strength", "0"]);
    let video = folder.join("resumed.mp4.blurdm/00000.mp4");
    let harm: [fn(&mut Vec<u8>); 4] = [
        |video| video.clear(),
        |video| video.truncate(2000),
        |video| video.truncate(video.len() - 100),
        // Blocks that were never written.
        |video| video[3000..6000].fill(0),
    ];
    for (number, harm) in harm.iter().enumerate() {
        fs::remove_file(&resumed).ok();
        let arguments = [text(&input), "-o", text(&resumed), "--strength", "0"];
        succeed(&[&arguments[..], &["--segments", "0"]].concat());
        let mut bytes = fs::read(&video).unwrap();
        harm(&mut bytes);
        fs::write(&video, bytes).unwrap();
        succeed(&arguments);
        assert!(
            fs::read(&whole).unwrap() == fs::read(&resumed).unwrap(),
            "harm {number}"
        );
    }
}

#[test]
fn work_of_another_process_is_refused_with_a_message() {
    let (_folder, folder) = folder();
    let (input, work) = (folder.join("clip.mp4"), folder.join("out.mp4.blurdm"));
    clip(&input, 12, "mp4mux");
    fs::create_dir(&work).unwrap();
    let lock = fs::File::create(work.join("lock")).unwrap();
    lock.lock().unwrap();
    let result = run(&[text(&input), "-o", text(&folder.join("out.mp4"))]);
    assert_eq!(result.status.code(), Some(1));
    assert!(stderr(&result).contains("by another process"), "{}", stderr(&result));
}
