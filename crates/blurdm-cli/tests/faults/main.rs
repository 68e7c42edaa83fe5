// SPDX-License-Identifier: MPL-2.0

//! Whatever happens to a run, nothing is lost: calls of the file system that fail, kills, and damaged files.
//!
//! A part of it is tried here, and all of it by `make faults`.

// A test fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// The tests of restore use the rest of it.
#[path = "../restore/clips.rs"]
#[allow(dead_code)]
mod clips;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod killed;
mod mutated;
mod stalled;

use std::env;

/// Returns how much of something is tried: `some`, or `all` by `make faults`.
fn tried(some: usize, all: usize) -> usize {
    if env::var_os("BLURDM_FAULTS").is_some() {
        all
    } else {
        some
    }
}
