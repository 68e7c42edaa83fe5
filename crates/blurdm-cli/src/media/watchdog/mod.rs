// SPDX-License-Identifier: MPL-2.0

//! Ends a wait on a pipeline in which nothing moves.
//!
//! A wait is counted from its beginning, and from each buffer that an element of any pipeline of this process passes on. While a model is
//! loaded or restores a frame, and while a file is read of which nothing comes out yet, more time is allowed. The thread that waits may be
//! blocked in GStreamer for ever, so it is not asked: what [`start`] is given reports the stall, and ends the process.

mod activity;
mod kept_errors;
mod stillness;

use std::{
    io::{self, Write},
    process,
    sync::Mutex,
    thread,
    time::Duration,
};

use clap::Args;

use crate::{error::Error, sync::lock};
#[cfg(test)]
pub use activity::observe;
pub use kept_errors::{KeptErrors, posted_in};
use stillness::Stillness;

/// How often it is looked whether something has moved.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, Args)]
pub struct StallLimit {
    /// Give a file up when nothing moves in its pipelines for this time, in seconds; loading a model and restoring one frame may take 120 times as long
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = limit)]
    pub stall_limit: Duration,
}

fn limit(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|&seconds: &f64| seconds >= TICK.as_secs_f64());
    let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    limit.ok_or_else(|| "it is not a number of seconds above 0.1, as in 30".into())
}

/// The waits of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waits {
    /// How many are in progress: one may be part of another.
    depth: usize,
    /// How many have begun.
    begun: u64,
}

static WAITS: Mutex<Waits> = Mutex::new(Waits { depth: 0, begun: 0 });

/// A wait in progress.
pub struct Wait(());

/// Begins a wait, which lasts until the returned value is dropped.
pub fn wait() -> Wait {
    let mut waits = lock(&WAITS);
    waits.begun += u64::from(waits.depth == 0);
    waits.depth += 1;
    Wait(())
}

impl Drop for Wait {
    fn drop(&mut self) {
        lock(&WAITS).depth -= 1;
    }
}

/// Watches all waits of this process from now on. `on_stall` is called with a sentence about the first one that stalls, in a thread of its own.
///
/// # Errors
/// Where no thread can be made.
pub fn start(limit: StallLimit, on_stall: impl FnOnce(&str) + Send + 'static) -> Result<(), Error> {
    let limit = limit.stall_limit;
    activity::observe();
    let watch = move || {
        let mut stillness = Stillness::default();
        while !stillness.exceeds(limit) {
            thread::sleep(TICK);
            let waits = *lock(&WAITS);
            stillness.tick(TICK, activity::counts(), (waits.depth > 0).then_some(waits.begun));
        }
        let seconds = limit.as_secs_f64();
        let holder = activity::holder().map_or_else(String::new, |name| format!(" in {name}"));
        on_stall(&format!(
            "nothing has moved{holder} for {seconds} s; --stall-limit allows more"
        ));
    };
    let thread = thread::Builder::new().name("watchdog".into()).spawn(watch);
    let failed = |error| Error::Failed(format!("no thread can be made: {error}"));
    thread.map(|_| ()).map_err(failed)
}

/// Says why a command has stalled that works on a single file, and ends the process.
pub fn end_process(reason: &str) {
    writeln!(io::stderr(), "blurdm: {reason}").ok();
    process::exit(1);
}
