// SPDX-License-Identifier: MPL-2.0

//! The original file, and whether it is still the same: clips are replaced on cards and in synchronised folders while work goes on.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use mp4_splice::Movie;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, reason};

/// Bytes at the head and at the tail of a file that its fingerprint covers.
const END: u64 = 1 << 20;

/// Blocks between them that it covers, and the bytes of each.
const BLOCKS: u64 = 32;
const BLOCK: u64 = 64 << 10;

/// What identifies the original file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    pub name: String,
    pub bytes: u64,
    /// Last modification, in nanoseconds since 1970.
    pub changed: u64,
    /// SHA-256 of its head, its tail, its index if it is an MP4, and blocks between them. Size and time may be those of another file.
    #[serde(default)]
    pub fingerprint: String,
}

impl Original {
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn of(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: io::Error| Error::unreadable(path, reason(&error));
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let changed = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            name: path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            bytes: metadata.len(),
            changed: changed
                .and_then(|since| u64::try_from(since.as_nanos()).ok())
                .unwrap_or(0),
            fingerprint: fingerprint(path, metadata.len()).map_err(unreadable)?,
        })
    }
}

/// The original as it was when the work began.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
    original: Original,
    /// Device and inode.
    place: (u64, u64),
}

impl Witness {
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn of(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            place: place(path)?,
            original: Original::of(path)?,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn original(&self) -> &Original {
        &self.original
    }

    /// Checks that the file at the path is still the same.
    ///
    /// # Errors
    /// [`Error::Changed`]; [`Error::Unreadable`].
    pub fn check(&self) -> Result<(), Error> {
        if place(&self.path)? == self.place && Original::of(&self.path)? == self.original {
            return Ok(());
        }
        Err(Error::Changed {
            path: self.path.clone(),
        })
    }
}

fn place(path: &Path) -> Result<(u64, u64), Error> {
    let metadata = fs::metadata(path).map_err(|error| Error::unreadable(path, reason(&error)))?;
    Ok((metadata.dev(), metadata.ino()))
}

fn fingerprint(path: &Path, bytes: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut add = |from: u64, count: u64| {
        file.seek(SeekFrom::Start(from))?;
        let mut block = Vec::new();
        file.by_ref().take(count).read_to_end(&mut block)?;
        digest.update(&block);
        io::Result::Ok(())
    };
    add(0, END)?;
    add(bytes.saturating_sub(END), END)?;
    if bytes > 2 * END {
        for block in 0..BLOCKS {
            add(END + (bytes - 2 * END) / BLOCKS * block, BLOCK)?;
        }
    }
    if let Ok(movie) = Movie::open(path) {
        digest.update(movie.moov().to_bytes());
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
