// SPDX-License-Identifier: MPL-2.0

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a file cannot be read as a movie, or the new one cannot be made of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("'{}' is not an MP4 or QuickTime file", .file.display())]
    NotMp4 { file: PathBuf },
    #[error("'{}' is a fragmented MP4 file, whose tables are spread over it", .file.display())]
    Fragmented { file: PathBuf },
    #[error("'{}' has no moov box: the recording was not closed, or the file is cut off", .file.display())]
    NoMoov { file: PathBuf },
    #[error("'{}' has no video track whose samples could be replaced", .file.display())]
    NoVideo { file: PathBuf },
    #[error("'{}' is damaged: {reason}", .file.display())]
    Damaged { file: PathBuf, reason: String },
    #[error("'{}' is not supported: {reason}", .file.display())]
    Unsupported { file: PathBuf, reason: String },
    #[error("'{}' is cut off: track {track} has data at byte {at}, beyond the end", .file.display())]
    Truncated { file: PathBuf, track: u32, at: u64 },
    /// The new frames do not fit into the movie.
    #[error("'{}': {reason}", .file.display())]
    Frames { file: PathBuf, reason: String },
    #[error("'{}' cannot be read: {source}", .file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("the new file cannot be written: {0}")]
    Write(#[source] io::Error),
}

impl Error {
    pub(crate) fn damaged(file: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unsupported(file: &Path, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            file: file.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn frames(file: &Path, reason: impl Into<String>) -> Self {
        Self::Frames {
            file: file.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn read(file: &Path, source: io::Error) -> Self {
        Self::Read {
            file: file.into(),
            source,
        }
    }
}
