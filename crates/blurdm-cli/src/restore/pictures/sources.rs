// SPDX-License-Identifier: MPL-2.0

//! The originals. Each is read once and decoded from memory, so that what is restored is what its hash is of, even if the file is replaced meanwhile.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::reason;

/// The content of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub bytes: u64,
    pub sha256: String,
}

impl Content {
    pub fn of(file: &[u8]) -> Self {
        Self {
            bytes: file.len() as u64,
            sha256: Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// A file that was read.
pub struct Source {
    pub file: Vec<u8>,
    content: Content,
    modified: Option<SystemTime>,
}

impl Source {
    /// # Errors
    /// Why it cannot be read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let read = || -> io::Result<(Vec<u8>, Option<SystemTime>)> {
            let mut opened = File::open(path)?;
            let found = opened.metadata()?;
            let mut file = Vec::new();
            opened.read_to_end(&mut file)?;
            Ok((file, found.modified().ok()))
        };
        let (file, modified) = read().map_err(|error| reason(&error))?;
        Ok(Self {
            content: Content::of(&file),
            file,
            modified,
        })
    }

    pub fn content(&self) -> Content {
        self.content.clone()
    }

    /// Gives a file the time of modification of this one.
    pub fn keep_time(&self, path: &Path) -> io::Result<()> {
        match self.modified {
            Some(modified) => fs::File::options().write(true).open(path)?.set_modified(modified),
            None => Ok(()),
        }
    }
}
