// SPDX-License-Identifier: MPL-2.0

//! What is to be done for a file or for pictures.

/// A job, or that there is none.
#[derive(Debug)]
pub enum Prepared<Job> {
    Work(Job),
    /// An earlier run has done all of it, but for these gaps.
    Done(Vec<String>),
}
