// SPDX-License-Identifier: MPL-2.0

//! The state of the work at one moment.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the work on a file ended. The text gives the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Restored,
    /// What can be decoded is restored; the text says what is missing.
    Damaged(String),
    Failed(String),
    /// Interrupted before the file was finished. The work can be resumed.
    Stopped,
    Skipped(String),
}

/// How far the work on one file, or on all files, is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snapshot {
    /// Finished frames, those of earlier runs included.
    pub frames: u64,
    /// `None` where the number of frames is not known.
    pub total: Option<u64>,
    pub fps: Option<f64>,
    pub time_left: Option<Duration>,
}

/// Counts of files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Files {
    /// Files that are finished, the skipped ones included.
    pub ended: usize,
    pub skipped: usize,
    pub total: usize,
}

impl Files {
    pub fn none_of(total: usize) -> Self {
        Self {
            ended: 0,
            skipped: 0,
            total,
        }
    }
}
