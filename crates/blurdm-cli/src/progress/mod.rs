// SPDX-License-Identifier: MPL-2.0

//! Progress of the work on files: as bars in a terminal, as lines, as JSON for scripts, or errors only. What is meant for people goes to
//! standard error, JSON to standard output.

mod bars;
mod json;
mod lines;
mod rate;
mod remote;
mod replay;
mod snapshot;
mod summary;
mod text;
mod tracker;
mod view;
mod writer;

pub use remote::Event;
pub use replay::Replay;
pub use snapshot::Outcome;
pub use tracker::{FileProgress, Form, Progress};

#[cfg(test)]
mod tests;
