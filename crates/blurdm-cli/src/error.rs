// SPDX-License-Identifier: MPL-2.0

//! Why a command fails, or why one of its files is not processed.

use std::{io, path::PathBuf, process::ExitCode};

use gstblurdm::engine;
use rustix::process::{Resource, getrlimit};

use crate::plugin::PluginError;

/// Exit status where the arguments are wrong.
const EXIT_ARGUMENTS: u8 = 2;

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    File(#[from] Error),
    /// The arguments name no usable input or output.
    #[error("{0}")]
    Arguments(String),
    #[error("model '{}': {reason}", path.display())]
    Model { path: PathBuf, reason: String },
    /// What a process of this command has reported.
    #[error("{0}")]
    Reported(String),
    #[error("the output cannot be printed: {0}")]
    Output(#[from] io::Error),
    #[error("the manual cannot be written to '{}': {reason}", folder.display())]
    Manual { folder: PathBuf, reason: io::Error },
    #[error("there is no 'blurdm {0}'; 'blurdm help' lists the subcommands")]
    NoSubcommand(String),
}

impl CommandError {
    /// The exit status: what is wrong with the arguments themselves has that of clap.
    pub fn exit_status(&self) -> ExitCode {
        match self {
            Self::Arguments(_) | Self::NoSubcommand(_) => ExitCode::from(EXIT_ARGUMENTS),
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether the reader of the output has closed it, as `head` does after ten lines.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Why a file is not processed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("'{}' cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// It can be read, but not restored.
    #[error("'{}' cannot be restored: {reason}", path.display())]
    Unsuitable { path: PathBuf, reason: String },
    #[error("'{}' has no video", path.display())]
    NoVideo { path: PathBuf },
    #[error("'{}' has no video of this number; its videos are 1 to {videos}", path.display())]
    NoSuchVideo { path: PathBuf, videos: usize },
    #[error("'{}' has no frame between {from:.3} s and {to:.3} s; its video is {length:.3} s long", path.display())]
    EmptyRange {
        path: PathBuf,
        from: f64,
        to: f64,
        length: f64,
    },
    #[error("'{}' needs {what}, which this GStreamer lacks; {hint}", path.display())]
    MissingPlugin {
        path: PathBuf,
        what: String,
        hint: &'static str,
    },
    #[error("no encoder for {codec} is installed; {hint}")]
    NoEncoder { codec: &'static str, hint: &'static str },
    #[error("'{}' already exists; --overwrite replaces it", path.display())]
    Exists { path: PathBuf },
    #[error("'{}' is written for another file of this run; restore one of them to another folder", path.display())]
    Taken { path: PathBuf },
    #[error("'{}' is the original, which is never overwritten; name another output", path.display())]
    IsInput { path: PathBuf },
    #[error("'{}' cannot be written: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: String },
    #[error("'{}' was changed or replaced while it was restored; run the same command again", path.display())]
    Changed { path: PathBuf },
    #[error("'{}' is not kept, since it was written wrongly: {reason}; this is a fault of blurdm, please report it", path.display())]
    Unproven { path: PathBuf, reason: String },
    #[error("'{}' is being restored by another process", path.display())]
    Busy { path: PathBuf },
    #[error("{0}")]
    Failed(String),
    /// The process that restored it has ended, or has given it up.
    #[error("{0}")]
    Worker(String),
    #[error("interrupted; run the same command again to continue")]
    Interrupted,
}

impl Error {
    pub fn unwritable(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Unwritable {
            path: path.into(),
            reason: reason.to_string(),
        }
    }

    pub fn unreadable(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Unreadable {
            path: path.into(),
            reason: reason.to_string(),
        }
    }

    /// Returns why a file cannot be read, without its name: the caller names it.
    pub fn into_reason(self) -> String {
        match self {
            Self::Unreadable { reason, .. } => reason,
            error => error.to_string(),
        }
    }
}

impl From<gst::glib::BoolError> for Error {
    fn from(error: gst::glib::BoolError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Why something fails where the system gives no memory.
pub const NO_MEMORY: &str = "there is not enough memory";

/// Why a file cannot become larger, which the system says where the signal for it (SIGXFSZ) is ignored, and ends the process with where not.
pub fn file_too_large() -> String {
    match getrlimit(Resource::Fsize).current {
        Some(bytes) => format!("a file would be larger than {bytes} bytes, which is the limit (ulimit -f)"),
        None => "a file would be larger than the file system allows".into(),
    }
}

/// Returns the text of an I/O error, without a path: the caller adds that.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::OutOfMemory => NO_MEMORY.into(),
        io::ErrorKind::FileTooLarge => file_too_large(),
        _ => error.to_string(),
    }
}
