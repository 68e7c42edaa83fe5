// SPDX-License-Identifier: MPL-2.0

//! Why a file is not restored, or not all of it.

use std::{io, path::PathBuf};

use gst::prelude::*;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("'{}' cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("'{}' has no video", path.display())]
    NoVideo { path: PathBuf },
    #[error("'{}' holds no frame between {from:.3} s and {to:.3} s; its video is {length:.3} s long", path.display())]
    EmptySpan {
        path: PathBuf,
        from: f64,
        to: f64,
        length: f64,
    },
    #[error("'{}' needs {what}, which GStreamer lacks here; {hint}", path.display())]
    Missing {
        path: PathBuf,
        what: String,
        hint: &'static str,
    },
    #[error("no encoder for {codec} is installed; {hint}")]
    NoEncoder { codec: &'static str, hint: &'static str },
    #[error("'{}' is there already; --overwrite replaces it", path.display())]
    Exists { path: PathBuf },
    #[error("'{}' is the output of another file of this run; restore one of them to another folder", path.display())]
    Taken { path: PathBuf },
    #[error("'{}' is the original itself, which is never overwritten; give another output", path.display())]
    IsInput { path: PathBuf },
    #[error("'{}' cannot be written: {reason}", path.display())]
    Unwritable { path: PathBuf, reason: String },
    #[error("'{}' is being restored by another process", path.display())]
    Busy { path: PathBuf },
    #[error("{0}")]
    Failed(String),
    #[error("stopped; the same command goes on from here")]
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
}

impl From<gst::glib::BoolError> for Error {
    fn from(error: gst::glib::BoolError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a full disk and the like are called by the system, without a path: the caller knows which.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".into(),
        _ => error.to_string(),
    }
}

/// The words of an error message, with what it says of the cause where its own words say nothing.
pub fn words(message: &gst::message::Error) -> String {
    let error = message.error();
    if error.matches(gst::ResourceError::NoSpaceLeft) {
        return "the disk is full".into();
    }
    let text = error.to_string();
    let text = text.trim_end_matches('.').to_owned();
    match message.src() {
        Some(source) => format!("{text} ({})", source.name()),
        None => text,
    }
}

/// What an element of the pipeline has missed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is missing; {hint}")]
pub struct Missing {
    /// As "H.265 (Main Profile) decoder".
    pub what: String,
    /// What to install.
    pub hint: &'static str,
    /// Whether it is for video.
    pub video: bool,
}

/// What `message` says is missing, if that is what it tells.
pub fn missing(message: &gst::MessageRef) -> Option<Missing> {
    let structure = message.structure().filter(|s| s.name() == "missing-plugin")?;
    let coded = structure.get::<gst::Caps>("detail").ok();
    let media = coded.as_ref().and_then(|coded| coded.structure(0));
    Some(Missing {
        what: structure.get("name").ok()?,
        hint: "install the packages gstreamer1.0-libav and gstreamer1.0-plugins-bad",
        video: media.is_some_and(|media| media.name().starts_with("video/")),
    })
}
