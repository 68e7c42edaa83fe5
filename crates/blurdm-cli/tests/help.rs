// SPDX-License-Identifier: MPL-2.0

//! The help texts are part of what a user sees.

// A test fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{env, fs, path::Path};

use common::command;

/// Every subcommand has a file `help/NAME.txt`. With `BLURDM_UPDATE_HELP` set the files are written instead of compared.
#[test]
fn nothing_that_help_shows_changes_unnoticed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    let subcommands = [
        "restore",
        "doctor",
        "build-engine",
        "bench",
        "models",
        "completions",
        "man",
    ];
    let pages = subcommands.into_iter().map(Some).chain([None]);
    for subcommand in pages {
        let output = command().args(subcommand).arg("--help").output().unwrap();
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        let file = folder.join(format!("{}.txt", subcommand.unwrap_or("blurdm")));
        if env::var_os("BLURDM_UPDATE_HELP").is_some() {
            fs::write(&file, &help).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&file).unwrap();
        assert!(
            help == expected,
            "the help of {subcommand:?} has changed. If that is intended, run the test with BLURDM_UPDATE_HELP=1 and commit {}:\n{help}",
            file.display()
        );
    }
    let main = command().arg("--help").output().unwrap();
    let main = String::from_utf8(main.stdout).unwrap();
    let listed: Vec<&str> = main.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let listed = listed
        .iter()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    assert_eq!(
        listed.count(),
        subcommands.len() + 1,
        "a subcommand has no file, or is gone:\n{main}"
    );
}
