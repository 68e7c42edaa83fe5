// SPDX-License-Identifier: MPL-2.0

//! Progress of the work that is shown by another process.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    snapshot::{Files, Outcome, Snapshot},
    summary::{Row, Summary},
    view::View,
};

/// What happens to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// It has `total` frames, of which an earlier run has restored `already`.
    Started {
        total: Option<u64>,
        already: u64,
    },
    /// So many frames are restored now, those of earlier runs included.
    Advanced(u64),
    Noted(String),
    /// This run has restored so many frames.
    Ended {
        frames: u64,
        outcome: Outcome,
    },
    Skipped(String),
}

/// A view that sends what it is shown.
pub struct Sender<F>(F);

impl<F: Fn(Event) + Send + Sync> Sender<F> {
    pub fn new(send: F) -> Self {
        Self(send)
    }
}

impl<F: Fn(Event) + Send + Sync> View for Sender<F> {
    fn interval(&self) -> Option<Duration> {
        // As often as the tracker samples.
        Some(Duration::ZERO)
    }

    fn started(&self, _: u64, _: &Path, now: Snapshot) {
        (self.0)(Event::Started {
            total: now.total,
            already: now.frames,
        });
    }

    fn advanced(&self, _: u64, _: &Path, now: Snapshot, _: Snapshot, _: Files) {
        (self.0)(Event::Advanced(now.frames));
    }

    fn noted(&self, _: &Path, note: &str) {
        (self.0)(Event::Noted(note.into()));
    }

    fn ended(&self, _: u64, row: &Row, _: Snapshot, _: Files) {
        (self.0)(Event::Ended {
            frames: row.frames,
            outcome: row.outcome.clone(),
        });
    }

    fn skipped(&self, row: &Row, _: Snapshot, _: Files) {
        if let Outcome::Skipped(reason) = &row.outcome {
            (self.0)(Event::Skipped(reason.clone()));
        }
    }

    fn finished(&self, _: &Summary) {}
}
