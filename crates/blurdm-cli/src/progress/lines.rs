// SPDX-License-Identifier: MPL-2.0

//! Progress as lines of text, for logs and pipes.

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use super::{
    Files, Outcome, Standing, Stream, View,
    table::{Row, Table},
    text,
};

pub struct Lines<W> {
    to: Stream<W>,
}

impl<W: Write> Lines<W> {
    pub fn new(to: W) -> Self {
        Self { to: Stream::new(to) }
    }
}

impl<W: Write + Send> View for Lines<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(10))
    }

    fn begun(&self, _: u64, file: &Path, now: Standing) {
        let name = text::name(file);
        let length = now.total.map(|total| format!(", {total} frames")).unwrap_or_default();
        match now.frames {
            0 => self.to.line(&format!("{name}: begun{length}")),
            already => self
                .to
                .line(&format!("{name}: resumed{length}, {already} restored before")),
        }
    }

    fn advanced(&self, _: u64, file: &Path, now: Standing, all: Standing, files: Files) {
        let mut line = format!("{}: {}, {}", text::name(file), text::frames(now), text::pace(now));
        if files.of > 1 {
            line += &format!("; all: {}", text::files(files));
            if let Some(left) = all.left {
                line += &format!(", {} left", text::clock(left));
            }
        }
        self.to.line(&line);
    }

    fn noted(&self, file: &Path, note: &str) {
        self.to.line(&format!("{}: {}", text::name(file), text::plain(note)));
    }

    fn ended(&self, _: u64, row: &Row, _: Standing, _: Files) {
        self.to.line(&row.in_words());
    }

    fn skipped(&self, row: &Row, _: Standing, _: Files) {
        self.to.line(&row.in_words());
    }

    fn finished(&self, table: &Table) {
        if table.len() > 1 {
            table.lines().iter().for_each(|line| self.to.line(line));
        }
    }

    fn error(&self) -> Option<io::Error> {
        self.to.error()
    }
}

/// Only what went wrong.
pub struct Errors<W> {
    to: Stream<W>,
}

impl<W: Write> Errors<W> {
    pub fn new(to: W) -> Self {
        Self { to: Stream::new(to) }
    }
}

impl<W: Write + Send> View for Errors<W> {
    fn interval(&self) -> Option<Duration> {
        None
    }

    fn begun(&self, _: u64, _: &Path, _: Standing) {}

    fn advanced(&self, _: u64, _: &Path, _: Standing, _: Standing, _: Files) {}

    fn noted(&self, _: &Path, _: &str) {}

    fn ended(&self, _: u64, row: &Row, _: Standing, _: Files) {
        if matches!(row.outcome, Outcome::Damaged(_) | Outcome::Failed(_)) {
            self.to.line(&row.in_words());
        }
    }

    fn skipped(&self, _: &Row, _: Standing, _: Files) {}

    fn finished(&self, _: &Table) {}

    fn error(&self) -> Option<io::Error> {
        self.to.error()
    }
}
