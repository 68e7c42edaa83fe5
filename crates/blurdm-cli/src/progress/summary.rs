// SPDX-License-Identifier: MPL-2.0

//! The table of all files at the end.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{snapshot::Outcome, text};

/// With more files than this, those that were restored or skipped are only counted.
const MAX_ROWS: usize = 20;

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub file: PathBuf,
    pub outcome: Outcome,
    /// Frames that this run restored.
    pub frames: u64,
    pub time: Duration,
}

/// Counts of files by outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub restored: usize,
    pub damaged: usize,
    pub failed: usize,
    pub stopped: usize,
    pub skipped: usize,
}

pub struct Summary {
    started: Instant,
    rows: Vec<Row>,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            rows: Vec::new(),
        }
    }
}

impl Row {
    /// Returns the frames per second over the whole file.
    fn fps(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (self.frames > 0 && seconds > 0.0).then(|| self.frames as f64 / seconds)
    }

    fn outcome(&self) -> String {
        let (word, reason) = match &self.outcome {
            Outcome::Restored => ("restored", None),
            Outcome::Damaged(reason) => ("damaged", Some(reason)),
            Outcome::Failed(reason) => ("failed", Some(reason)),
            Outcome::Stopped => ("stopped", None),
            Outcome::Skipped(reason) => ("skipped", Some(reason)),
        };
        reason.map_or_else(|| word.into(), |reason| format!("{word}: {}", text::plain(reason)))
    }

    pub fn line(&self) -> String {
        let mut line = format!("{}: {}", text::name(&self.file), self.outcome());
        if let Some(fps) = self.fps() {
            let time = text::clock(self.time);
            line += &format!(", {} frames in {time}, {fps:.1} fps", self.frames);
        }
        line
    }

    /// Returns file, frames, seconds, frames per second and outcome.
    fn cells(&self) -> [String; 5] {
        let fps = self.fps();
        [
            text::name(&self.file),
            fps.map(|_| self.frames.to_string()).unwrap_or_default(),
            fps.map(|_| format!("{:.1}", self.time.as_secs_f64()))
                .unwrap_or_default(),
            fps.map(|fps| format!("{fps:.1}")).unwrap_or_default(),
            self.outcome(),
        ]
    }
}

impl Summary {
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn frames(&self) -> u64 {
        self.rows.iter().map(|row| row.frames).sum()
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for row in &self.rows {
            *match row.outcome {
                Outcome::Restored => &mut counts.restored,
                Outcome::Damaged(_) => &mut counts.damaged,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::Stopped => &mut counts.stopped,
                Outcome::Skipped(_) => &mut counts.skipped,
            } += 1;
        }
        counts
    }

    /// Formats the table, with the totals in the last line. For many files it has only those that were not simply restored or skipped.
    pub fn lines(&self) -> Vec<String> {
        let is_listed =
            |row: &&Row| self.rows.len() <= MAX_ROWS || !matches!(row.outcome, Outcome::Restored | Outcome::Skipped(_));
        let mut cells: Vec<[String; 5]> = self.rows.iter().filter(is_listed).map(Row::cells).collect();
        if !cells.is_empty() {
            cells.insert(0, ["file", "frames", "seconds", "fps", "outcome"].map(String::from));
        }
        let widths = [0, 1, 2, 3].map(|column: usize| {
            let widths = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
            widths.max().unwrap_or(0)
        });
        let mut lines: Vec<String> = cells.iter().map(|row| aligned(row, widths)).collect();
        lines.push(self.totals());
        lines
    }

    fn totals(&self) -> String {
        let counts = self.counts();
        let kinds = [
            (counts.restored, "restored"),
            (counts.damaged, "damaged"),
            (counts.failed, "failed"),
            (counts.stopped, "stopped"),
            (counts.skipped, "skipped"),
        ];
        let kinds = kinds.iter().filter(|(count, _)| *count > 0);
        let kinds: Vec<String> = kinds.map(|(count, kind)| format!("{count} {kind}")).collect();
        let files = match self.rows.len() {
            0 => return "no files".into(),
            1 => "1 file".into(),
            count => format!("{count} files"),
        };
        let (frames, time) = (self.frames(), self.elapsed());
        let fps = frames as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut line = format!("{files}: {}", kinds.join(", "));
        if frames > 0 {
            line += &format!("; {frames} frames in {}, {fps:.1} fps", text::clock(time));
        }
        line
    }
}

/// Aligns the name to the left, and numbers to the right.
fn aligned([file, frames, seconds, fps, outcome]: &[String; 5], widths: [usize; 4]) -> String {
    // The width in columns of a terminal, which `{:width$}` does not know.
    let padding = " ".repeat(widths[0].saturating_sub(file.width()));
    let [_, a, b, c] = widths;
    format!("{file}{padding}  {frames:>a$}  {seconds:>b$}  {fps:>c$}  {outcome}")
}
