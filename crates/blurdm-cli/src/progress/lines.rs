// SPDX-License-Identifier: MPL-2.0

//! Progress as lines of text, for logs and pipes.

use std::{io::Write, path::Path, time::Duration};

use super::{
    snapshot::{Files, Outcome, Snapshot},
    summary::{Row, Summary},
    text,
    view::View,
    writer::LineWriter,
};

pub struct Lines<W> {
    to: LineWriter<W>,
}

impl<W: Write> Lines<W> {
    pub fn new(to: W) -> Self {
        Self {
            to: LineWriter::new(to),
        }
    }
}

impl<W: Write + Send> View for Lines<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(10))
    }

    fn started(&self, _: u64, file: &Path, now: Snapshot) {
        let name = text::name(file);
        let length = now.total.map(|total| format!(", {total} frames")).unwrap_or_default();
        match now.frames {
            0 => self.to.line(&format!("{name}: begun{length}")),
            already => self
                .to
                .line(&format!("{name}: resumed{length}, {already} restored before")),
        }
    }

    fn advanced(&self, _: u64, file: &Path, now: Snapshot, all: Snapshot, files: Files) {
        let mut line = format!("{}: {}, {}", text::name(file), text::frames(now), text::rate(now));
        if files.total > 1 {
            line += &format!("; all: {}", text::files(files));
            if let Some(left) = all.time_left {
                line += &format!(", {} left", text::clock(left));
            }
        }
        self.to.line(&line);
    }

    fn noted(&self, file: &Path, note: &str) {
        self.to.line(&format!("{}: {}", text::name(file), text::plain(note)));
    }

    fn ended(&self, _: u64, row: &Row, _: Snapshot, _: Files) {
        self.to.line(&row.line());
    }

    fn skipped(&self, row: &Row, _: Snapshot, _: Files) {
        self.to.line(&row.line());
    }

    fn finished(&self, summary: &Summary) {
        if summary.len() > 1 {
            summary.lines().iter().for_each(|line| self.to.line(line));
        }
    }
}

/// Only files that failed or are damaged.
pub struct Errors<W> {
    to: LineWriter<W>,
}

impl<W: Write> Errors<W> {
    pub fn new(to: W) -> Self {
        Self {
            to: LineWriter::new(to),
        }
    }
}

impl<W: Write + Send> View for Errors<W> {
    fn interval(&self) -> Option<Duration> {
        None
    }

    fn started(&self, _: u64, _: &Path, _: Snapshot) {}

    fn advanced(&self, _: u64, _: &Path, _: Snapshot, _: Snapshot, _: Files) {}

    fn noted(&self, _: &Path, _: &str) {}

    fn ended(&self, _: u64, row: &Row, _: Snapshot, _: Files) {
        if matches!(row.outcome, Outcome::Damaged(_) | Outcome::Failed(_)) {
            self.to.line(&row.line());
        }
    }

    fn skipped(&self, _: &Row, _: Snapshot, _: Files) {}

    fn finished(&self, _: &Summary) {}
}
