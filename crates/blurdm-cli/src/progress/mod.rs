// SPDX-License-Identifier: MPL-2.0

//! How far the work on files is: as bars in a terminal, as lines, as JSON for scripts, or errors only. What is for people goes to
//! the error stream, JSON to the output.

mod bars;
mod json;
mod lines;
mod rate;
mod table;
mod text;

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::ProgressDrawTarget;

use rate::{Rate, time_left};
pub use table::Counts;
use table::{Row, Table};

/// Speed is told over this much of the past.
const WINDOW: Duration = Duration::from_secs(5);
/// How often speed is measured. In between, a frame costs two additions and a look at the clock.
const SAMPLING: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A bar for each file in work and one in all.
    Bars,
    /// A line for each file begun and ended, and one about every ten seconds.
    Lines,
    /// An object in a line of its own for each thing that happens, and one a second for each file in work.
    Json,
    /// Errors only.
    Quiet,
}

impl Form {
    /// Bars where there is a terminal that can show them, otherwise lines.
    pub fn for_people() -> Self {
        match io::stderr().is_terminal() {
            true => Self::Bars,
            false => Self::Lines,
        }
    }
}

/// How the work on a file ended. The text says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Restored,
    /// What could be read is restored; the text tells what is missing.
    Damaged(String),
    Failed(String),
    /// Before the file was done, because somebody wanted it; the work can be gone on with.
    Stopped,
    Skipped(String),
}

/// The work on all files. Clones are the same.
#[derive(Clone)]
pub struct Progress {
    shared: Arc<Shared>,
}

struct Shared {
    view: Box<dyn View>,
    began: Instant,
    files: usize,
    begun: AtomicU64,
    ended: AtomicUsize,
    skipped: AtomicUsize,
    total: Option<u64>,
    /// Frames of files begun that an earlier run had restored.
    already: AtomicU64,
    restored: AtomicU64,
    rate: Mutex<Rate>,
    table: Mutex<Table>,
}

/// Where some work stands.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Standing {
    /// Done by now, in earlier runs too.
    frames: u64,
    /// As far as it is known.
    total: Option<u64>,
    fps: Option<f64>,
    left: Option<Duration>,
}

/// The files of the whole work.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Files {
    /// Those skipped are among them.
    ended: usize,
    skipped: usize,
    of: usize,
}

impl Files {
    fn none_of(files: usize) -> Self {
        Self {
            ended: 0,
            skipped: 0,
            of: files,
        }
    }
}

/// A form in which progress is shown. Files are told apart by the number that they begin with.
trait View: Send + Sync {
    /// The least time between two calls of `advanced` for a file; none if it need not be called.
    fn interval(&self) -> Option<Duration>;
    fn begun(&self, number: u64, file: &Path, now: Standing);
    fn advanced(&self, number: u64, file: &Path, now: Standing, all: Standing, files: Files);
    fn noted(&self, file: &Path, note: &str);
    fn ended(&self, number: u64, row: &Row, all: Standing, files: Files);
    fn skipped(&self, row: &Row, all: Standing, files: Files);
    fn finished(&self, table: &Table);
    /// The first error in showing all this.
    fn error(&self) -> Option<io::Error>;
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

    fn with(view: Box<dyn View>, files: usize, total: Option<u64>) -> Self {
        let shared = Shared {
            view,
            began: Instant::now(),
            files,
            begun: AtomicU64::new(0),
            ended: AtomicUsize::new(0),
            skipped: AtomicUsize::new(0),
            total,
            already: AtomicU64::new(0),
            restored: AtomicU64::new(0),
            rate: Mutex::new(Rate::new(WINDOW, Duration::ZERO)),
            table: Mutex::new(Table::default()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Begins with a file of `frames` frames, as far as that is known, of which `already` were restored by an earlier run.
    pub fn begin(&self, file: &Path, frames: Option<u64>, already: u64) -> FileProgress {
        let shared = &self.shared;
        shared.already.fetch_add(already, Ordering::Relaxed);
        let now = shared.began.elapsed();
        let progress = FileProgress {
            number: shared.begun.fetch_add(1, Ordering::Relaxed),
            file: file.to_owned(),
            total: frames,
            already,
            began: now,
            restored: AtomicU64::new(0),
            next_sample: AtomicU64::new(0),
            pace: Mutex::new(Pace {
                rate: Rate::new(WINDOW, now),
                shown: now,
            }),
            ended: false,
            shared: Arc::clone(shared),
        };
        shared.view.begun(progress.number, file, progress.standing(None));
        progress
    }

    /// Passes over a file.
    pub fn skip(&self, file: &Path, why: impl Into<String>) {
        let row = Row {
            file: file.to_owned(),
            outcome: Outcome::Skipped(why.into()),
            frames: 0,
            time: Duration::ZERO,
        };
        self.shared
            .add(row, |row, all, files| self.shared.view.skipped(row, all, files));
    }

    /// Tells how the files ended.
    ///
    /// # Errors
    /// The first by which progress could not be shown: a reader of the JSON who has gone, for one.
    pub fn finish(self) -> io::Result<Counts> {
        let table = lock(&self.shared.table);
        self.shared.view.finished(&table);
        self.shared.view.error().map_or(Ok(table.counts()), Err)
    }
}

impl Shared {
    fn standing(&self) -> Standing {
        let restored = self.restored.load(Ordering::Relaxed);
        let frames = self.already.load(Ordering::Relaxed) + restored;
        let fps = lock(&self.rate).per_second(self.began.elapsed());
        let left = self.total.map(|total| total.saturating_sub(frames));
        Standing {
            frames,
            total: self.total,
            fps,
            left: left.and_then(|frames| time_left(frames, fps)),
        }
    }

    fn files(&self) -> Files {
        Files {
            ended: self.ended.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            of: self.files,
        }
    }

    fn add(&self, row: Row, show: impl FnOnce(&Row, Standing, Files)) {
        lock(&self.table).end(row.clone());
        self.ended.fetch_add(1, Ordering::Relaxed);
        if matches!(row.outcome, Outcome::Skipped(_)) {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
        show(&row, self.standing(), self.files());
    }
}

/// The work on one file, for the thread that frames stream through.
pub struct FileProgress {
    shared: Arc<Shared>,
    number: u64,
    file: PathBuf,
    total: Option<u64>,
    already: u64,
    /// Times are since the beginning of all work.
    began: Duration,
    restored: AtomicU64,
    /// In milliseconds.
    next_sample: AtomicU64,
    pace: Mutex<Pace>,
    ended: bool,
}

struct Pace {
    rate: Rate,
    shown: Duration,
}

impl FileProgress {
    /// Counts `frames` more as done.
    pub fn restored(&self, frames: u64) {
        self.restored.fetch_add(frames, Ordering::Relaxed);
        self.shared.restored.fetch_add(frames, Ordering::Relaxed);
        let now = milliseconds(self.shared.began.elapsed());
        let due = self.next_sample.load(Ordering::Relaxed);
        let next = now + milliseconds(SAMPLING);
        let claimed = |due| {
            self.next_sample
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        if now >= due && claimed(due).is_ok() {
            self.sample();
        }
    }

    /// Something that the user ought to know of this file, though it does not end the work.
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
            time: self.shared.began.elapsed().saturating_sub(self.began),
        };
        let view = &self.shared.view;
        self.shared
            .add(row, |row, all, files| view.ended(self.number, row, all, files));
    }

    fn sample(&self) {
        {
            let mut rate = lock(&self.shared.rate);
            rate.record(
                self.shared.began.elapsed(),
                self.shared.restored.load(Ordering::Relaxed),
            );
        }
        let fps = {
            let mut pace = lock(&self.pace);
            let now = self.shared.began.elapsed();
            pace.rate.record(now, self.restored.load(Ordering::Relaxed));
            let interval = self.shared.view.interval();
            if interval.is_none_or(|interval| now < pace.shown + interval) {
                return;
            }
            pace.shown = now;
            pace.rate.per_second(now)
        };
        let (all, files) = (self.shared.standing(), self.shared.files());
        self.shared
            .view
            .advanced(self.number, &self.file, self.standing(fps), all, files);
    }

    fn standing(&self, fps: Option<f64>) -> Standing {
        let frames = self.already + self.restored.load(Ordering::Relaxed);
        let left = self.total.map(|total| total.saturating_sub(frames));
        Standing {
            frames,
            total: self.total,
            fps,
            left: left.and_then(|frames| time_left(frames, fps)),
        }
    }
}

impl Drop for FileProgress {
    /// Work that ends without a word was stopped.
    fn drop(&mut self) {
        if !self.ended {
            self.ended_as(Outcome::Stopped);
        }
    }
}

/// What may be written by several threads, and the first error in doing so. After an error nothing more is written.
struct Stream<W> {
    to: Mutex<(W, Option<io::Error>)>,
}

impl<W: Write> Stream<W> {
    fn new(to: W) -> Self {
        Self {
            to: Mutex::new((to, None)),
        }
    }

    fn line(&self, line: &str) {
        let mut stream = lock(&self.to);
        let (to, error) = &mut *stream;
        if error.is_none() {
            *error = writeln!(to, "{line}").and_then(|()| to.flush()).err();
        }
    }

    fn error(&self) -> Option<io::Error> {
        lock(&self.to).1.take()
    }
}

/// A panic elsewhere is no reason for another here: what is behind these locks is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
