// SPDX-License-Identifier: MPL-2.0

//! The command is killed at many points of its work: nothing half made has the final name, and the same command then ends as if nothing had been.

use std::{fs, path::Path, thread, time::Instant};

use crate::{
    clips::{Streams, assert_kept, clip, folder, frames, packets, restore, stderr, text},
    tried,
};

/// Three segments.
const FRAMES: usize = 150;

fn arguments<'a>(input: &'a Path, output: &'a Path) -> [&'a str; 6] {
    [text(input), "-o", text(output), "--strength", "0", "--software-encoder"]
}

/// Everything in an output that has a meaning: its packets and its pictures.
type Content = (Streams, Vec<(Option<u64>, Vec<u8>)>);

fn content(output: &Path) -> Content {
    (packets(output), frames(output))
}

/// Kills a run at so many points, and lets it end each time.
fn killed_at(points: usize, muxer: &str, name: &str) {
    let (_folder, folder) = folder();
    let (input, whole) = (folder.join(name), folder.join("whole").join(name));
    clip(&input, FRAMES, muxer);
    let original = fs::read(&input).unwrap();
    let began = Instant::now();
    let undisturbed = restore(&arguments(&input, &whole)).output().unwrap();
    assert!(undisturbed.status.success(), "{}", stderr(&undisturbed));
    let took = began.elapsed();
    let expected = content(&whole);
    let output = folder.join("out").join(name);
    let mut unfinished = 0;
    for point in 0..points {
        fs::remove_dir_all(folder.join("out")).ok();
        let what = format!("{name}, killed at {point} of {points}");
        let mut child = restore(&arguments(&input, &output)).spawn().unwrap();
        thread::sleep(took.mul_f64((point as f64 + 0.5) / points as f64));
        child.kill().unwrap();
        child.wait().unwrap();
        unfinished += usize::from(!output.exists());
        if output.exists() {
            assert!(
                content(&output) == expected,
                "{what}: what has the final name is half made"
            );
        }
        assert!(
            fs::read(&input).unwrap() == original,
            "{what}: the original has changed"
        );
        let again = restore(&arguments(&input, &output)).output().unwrap();
        assert!(again.status.success(), "{what}; then {}", stderr(&again));
        assert!(content(&output) == expected, "{what}; then it is another");
        assert!(output.with_added_extension("json").exists(), "{what}; then no record");
        let left: Vec<_> = fs::read_dir(folder.join("out"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(left.len(), 2, "{what}; then {left:?}");
    }
    println!("{name}: {unfinished} of {points} kills came before the end");
    assert!(unfinished > 0);
    assert_kept(&input, &output);
}

#[test]
fn a_kill_at_any_point_loses_nothing_of_an_mp4_file() {
    killed_at(tried(3, 100), "mp4mux", "clip.mp4");
}

#[test]
fn a_kill_at_any_point_loses_nothing_of_a_matroska_file() {
    killed_at(tried(3, 100), "matroskamux", "clip.mkv");
}
