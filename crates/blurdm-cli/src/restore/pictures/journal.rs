// SPDX-License-Identifier: MPL-2.0

//! What has been written, a line for each picture, in the folder of unfinished work. A line is written before its picture gets the name, so that no picture is
//! there of which nobody knows whose it is; that a picture is there is seen by its hash.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
};

use super::record::Entry;
use crate::{
    error::{Error, reason},
    restore::segments::WorkDir,
};

pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal. Returns it, and the last entry of each picture by its name.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn open(work: &WorkDir) -> Result<(Self, HashMap<String, Entry>), Error> {
        let path = work.journal();
        let lines = fs::read_to_string(&path).unwrap_or_default();
        // One that was cut off by the end of the process says nothing.
        let entries = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Entry>(line).ok());
        let entries = entries.map(|entry| (entry.name.clone(), entry)).collect();
        let file = File::options().append(true).create(true).open(&path);
        let mut file = file.map_err(|error| Error::unwritable(&path, reason(&error)))?;
        if !lines.is_empty() && !lines.ends_with('\n') {
            writeln!(file).map_err(|error| Error::unwritable(&path, reason(&error)))?;
        }
        Ok((Self { path, file }, entries))
    }

    /// # Errors
    /// [`Error::Unwritable`].
    pub fn add(&mut self, entry: &Entry) -> Result<(), Error> {
        let line = serde_json::to_string(entry).map_err(io::Error::from);
        let written = line.and_then(|line| {
            self.file.write_all((line + "\n").as_bytes())?;
            self.file.sync_data()
        });
        written.map_err(|error| Error::unwritable(&self.path, reason(&error)))
    }
}
