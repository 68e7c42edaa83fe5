// SPDX-License-Identifier: MPL-2.0

//! Restoring several files one after the other. A file that fails does not stop the others.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    job::{Completion, Job, Options, outcome_of_error},
    plan::output_name,
    preview,
    segments::ReusableElement,
};
use crate::{
    error::Error,
    progress::{Outcome, Progress},
};

pub struct Batch<'a> {
    options: &'a Options,
    element: ReusableElement,
    progress: &'a Progress,
    /// Outputs of this run. Two inputs may have the same output where the extension changes.
    outputs: HashSet<PathBuf>,
    has_damaged: bool,
    has_failed: bool,
}

impl<'a> Batch<'a> {
    pub fn new(options: &'a Options, progress: &'a Progress) -> Self {
        Self {
            options,
            element: ReusableElement::new(&options.settings),
            progress,
            outputs: HashSet::new(),
            has_damaged: false,
            has_failed: false,
        }
    }

    /// Whether a file has gaps.
    pub fn has_damaged(&self) -> bool {
        self.has_damaged
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub fn restore(&mut self, input: &Path, output: &Path) {
        let (output, note) = output_name::supported_name(output);
        let prepared = if self.outputs.insert(output.clone()) {
            Job::prepare(input, &output, self.options)
        } else {
            Err(Error::Taken { path: output.clone() })
        };
        match prepared {
            Ok(Some(job)) => match job.run(&self.element, self.progress, input, note) {
                Ok(Completion::Damaged(_)) => self.has_damaged = true,
                Ok(_) => {}
                Err(_) => self.has_failed = true,
            },
            Ok(None) => self.progress.skip(input, "was restored before"),
            Err(error) => {
                self.has_failed = true;
                self.progress.start(input, None, 0).end(outcome_of_error(&error));
            }
        }
    }

    /// Saves the frame at `time`, in nanoseconds.
    pub fn preview(&mut self, input: &Path, output: &Path, time: u64) {
        let progress = self.progress.start(input, Some(1), 0);
        let saved = preview::save(input, output, time, &self.element);
        self.has_failed |= saved.is_err();
        progress.restored(u64::from(saved.is_ok()));
        progress.end(match saved {
            Ok(()) => Outcome::Restored,
            Err(error) => outcome_of_error(&error),
        });
    }
}
