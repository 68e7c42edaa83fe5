// SPDX-License-Identifier: MPL-2.0

//! Showing the progress of a file that another process works on.

use std::path::Path;

use super::{
    remote::Event,
    snapshot::Outcome,
    tracker::{FileProgress, Progress},
};

pub struct Replay<'a> {
    progress: &'a Progress,
    file: &'a Path,
    /// `None` before the file is started.
    started: Option<FileProgress>,
    already: u64,
    /// Frames that this run has restored so far.
    restored: u64,
}

impl<'a> Replay<'a> {
    pub fn new(progress: &'a Progress, file: &'a Path) -> Self {
        Self {
            progress,
            file,
            started: None,
            already: 0,
            restored: 0,
        }
    }

    /// Shows an event. Returns what remains to be shown, which is nothing after the last event of the file.
    pub fn show(mut self, event: Event) -> Option<Self> {
        match event {
            Event::Started { total, already } => {
                self.started = Some(self.progress.start(self.file, total, already));
                self.already = already;
            }
            Event::Advanced(frames) => self.count(frames.saturating_sub(self.already)),
            Event::Noted(text) => {
                if let Some(started) = &self.started {
                    started.note(&text);
                }
            }
            Event::Ended { frames, outcome } => {
                self.count(frames);
                self.end(outcome);
                return None;
            }
            Event::Skipped(reason) => {
                self.progress.skip(self.file, reason);
                return None;
            }
        }
        Some(self)
    }

    /// Ends the file, of which no more events come.
    pub fn end(self, outcome: Outcome) {
        let started = self.started.unwrap_or_else(|| self.progress.start(self.file, None, 0));
        started.end(outcome);
    }

    fn count(&mut self, restored: u64) {
        if let Some(started) = &self.started
            && restored > self.restored
        {
            started.restored(restored - self.restored);
            self.restored = restored;
        }
    }
}
