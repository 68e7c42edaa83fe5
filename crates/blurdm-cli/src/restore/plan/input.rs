// SPDX-License-Identifier: MPL-2.0

//! What is restored, and why it may not be.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    file_kinds::{picture_extensions, searched_extensions},
    pictures::PictureRun,
};
use crate::error::{CommandError, Error};

/// A file to be restored, or pictures that are the frames of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Of pictures with their pattern as the name.
    pub path: PathBuf,
    /// Path relative to the given folder, or to the fixed part of a pattern. The output folder has the same structure.
    pub relative: PathBuf,
    pub pictures: Option<PictureRun>,
}

impl Input {
    /// Returns the files that it consists of.
    pub fn originals(&self) -> Vec<PathBuf> {
        match &self.pictures {
            Some(run) => run.paths().collect(),
            None => vec![self.path.clone()],
        }
    }

    /// Returns the files that its output consists of.
    pub fn written(&self, output: &Path) -> Vec<PathBuf> {
        match &self.pictures {
            Some(run) => run.outputs(output),
            None => vec![output.to_owned()],
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("there is no file or folder '{}'", .0.display())]
    Missing(PathBuf),
    #[error("'{}' cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("'{}' is neither a file nor a folder", .0.display())]
    NotAFile(PathBuf),
    #[error("there is no video in '{}': no file in it has one of the extensions {}, and no two of it are pictures ({}) whose names differ in a number only; a picture on its own is restored where it is named itself", .0.display(), searched_extensions(), picture_extensions())]
    NoVideo(PathBuf),
    #[error("'{}' cannot be the output of pictures: name a folder, in which they get the same names; ffmpeg -i, or GStreamer's multifilesrc, makes a video of them", .0.display())]
    VideoOfPictures(PathBuf),
    #[error("'{}' cannot be the output of {files} files: name a folder", out.display())]
    OneOutput { out: PathBuf, files: usize },
    #[error("'{}' is a file but not a video: name a folder, or a file with the extension of a video", .0.display())]
    NotAFolder(PathBuf),
    #[error("'{}' has the extension of a file that is not written: name a folder, or a file with the extension of a video such as .mp4 or .mkv", .0.display())]
    NotWritten(PathBuf),
    #[error("videos are not written to standard output: name a file or a folder, or './-' for a folder of that name")]
    StandardOutput,
    #[error("'{}' and '{}' would both be restored to '{}': give a folder that contains both, or restore them to different folders", first.display(), second.display(), output.display())]
    SameOutput {
        first: PathBuf,
        second: PathBuf,
        output: PathBuf,
    },
    #[error("'{}' is an original, which is never overwritten: name another output", .0.display())]
    Original(PathBuf),
}

impl From<InputError> for CommandError {
    fn from(error: InputError) -> Self {
        match error {
            // The argument is right, and the file is not.
            InputError::Unreadable { path, reason } => Self::File(Error::unreadable(path, reason)),
            error => Self::Arguments(error.to_string()),
        }
    }
}
