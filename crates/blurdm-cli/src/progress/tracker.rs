// SPDX-License-Identifier: MPL-2.0

//! Counting frames and files, and passing the counts on to a view.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::ProgressDrawTarget;

use super::{
    bars, json, lines,
    rate::{Rate, time_left},
    remote::{self, Event},
    snapshot::{Files, Outcome, Snapshot},
    summary::{Counts, Row, Summary},
    view::View,
};
use crate::sync::lock;

/// The window over which the rate is computed.
const WINDOW: Duration = Duration::from_secs(5);
/// How often the rate is sampled. Between samples a frame costs two additions and reading the clock.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A bar for each file in work, and one for all.
    Bars,
    /// A line when a file starts and ends, and about every ten seconds.
    Lines,
    /// A JSON object per line for each event, and once a second for each file in work.
    Json,
    /// Errors only.
    Quiet,
}

impl Form {
    /// Returns bars where standard error is a terminal, and lines otherwise.
    pub fn interactive() -> Self {
        match io::stderr().is_terminal() {
            true => Self::Bars,
            false => Self::Lines,
        }
    }
}

/// The work on all files. Clones share their state.
#[derive(Clone)]
pub struct Progress {
    shared: Arc<Shared>,
}

struct Shared {
    view: Box<dyn View>,
    started: Instant,
    files: usize,
    /// Number of the next file.
    next: AtomicU64,
    ended: AtomicUsize,
    skipped: AtomicUsize,
    total: Option<u64>,
    /// Frames of the started files that an earlier run had restored.
    already: AtomicU64,
    restored: AtomicU64,
    rate: Mutex<Rate>,
    summary: Mutex<Summary>,
}

impl Progress {
    /// `total` is the number of frames of all files together, where it is known.
    pub fn new(form: Form, files: usize, total: Option<u64>) -> Self {
        let view: Box<dyn View> = match form {
            Form::Bars => Box::new(bars::Bars::new(ProgressDrawTarget::stderr(), files, total)),
            Form::Lines => Box::new(lines::Lines::new(io::stderr())),
            Form::Json => Box::new(json::Json::new(io::stdout())),
            Form::Quiet => Box::new(lines::Errors::new(io::stderr())),
        };
        Self::with(view, files, total)
    }

    /// Progress of the work of this process that another one shows. `send` is called with every event.
    pub fn remote(send: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self::with(Box::new(remote::Sender::new(send)), 1, None)
    }

    pub(super) fn with(view: Box<dyn View>, files: usize, total: Option<u64>) -> Self {
        let shared = Shared {
            view,
            started: Instant::now(),
            files,
            next: AtomicU64::new(0),
            ended: AtomicUsize::new(0),
            skipped: AtomicUsize::new(0),
            total,
            already: AtomicU64::new(0),
            restored: AtomicU64::new(0),
            rate: Mutex::new(Rate::new(WINDOW, Duration::ZERO)),
            summary: Mutex::new(Summary::default()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Starts a file of `frames` frames, if that is known, of which an earlier run has restored `already`.
    pub fn start(&self, file: &Path, frames: Option<u64>, already: u64) -> FileProgress {
        let shared = &self.shared;
        shared.already.fetch_add(already, Ordering::Relaxed);
        let now = shared.started.elapsed();
        let progress = FileProgress {
            number: shared.next.fetch_add(1, Ordering::Relaxed),
            file: file.to_owned(),
            total: frames,
            already,
            started: now,
            restored: AtomicU64::new(0),
            next_sample: AtomicU64::new(0),
            display: Mutex::new(Display {
                rate: Rate::new(WINDOW, now),
                shown: now,
            }),
            ended: false,
            shared: Arc::clone(shared),
        };
        shared.view.started(progress.number, file, progress.snapshot(None));
        progress
    }

    /// Skips a file.
    pub fn skip(&self, file: &Path, reason: impl Into<String>) {
        let row = Row {
            file: file.to_owned(),
            outcome: Outcome::Skipped(reason.into()),
            frames: 0,
            time: Duration::ZERO,
        };
        self.shared
            .add(row, |row, all, files| self.shared.view.skipped(row, all, files));
    }

    /// Shows the summary.
    ///
    /// # Errors
    /// The first error in showing progress, such as a closed pipe.
    pub fn finish(self) -> io::Result<Counts> {
        let summary = lock(&self.shared.summary);
        self.shared.view.finished(&summary);
        self.shared.view.error().map_or(Ok(summary.counts()), Err)
    }
}

impl Shared {
    fn snapshot(&self) -> Snapshot {
        let restored = self.restored.load(Ordering::Relaxed);
        let frames = self.already.load(Ordering::Relaxed) + restored;
        let fps = lock(&self.rate).per_second(self.started.elapsed());
        let left = self.total.map(|total| total.saturating_sub(frames));
        Snapshot {
            frames,
            total: self.total,
            fps,
            time_left: left.and_then(|frames| time_left(frames, fps)),
        }
    }

    fn files(&self) -> Files {
        Files {
            ended: self.ended.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            total: self.files,
        }
    }

    fn add(&self, row: Row, show: impl FnOnce(&Row, Snapshot, Files)) {
        lock(&self.summary).add(row.clone());
        self.ended.fetch_add(1, Ordering::Relaxed);
        if matches!(row.outcome, Outcome::Skipped(_)) {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
        show(&row, self.snapshot(), self.files());
    }
}

/// The work on one file. Frames may be counted in any thread.
pub struct FileProgress {
    shared: Arc<Shared>,
    number: u64,
    file: PathBuf,
    total: Option<u64>,
    already: u64,
    /// Since the start of all work, as all times here.
    started: Duration,
    restored: AtomicU64,
    /// When the rate is sampled next, in milliseconds.
    next_sample: AtomicU64,
    display: Mutex<Display>,
    ended: bool,
}

struct Display {
    rate: Rate,
    /// When progress was shown last.
    shown: Duration,
}

impl FileProgress {
    /// Counts `frames` more as restored.
    pub fn restored(&self, frames: u64) {
        self.restored.fetch_add(frames, Ordering::Relaxed);
        self.shared.restored.fetch_add(frames, Ordering::Relaxed);
        let now = milliseconds(self.shared.started.elapsed());
        let due = self.next_sample.load(Ordering::Relaxed);
        let next = now + milliseconds(SAMPLE_INTERVAL);
        let claimed = |due| {
            self.next_sample
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        if now >= due && claimed(due).is_ok() {
            self.sample();
        }
    }

    /// Shows something that the user should know about this file, though the work goes on.
    pub fn note(&self, text: &str) {
        self.shared.view.noted(&self.file, text);
    }

    pub fn end(mut self, outcome: Outcome) {
        self.ended_as(outcome);
    }

    fn ended_as(&mut self, outcome: Outcome) {
        self.ended = true;
        let row = Row {
            file: self.file.clone(),
            outcome,
            frames: self.restored.load(Ordering::Relaxed),
            time: self.shared.started.elapsed().saturating_sub(self.started),
        };
        let view = &self.shared.view;
        self.shared
            .add(row, |row, all, files| view.ended(self.number, row, all, files));
    }

    fn sample(&self) {
        {
            let mut rate = lock(&self.shared.rate);
            rate.record(
                self.shared.started.elapsed(),
                self.shared.restored.load(Ordering::Relaxed),
            );
        }
        let fps = {
            let mut display = lock(&self.display);
            let now = self.shared.started.elapsed();
            display.rate.record(now, self.restored.load(Ordering::Relaxed));
            let interval = self.shared.view.interval();
            if interval.is_none_or(|interval| now < display.shown + interval) {
                return;
            }
            display.shown = now;
            display.rate.per_second(now)
        };
        let (all, files) = (self.shared.snapshot(), self.shared.files());
        self.shared
            .view
            .advanced(self.number, &self.file, self.snapshot(fps), all, files);
    }

    fn snapshot(&self, fps: Option<f64>) -> Snapshot {
        let frames = self.already + self.restored.load(Ordering::Relaxed);
        let left = self.total.map(|total| total.saturating_sub(frames));
        Snapshot {
            frames,
            total: self.total,
            fps,
            time_left: left.and_then(|frames| time_left(frames, fps)),
        }
    }
}

impl Drop for FileProgress {
    /// A file that is dropped without an outcome was stopped.
    fn drop(&mut self) {
        if !self.ended {
            self.ended_as(Outcome::Stopped);
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
