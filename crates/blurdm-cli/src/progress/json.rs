// SPDX-License-Identifier: MPL-2.0

//! Progress as one JSON object per line.

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use serde::Serialize;

use super::{
    snapshot::{Files, Outcome, Snapshot},
    summary::{Counts, Row, Summary},
    view::View,
    writer::LineWriter,
};

/// An event. Fields that do not apply to it are left out.
#[derive(Debug, Default, Serialize)]
struct Event<'a> {
    /// begun, progress, note, done, damaged, failed, stopped, skipped or finished.
    event: &'static str,
    /// Invalid UTF-8 is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    snapshot: Option<Figures>,
    /// Frames that this run restored, at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<u64>,
    /// Duration of the work, at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The work on all files.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<All>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
}

#[derive(Debug, Serialize)]
struct Figures {
    frames: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<f64>,
}

#[derive(Debug, Serialize)]
struct All {
    files: usize,
    files_ended: usize,
    #[serde(flatten)]
    figures: Figures,
}

impl From<Snapshot> for Figures {
    fn from(now: Snapshot) -> Self {
        Self {
            frames: now.frames,
            total: now.total,
            fps: now.fps.map(hundredths),
            seconds_left: now.time_left.map(|left| hundredths(left.as_secs_f64())),
        }
    }
}

impl All {
    fn of(all: Snapshot, files: Files) -> Self {
        Self {
            files: files.total,
            files_ended: files.ended,
            figures: all.into(),
        }
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

pub struct Json<W> {
    to: LineWriter<W>,
}

impl<W: Write> Json<W> {
    pub fn new(to: W) -> Self {
        Self {
            to: LineWriter::new(to),
        }
    }

    fn write(&self, event: &Event) {
        // An event has only strings and numbers, which JSON can always hold.
        if let Ok(line) = serde_json::to_string(event) {
            self.to.line(&line);
        }
    }

    fn end(&self, row: &Row, all: Snapshot, files: Files) {
        let (event, text) = match &row.outcome {
            Outcome::Restored => ("done", None),
            Outcome::Damaged(reason) => ("damaged", Some(reason.as_str())),
            Outcome::Failed(reason) => ("failed", Some(reason.as_str())),
            Outcome::Skipped(reason) => ("skipped", Some(reason.as_str())),
            Outcome::Stopped => ("stopped", None),
        };
        self.write(&Event {
            event,
            text,
            restored: Some(row.frames),
            seconds: Some(hundredths(row.time.as_secs_f64())),
            all: Some(All::of(all, files)),
            ..event_of(&row.file)
        });
    }
}

fn event_of(file: &Path) -> Event<'static> {
    Event {
        file: Some(file.to_string_lossy().into_owned()),
        ..Event::default()
    }
}

impl<W: Write + Send> View for Json<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn started(&self, _: u64, file: &Path, now: Snapshot) {
        self.write(&Event {
            event: "begun",
            snapshot: Some(now.into()),
            ..event_of(file)
        });
    }

    fn advanced(&self, _: u64, file: &Path, now: Snapshot, all: Snapshot, files: Files) {
        self.write(&Event {
            event: "progress",
            snapshot: Some(now.into()),
            all: Some(All::of(all, files)),
            ..event_of(file)
        });
    }

    fn noted(&self, file: &Path, note: &str) {
        self.write(&Event {
            event: "note",
            text: Some(note),
            ..event_of(file)
        });
    }

    fn ended(&self, _: u64, row: &Row, all: Snapshot, files: Files) {
        self.end(row, all, files);
    }

    fn skipped(&self, row: &Row, all: Snapshot, files: Files) {
        self.end(row, all, files);
    }

    fn finished(&self, summary: &Summary) {
        self.write(&Event {
            event: "finished",
            restored: Some(summary.frames()),
            seconds: Some(hundredths(summary.elapsed().as_secs_f64())),
            counts: Some(summary.counts()),
            ..Event::default()
        });
    }

    fn error(&self) -> Option<io::Error> {
        self.to.error()
    }
}
