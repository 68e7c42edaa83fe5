// SPDX-License-Identifier: MPL-2.0

use std::{io, path::Path, time::Duration};

use super::{
    snapshot::{Files, Snapshot},
    summary::{Row, Summary},
};

/// A form in which progress is shown. Files are identified by the number with which they start.
pub trait View: Send + Sync {
    /// Returns the least time between two calls of `advanced` for a file. `None` if it need not be called.
    fn interval(&self) -> Option<Duration>;
    fn started(&self, number: u64, file: &Path, now: Snapshot);
    fn advanced(&self, number: u64, file: &Path, now: Snapshot, all: Snapshot, files: Files);
    fn noted(&self, file: &Path, note: &str);
    fn ended(&self, number: u64, row: &Row, all: Snapshot, files: Files);
    fn skipped(&self, row: &Row, all: Snapshot, files: Files);
    fn finished(&self, summary: &Summary);
    /// Returns the first error in writing what a program reads. There is none for what is shown on standard error: where that cannot be
    /// written, nobody can be told, and the exit status is that of the work.
    fn error(&self) -> Option<io::Error> {
        None
    }
}
