// SPDX-License-Identifier: MPL-2.0

//! How each file ended.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{Outcome, text};

/// With more files than these, those that were restored or passed over are only counted.
const SHORT: usize = 20;

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub file: PathBuf,
    pub outcome: Outcome,
    /// Restored by this run.
    pub frames: u64,
    pub time: Duration,
}

/// How many files ended in which way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub restored: usize,
    pub damaged: usize,
    pub failed: usize,
    pub stopped: usize,
    pub skipped: usize,
}

pub struct Table {
    began: Instant,
    rows: Vec<Row>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            rows: Vec::new(),
        }
    }
}

impl Row {
    /// Frames per second over the whole file.
    fn fps(&self) -> Option<f64> {
        let seconds = self.time.as_secs_f64();
        (self.frames > 0 && seconds > 0.0).then(|| self.frames as f64 / seconds)
    }

    fn outcome(&self) -> String {
        let (word, why) = match &self.outcome {
            Outcome::Restored => ("restored", None),
            Outcome::Damaged(why) => ("damaged", Some(why)),
            Outcome::Failed(why) => ("failed", Some(why)),
            Outcome::Stopped => ("stopped", None),
            Outcome::Skipped(why) => ("skipped", Some(why)),
        };
        why.map_or_else(|| word.into(), |why| format!("{word}: {}", text::plain(why)))
    }

    pub fn in_words(&self) -> String {
        let mut line = format!("{}: {}", text::name(&self.file), self.outcome());
        if let Some(fps) = self.fps() {
            let time = text::clock(self.time);
            line += &format!(", {} frames in {time}, {fps:.1} fps", self.frames);
        }
        line
    }

    /// File, frames, seconds, frames per second, outcome.
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

impl Table {
    pub fn end(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn frames(&self) -> u64 {
        self.rows.iter().map(|row| row.frames).sum()
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
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

    /// The table as text, the sum in the last line. Of many files it has those that something is to be said of.
    pub fn lines(&self) -> Vec<String> {
        let worth_it =
            |row: &&Row| self.rows.len() <= SHORT || !matches!(row.outcome, Outcome::Restored | Outcome::Skipped(_));
        let mut cells: Vec<[String; 5]> = self.rows.iter().filter(worth_it).map(Row::cells).collect();
        if !cells.is_empty() {
            cells.insert(0, ["file", "frames", "seconds", "fps", "outcome"].map(String::from));
        }
        let widths = [0, 1, 2, 3].map(|column: usize| {
            let widths = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
            widths.max().unwrap_or(0)
        });
        let mut lines: Vec<String> = cells.iter().map(|row| aligned(row, widths)).collect();
        lines.push(self.sum());
        lines
    }

    fn sum(&self) -> String {
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

/// The name to the left, numbers to the right.
fn aligned([file, frames, seconds, fps, outcome]: &[String; 5], widths: [usize; 4]) -> String {
    // Widths are of what a terminal shows, which `{:width$}` does not know of.
    let padding = " ".repeat(widths[0].saturating_sub(file.width()));
    let [_, a, b, c] = widths;
    format!("{file}{padding}  {frames:>a$}  {seconds:>b$}  {fps:>c$}  {outcome}")
}
