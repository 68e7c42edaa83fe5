// SPDX-License-Identifier: MPL-2.0

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a file cannot be read as a movie, or the restored one cannot be made of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Mp4Error {
    #[error("'{}' is not an MP4 or QuickTime file", .file.display())]
    NotMp4 { file: PathBuf },
    #[error("'{}' is a fragmented MP4 file, whose tables are spread over it", .file.display())]
    Fragmented { file: PathBuf },
    #[error("'{}' has no moov box: the recording was not closed, or the file is cut off", .file.display())]
    NoMoov { file: PathBuf },
    #[error("'{}' has no video track that could be restored", .file.display())]
    NoVideo { file: PathBuf },
    #[error("'{}' is damaged: {reason}", .file.display())]
    Damaged { file: PathBuf, reason: String },
    #[error("'{}' cannot be taken apart: {reason}", .file.display())]
    Unsupported { file: PathBuf, reason: String },
    #[error("'{}' is cut off: track {track} has data at byte {at}, beyond the end", .file.display())]
    Truncated { file: PathBuf, track: u32, at: u64 },
    #[error("'{}': {reason}", .file.display())]
    Frames { file: PathBuf, reason: String },
    #[error("'{}' cannot be read: {source}", .file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("the restored file cannot be written: {0}")]
    Write(#[source] io::Error),
}

impl Mp4Error {
    pub(super) fn damaged(file: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn unsupported(file: &Path, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            file: file.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn frames(file: &Path, reason: impl Into<String>) -> Self {
        Self::Frames {
            file: file.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn read(file: &Path, source: io::Error) -> Self {
        Self::Read {
            file: file.into(),
            source,
        }
    }
}
