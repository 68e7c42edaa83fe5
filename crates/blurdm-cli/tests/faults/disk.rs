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
    clips::{clip, folder, restore, stderr, text},
    tried,
};

/// Of so many calls one is tried, unless all are.
const STEP: usize = 16;

struct Trial<'a> {
    shim: &'a Path,
    input: &'a Path,
    folder: &'a Path,
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
        self.folder.join("out/clip.mp4")
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
fn shim(folder: &Path) -> PathBuf {
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
fn try_all(kind: &str, stays: bool, first: usize) -> usize {
    let (_folder, folder) = folder();
    let shim = shim(&folder);
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    let original = fs::read(&input).unwrap();
    let changed = fs::metadata(&input).unwrap().modified().unwrap();
    let undisturbed = folder.join("undisturbed/clip.mp4");
    assert!(
        restore(&Trial::arguments(&input, &undisturbed))
            .status()
            .unwrap()
            .success()
    );
    let undisturbed = fs::read(undisturbed).unwrap();
    let step = tried(STEP, 1);
    let trial = Trial {
        shim: &shim,
        input: &input,
        folder: &folder,
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
        let is_whole = fs::read(&output).ok().map(|bytes| bytes == undisturbed);
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
        assert!(fs::read(&output).unwrap() == undisturbed, "{what}; then other bytes");
        assert!(output.with_added_extension("json").exists(), "{what}: then no record");
        assert!(output.with_added_extension("html").exists(), "{what}: then no report");
        assert!(
            !output.with_added_extension("blurdm").exists(),
            "{what}: then unfinished work"
        );
    }
    failures
}

fn assert_all(kind: &str, stays: bool, first: usize) {
    let failures = try_all(kind, stays, first);
    println!("{kind}: {failures} calls");
    assert!(failures > 2, "{failures}");
}

#[test]
fn a_full_disk_loses_nothing() {
    assert_all("enospc", true, 1);
}

#[test]
fn a_write_that_fails_once_for_want_of_space_loses_nothing() {
    assert_all("enospc", false, 4);
}

#[test]
fn an_error_of_the_disk_loses_nothing() {
    assert_all("eio", false, 7);
}

#[test]
fn an_interrupted_call_loses_nothing() {
    assert_all("eintr", false, 10);
}

#[test]
fn a_short_write_loses_nothing() {
    assert_all("short", false, 13);
}
