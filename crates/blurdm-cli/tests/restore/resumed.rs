// SPDX-License-Identifier: MPL-2.0

//! Work that was broken off, or done in parts.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::clips::{assert_kept, clip, done, folder, frames, restore, run, said, text};

/// Kills the command as often as told, each time a little later, and then lets it end.
fn interrupted(arguments: &[&str], kills: u32, pause: Duration) {
    for kill in 1..=kills {
        let mut child = restore(arguments).spawn().unwrap();
        thread::sleep(pause * kill);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    done(arguments);
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_and_gives_the_same_frames() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 400, "mp4mux");
    let (whole, resumed) = (folder.join("whole.mp4"), folder.join("resumed.mp4"));
    done(&[text(&input), "-o", text(&whole)]);
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
fn ctrl_c_ends_within_a_second_and_leaves_what_is_finished() {
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
    // A second is promised; a machine that does other things beside may take longer.
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(130));
    assert!(work.join("00000.mp4").exists() && !output.exists());
}

#[test]
fn segments_restored_apart_give_the_same_file() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 300, "mp4mux");
    let (whole, parts) = (folder.join("whole.mp4"), folder.join("parts.mp4"));
    done(&[text(&input), "-o", text(&whole)]);
    let plan = done(&[text(&input), "-o", text(&parts), "--plan"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let segments = plan["segments"].as_array().unwrap();
    assert!(segments.len() > 1);
    for segment in segments.iter().rev() {
        done(&[
            text(&input),
            "-o",
            text(&parts),
            "--segments",
            &segment["number"].to_string(),
        ]);
    }
    assert!(!parts.exists());
    done(&[text(&input), "-o", text(&parts)]);
    assert!(frames(&whole) == frames(&parts), "frames differ");
}

#[test]
fn work_that_another_process_has_is_left_to_it_with_a_word() {
    let (_folder, folder) = folder();
    let (input, work) = (folder.join("clip.mp4"), folder.join("out.mp4.blurdm"));
    clip(&input, 12, "mp4mux");
    fs::create_dir(&work).unwrap();
    let lock = fs::File::create(work.join("lock")).unwrap();
    lock.lock().unwrap();
    let result = run(&[text(&input), "-o", text(&folder.join("out.mp4"))]);
    assert_eq!(result.status.code(), Some(1));
    assert!(said(&result).contains("by another process"), "{}", said(&result));
}
