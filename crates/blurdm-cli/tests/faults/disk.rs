// SPDX-License-Identifier: MPL-2.0

//! Whatever the file system refuses, nothing is lost: the n-th call that changes a file fails, for n = 1, 2, 3, …, until a run has fewer calls.
//!
//! `make faults` tries every n.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    clips::{clip, folder, frames, packets, restore, stderr, text},
    tried,
};

/// Of so many calls one is tried, unless all are.
const STEP: usize = 16;

/// A container, and whether two files of it are the same.
#[derive(Clone, Copy)]
struct Container {
    name: &'static str,
    muxer: &'static str,
    same: fn(&Path, &Path) -> bool,
}

const MP4: Container = Container {
    name: "clip.mp4",
    muxer: "mp4mux",
    same: |a, b| fs::read(a).unwrap() == fs::read(b).unwrap(),
};

/// Matroska's muxer draws the numbers of tracks and of the file at random.
const MATROSKA: Container = Container {
    name: "clip.mkv",
    muxer: "matroskamux",
    same: |a, b| packets(a) == packets(b) && frames(a) == frames(b),
};

struct Trial<'a> {
    shim: &'a Path,
    input: &'a Path,
    folder: &'a Path,
    name: &'a str,
}

impl Trial<'_> {
    fn arguments<'a>(input: &'a Path, output: &'a Path) -> [&'a str; 7] {
        // What the model does with the frames is of no interest here.
        [
            text(input),
            "-o",
            text(output),
            "--strength",
            "0",
            "--report",
            "--software-encoder",
        ]
    }

    fn command(&self) -> Command {
        restore(&Self::arguments(self.input, &self.output()))
    }

    fn output(&self) -> PathBuf {
        self.folder.join("out").join(self.name)
    }

    /// Runs the command with a fault. Returns the calls that have failed.
    fn run(&self, kind: &str, at: usize, stays: bool) -> (Output, String) {
        let log = self.folder.join("faults.log");
        fs::remove_file(&log).ok();
        let mut command = self.command();
        command
            .env("LD_PRELOAD", self.shim)
            .env("FAULT_FOLDER", self.folder.join("out"))
            .env("FAULT_AT", at.to_string())
            .env("FAULT_KIND", kind)
            .env("FAULT_LOG", &log);
        if stays {
            command.env("FAULT_STAYS", "1");
        }
        (command.output().unwrap(), fs::read_to_string(&log).unwrap_or_default())
    }
}

/// Builds the library that makes calls fail.
pub fn shim(folder: &Path) -> PathBuf {
    let shim = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(compiler)
        .args([
            "-Wall",
            "-Werror",
            "-O1",
            "-shared",
            "-fPIC",
            "-o",
            text(&shim),
            text(&source),
            "-ldl",
        ])
        .status();
    assert!(built.unwrap().success());
    shim
}

/// Tries a kind of fault at every call, or at some from `first` on. Returns how many were tried.
fn try_all(container: Container, kind: &str, stays: bool, first: usize) -> usize {
    let (_folder, folder) = folder();
    let shim = shim(&folder);
    let input = folder.join(container.name);
    clip(&input, 12, container.muxer);
    let original = fs::read(&input).unwrap();
    let changed = fs::metadata(&input).unwrap().modified().unwrap();
    let undisturbed = folder.join("undisturbed").join(container.name);
    assert!(
        restore(&Trial::arguments(&input, &undisturbed))
            .status()
            .unwrap()
            .success()
    );
    let (first, step) = (tried(first, 1), tried(STEP, 1));
    let trial = Trial {
        shim: &shim,
        input: &input,
        folder: &folder,
        name: container.name,
    };
    let output = trial.output();
    let mut failures = 0;
    for at in (first..).step_by(step) {
        fs::remove_dir_all(folder.join("out")).ok();
        // Folders are made, or not, but that is no file.
        fs::create_dir(folder.join("out")).unwrap();
        let (result, failed) = trial.run(kind, at, stays);
        let what = format!("{kind} at call {at} ({}): {}", failed.trim(), stderr(&result));
        assert!(
            fs::read(&input).unwrap() == original,
            "{what}: the original has changed"
        );
        assert_eq!(fs::metadata(&input).unwrap().modified().unwrap(), changed, "{what}");
        let is_whole = output.exists().then(|| (container.same)(&output, &undisturbed));
        assert_ne!(is_whole, Some(false), "{what}: what has the final name is half made");
        match result.status.code() {
            Some(0) => assert_eq!(is_whole, Some(true), "{what}"),
            Some(1) => assert!(stderr(&result).contains("failed: "), "{what}"),
            _ => panic!("{what}"),
        }
        if failed.is_empty() {
            return failures;
        }
        failures += 1;
        let again = trial.command().output().unwrap();
        assert!(again.status.success(), "{what}; then {}", stderr(&again));
        assert!((container.same)(&output, &undisturbed), "{what}; then it is another");
        assert!(output.with_added_extension("json").exists(), "{what}: then no record");
        assert!(output.with_added_extension("html").exists(), "{what}: then no report");
        assert!(
            !output.with_added_extension("blurdm").exists(),
            "{what}: then unfinished work"
        );
    }
    failures
}

fn assert_all(container: Container, kind: &str, stays: bool, first: usize) {
    let failures = try_all(container, kind, stays, first);
    println!(
        "{}, {kind}{}: {failures} calls",
        container.name,
        if stays { " that stays" } else { "" }
    );
    assert!(failures > 2, "{failures}");
}

#[test]
fn a_full_disk_loses_nothing() {
    assert_all(MP4, "enospc", true, 1);
}

#[test]
fn a_write_that_fails_once_for_want_of_space_loses_nothing() {
    assert_all(MP4, "enospc", false, 4);
}

#[test]
fn an_error_of_the_disk_loses_nothing() {
    assert_all(MP4, "eio", false, 7);
}

#[test]
fn an_interrupted_call_loses_nothing() {
    assert_all(MP4, "eintr", false, 10);
}

#[test]
fn a_short_write_loses_nothing() {
    assert_all(MP4, "short", false, 13);
}

#[test]
fn a_full_disk_loses_nothing_of_a_matroska_file() {
    assert_all(MATROSKA, "enospc", true, 2);
}

#[test]
fn a_call_that_fails_once_loses_nothing_of_a_matroska_file() {
    // One of them is enough where not all is tried.
    let kinds = ["eio", "enospc", "eintr", "short"];
    for kind in &kinds[..tried(1, kinds.len())] {
        assert_all(MATROSKA, kind, false, 5);
    }
}
