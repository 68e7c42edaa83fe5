// SPDX-License-Identifier: MPL-2.0

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use crate::{progress::Event, restore::plan::PictureRun};

/// What the worker is to do.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    Restore(File),
    /// Stop the work in progress, and keep what is finished.
    Interrupt,
}

/// A file to be restored. Names may have any bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct File {
    pub input: OsString,
    pub output: OsString,
    /// The pictures, where the input is not a file.
    pub pictures: Option<PictureRun>,
    /// Why the output has another name than was asked for.
    pub note: Option<String>,
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// It waits for a file. What came before has left nothing behind.
    Ready,
    Progress(Event),
    /// It has given the file up, and ends.
    Stalled(String),
}
