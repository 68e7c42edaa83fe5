// SPDX-License-Identifier: MPL-2.0

//! Nothing leaks: no object after the last state change, no memory after thousands of frames.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{env, fs, process::Command};

use common::{buffer, bundle::Copy, element, frames, harness, picture, pipeline};
use gst::prelude::*;
use gst_video::VideoFormat;

/// Set in the child process. GStreamer reads the settings of its leaks tracer when it is initialised.
const TRACED: &str = "BLURDM_TEST_TRACED";
const CYCLES: usize = 100;

#[test]
fn a_hundred_cycles_of_null_and_playing_leak_no_object() {
    if env::var_os(TRACED).is_some() {
        return cycle();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_hundred_cycles_of_null_and_playing_leak_no_object"])
        .envs([
            (TRACED, "1"),
            ("GST_TRACERS", "leaks"),
            ("GST_DEBUG", "GST_TRACER:7"),
            ("GST_DEBUG_NO_COLOR", "1"),
        ])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{log}");
    assert!(log.contains("leaks"), "the tracer did not run: {log}");
    // The tracer also prints the format of its records.
    let alive: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("object-alive,") && !line.contains("%s"))
        .collect();
    assert!(alive.is_empty(), "{alive:#?}");
}

/// Uses a model of three small graphs, which is loaded a hundred times in seconds.
fn cycle() {
    let copy = Copy::shifting(None, 0.5);
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc ! video/x-raw,format=NV12,width=64,height=48 ! blurdm name=b execution-provider=cpu model={} ! fakesink",
        copy.text()
    ));
    for _ in 0..CYCLES {
        pipeline.set_state(gst::State::Playing).unwrap();
        pipeline.state(gst::ClockTime::NONE).0.unwrap();
        assert!(frames(&blurdm) > 0);
        pipeline.set_state(gst::State::Null).unwrap();
    }
    drop((pipeline, blurdm));
    // SAFETY: nothing of GStreamer is used after this, which makes the tracer print what is still alive.
    unsafe { gst::deinit() };
}

/// Returns the resident memory of this process, in bytes.
fn resident() -> usize {
    const PAGE: usize = 4096;
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * PAGE
}

#[test]
fn ten_thousand_frames_leak_no_memory() {
    const MEGABYTE: usize = 1 << 20;
    let (width, height) = (32, 32);
    // A model of three small graphs: it is the element's and the engine's own work that is repeated.
    let copy = Copy::shifting(None, 0.5);
    let element = element();
    element.set_property_from_str("execution-provider", "cpu");
    element.set_property("model", copy.text());
    let mut harness = harness(&element, width, height);
    let inputs = [1, 2, 3].map(|seed| buffer(&picture(width, height, seed), VideoFormat::Rgbx, width, height));
    let mut push = |count: usize| {
        for input in inputs.iter().cycle().take(count) {
            harness.push_and_pull(input.clone()).unwrap();
        }
    };
    push(1000);
    let before = resident();
    push(10_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < MEGABYTE, "{grown} bytes");
}
