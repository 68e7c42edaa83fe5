// SPDX-License-Identifier: MPL-2.0

//! A rig that runs for months: however many frames there were, with restarts, other caps, QoS, a process that is stopped for a while and a clock that is
//! set, memory, open files and threads are as many as after the first ones, and every frame came out.
//!
//! `BLURDM_SOAK_FRAMES` is the number of frames, and `BLURDM_SOAK_CSV` a file for what was measured; `make soak` sets both.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    env,
    fmt::Write,
    fs,
    process::{self, Command},
};

use common::{bundle::Copy, caps, element, errors_of, frames, info, passed, process::in_own_process};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;

/// Frames between two restarts.
const BLOCK: u64 = 500;
/// Blocks between two times that a model is loaded.
const LOADS: u64 = 8;
/// Of how many models that are loaded one is the built-in model. The others are three small graphs: most of its time would be the runtime's.
const BUILT_IN: u64 = 10;
/// Between caps.
const CAPS: u64 = 50;
const INTERVAL: gst::ClockTime = gst::ClockTime::from_mseconds(40);
const DAY: gst::ClockTime = gst::ClockTime::from_seconds(24 * 3600);
const LATENCY: gst::ClockTime = gst::ClockTime::from_seconds(60);

const SIZES: [(u32, u32); 3] = [(32, 24), (48, 32), (33, 17)];
const FORMATS: [VideoFormat; 3] = [VideoFormat::I420, VideoFormat::Rgbx, VideoFormat::Nv12];

/// The median of what is resident, in MiB, varies by less: what the C library keeps after other caps differs from block to block.
const MARGIN: f64 = 8.0;

#[test]
fn memory_files_and_threads_stay_as_many_as_they_are() {
    // What the C library keeps of each thread that has ended is not the element's.
    let arenas = Some("1".as_ref());
    in_own_process(
        "memory_files_and_threads_stay_as_many_as_they_are",
        &[("MALLOC_ARENA_MAX", arenas)],
        soak,
    );
}

/// What a process has.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Resident memory in MiB.
    memory: f64,
    files: usize,
    threads: usize,
}

impl Held {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
        };
        Self {
            memory: number("VmRSS:") as f64 / 1024.0,
            files: fs::read_dir("/proc/self/fd").unwrap().count(),
            threads: number("Threads:"),
        }
    }
}

fn soak() {
    let count = env::var("BLURDM_SOAK_FRAMES").map_or(4_000, |count| count.parse().expect("BLURDM_SOAK_FRAMES"));
    let blocks = u64::div_ceil(count, BLOCK).max(8);
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.use_testclock();
    harness.set_live(true);
    let mut held = Vec::new();
    let mut csv = String::from("frames,resident MiB,open files,threads\n");
    let small = Copy::shifting(None, 1.0);
    for block in 0..blocks {
        restart(&element, &mut harness, block, &small);
        run(&element, &mut harness, block);
        let errors = errors_of(&bus, &element);
        assert!(errors.is_empty(), "block {block}: {errors:?}");
        let now = Held::now();
        writeln!(
            csv,
            "{},{:.1},{},{}",
            (block + 1) * BLOCK,
            now.memory,
            now.files,
            now.threads
        )
        .unwrap();
        held.push(now);
        if let Some(path) = env::var_os("BLURDM_SOAK_CSV") {
            fs::write(path, &csv).unwrap();
        }
    }
    // The first quarter has every kind of block.
    let quarter = held.len() / 4;
    let (early, late) = (&held[quarter..2 * quarter], &held[3 * quarter..]);
    let memory = |part: &[Held]| {
        let mut memory: Vec<f64> = part.iter().map(|held| held.memory).collect();
        memory.sort_by(f64::total_cmp);
        memory[memory.len() / 2]
    };
    let (before, after) = (memory(early), memory(late));
    assert!(after < before + MARGIN, "{before} MiB became {after} MiB\n{csv}");
    let most = |part: &[Held]| {
        let (files, threads) = part.iter().map(|held| (held.files, held.threads)).unzip();
        let (files, threads): (Vec<usize>, Vec<usize>) = (files, threads);
        (files.into_iter().max(), threads.into_iter().max())
    };
    let (before, after) = (most(early), most(late));
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "{before:?} became {after:?}\n{csv}"
    );
}

/// Starts the element anew: with the sessions it has, and from time to time from nothing, with the built-in model or with `small`.
fn restart(element: &gst::Element, harness: &mut Harness, block: u64, small: &Copy) {
    if block.is_multiple_of(LOADS) {
        element.set_state(gst::State::Null).unwrap();
        let built_in = (block / LOADS).is_multiple_of(BUILT_IN);
        element.set_property("model", (!built_in).then(|| small.text()));
    } else {
        element.set_state(gst::State::Ready).unwrap();
    }
    element.set_property("frames-in-flight", if block.is_multiple_of(2) { 0u32 } else { 2 });
    element.set_property("adaptive", block % 4 < 2);
    // What the end of the block before has left on the pads.
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    harness.play();
    if block % 16 == 1 {
        stop_for_a_while();
    }
}

/// Has this process stopped by another one, as a debugger or a job control does.
fn stop_for_a_while() {
    let script = format!("kill -STOP {0}; sleep 0.05; kill -CONT {0}", process::id());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
}

/// Pushes the frames of a block. Every one must come out.
fn run(element: &gst::Element, harness: &mut Harness, block: u64) {
    let clock = harness.testclock().unwrap();
    let (mut came_out, mut size) = (0, 0);
    for number in 0..BLOCK {
        if number.is_multiple_of(CAPS) {
            let kind = (block + number / CAPS) as usize;
            let (width, height) = SIZES[kind % SIZES.len()];
            let format = FORMATS[kind / SIZES.len() % FORMATS.len()];
            harness.set_src_caps(caps(format, width, height));
            size = info(format, width, height).size();
            assert!(harness.push_upstream_event(gst::event::Latency::new(LATENCY)));
        }
        clock.set_time(clock.internal_time() + INTERVAL);
        // The clock is set ahead by a day, and back again.
        if number % 100 == 70 {
            let (internal, external, rate, denominator) = clock.calibration();
            let external = match external > internal {
                true => internal,
                false => internal + DAY,
            };
            clock.set_calibration(
                clock.internal_time(),
                external.max(clock.internal_time()),
                rate,
                denominator,
            );
        }
        let now = clock.time();
        // The source stalls now and then, and its next frames are late.
        let due = match number % 60 {
            55.. => now.saturating_sub(LATENCY + LATENCY),
            _ => now,
        };
        if number.is_multiple_of(13) {
            let late = (number as i64 % 5 - 2) * 20_000_000;
            harness.push_upstream_event(gst::event::Qos::new(gst::QOSType::Underflow, 1.1, late, now));
        }
        let bytes: Vec<u8> = (0..size).map(|at| (at as u64 * 7 + number * 3 + block) as u8).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        buffer.make_mut().set_pts(due);
        harness.push(buffer).unwrap();
        while harness.try_pull().is_some() {
            came_out += 1;
        }
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    while harness.try_pull().is_some() {
        came_out += 1;
    }
    // Nobody reads the events that came out.
    while harness.try_pull_event().is_some() {}
    while harness.try_pull_upstream_event().is_some() {}
    assert_eq!(came_out, BLOCK, "block {block}");
    assert_eq!(frames(element) + passed(element), BLOCK, "block {block}");
    assert!(
        frames(element) > 0 && passed(element) > 0,
        "block {block}: {}",
        frames(element)
    );
}
