// SPDX-License-Identifier: MPL-2.0

//! What ends a command early.

use std::{io, path::PathBuf};

use gstblurdm::engine::Error;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error(transparent)]
    Plugin(#[from] crate::plugin::BuiltinError),
    #[error(transparent)]
    Inputs(#[from] crate::restore::Unusable),
    #[error(transparent)]
    Restore(#[from] crate::restore::Error),
    #[error("what was found cannot be printed: {0}")]
    Output(#[from] io::Error),
    #[error("the manual cannot be written to '{}': {reason}", folder.display())]
    Manual { folder: PathBuf, reason: io::Error },
    #[error("there is no 'blurdm {0}'; 'blurdm help' lists what there is")]
    NoPart(String),
}

impl Failure {
    /// Whether the reader of what is printed has had enough, as `head` has after ten lines.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
