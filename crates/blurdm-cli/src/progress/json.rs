// SPDX-License-Identifier: MPL-2.0

//! Progress as one JSON object per line.

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use serde::Serialize;

use super::{
    Files, Outcome, Standing, Stream, View,
    table::{Row, Table},
};

/// What happened. Fields that have no meaning for an event are left out.
#[derive(Debug, Default, Serialize)]
struct Event<'a> {
    /// begun, progress, note, done, damaged, failed, stopped, skipped or finished.
    event: &'static str,
    /// Bytes that are no UTF-8 are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    standing: Option<Figures>,
    /// Frames that this run restored; at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<u64>,
    /// How long that took.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// Of all files together.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<All>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<super::Counts>,
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

impl From<Standing> for Figures {
    fn from(now: Standing) -> Self {
        Self {
            frames: now.frames,
            total: now.total,
            fps: now.fps.map(hundredths),
            seconds_left: now.left.map(|left| hundredths(left.as_secs_f64())),
        }
    }
}

impl All {
    fn of(all: Standing, files: Files) -> Self {
        Self {
            files: files.of,
            files_ended: files.ended,
            figures: all.into(),
        }
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

pub struct Json<W> {
    to: Stream<W>,
}

impl<W: Write> Json<W> {
    pub fn new(to: W) -> Self {
        Self { to: Stream::new(to) }
    }

    fn write(&self, event: &Event) {
        // Strings and numbers: there is nothing in it that JSON could not hold.
        if let Ok(line) = serde_json::to_string(event) {
            self.to.line(&line);
        }
    }

    fn end(&self, row: &Row, all: Standing, files: Files) {
        let (event, text) = match &row.outcome {
            Outcome::Restored => ("done", None),
            Outcome::Damaged(why) => ("damaged", Some(why.as_str())),
            Outcome::Failed(why) => ("failed", Some(why.as_str())),
            Outcome::Skipped(why) => ("skipped", Some(why.as_str())),
            Outcome::Stopped => ("stopped", None),
        };
        self.write(&Event {
            event,
            text,
            restored: Some(row.frames),
            seconds: Some(hundredths(row.time.as_secs_f64())),
            all: Some(All::of(all, files)),
            ..of(&row.file)
        });
    }
}

fn of(file: &Path) -> Event<'static> {
    Event {
        file: Some(file.to_string_lossy().into_owned()),
        ..Event::default()
    }
}

impl<W: Write + Send> View for Json<W> {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    fn begun(&self, _: u64, file: &Path, now: Standing) {
        self.write(&Event {
            event: "begun",
            standing: Some(now.into()),
            ..of(file)
        });
    }

    fn advanced(&self, _: u64, file: &Path, now: Standing, all: Standing, files: Files) {
        self.write(&Event {
            event: "progress",
            standing: Some(now.into()),
            all: Some(All::of(all, files)),
            ..of(file)
        });
    }

    fn noted(&self, file: &Path, note: &str) {
        self.write(&Event {
            event: "note",
            text: Some(note),
            ..of(file)
        });
    }

    fn ended(&self, _: u64, row: &Row, all: Standing, files: Files) {
        self.end(row, all, files);
    }

    fn skipped(&self, row: &Row, all: Standing, files: Files) {
        self.end(row, all, files);
    }

    fn finished(&self, table: &Table) {
        self.write(&Event {
            event: "finished",
            restored: Some(table.frames()),
            seconds: Some(hundredths(table.elapsed().as_secs_f64())),
            counts: Some(table.counts()),
            ..Event::default()
        });
    }

    fn error(&self) -> Option<io::Error> {
        self.to.error()
    }
}
