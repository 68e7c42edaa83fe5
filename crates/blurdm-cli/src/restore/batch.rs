// SPDX-License-Identifier: MPL-2.0

//! Restoring several files one after the other. A file that fails does not stop the others.

use std::path::Path;

use super::{
    job::{Completion, Job, Options, outcome_of_error},
    plan::PlannedFile,
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
    has_damaged: bool,
    has_failed: bool,
}

impl<'a> Batch<'a> {
    pub fn new(options: &'a Options, progress: &'a Progress) -> Self {
        Self {
            options,
            element: ReusableElement::new(&options.settings),
            progress,
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

    pub fn restore(&mut self, file: PlannedFile) {
        let input = file.input.as_path();
        let prepared = match file.conflict {
            Some(conflict) => Err(conflict),
            None => Job::prepare(input, &file.output, self.options),
        };
        match prepared {
            Ok(Some(job)) => match job.run(&self.element, self.progress, input, file.note) {
                Ok(Completion::Damaged(_)) => self.has_damaged = true,
                Ok(_) => {}
                Err(_) => self.has_failed = true,
            },
            Ok(None) => self.progress.skip(input, "was restored before"),
            Err(error) => self.fail(input, &error),
        }
    }

    fn fail(&mut self, input: &Path, error: &Error) {
        self.has_failed = true;
        self.progress.start(input, None, 0).end(outcome_of_error(error));
    }

    /// Saves the frame at `time`, in nanoseconds.
    pub fn preview(&mut self, file: &PlannedFile, time: u64) {
        let input = file.input.as_path();
        if let Some(conflict) = &file.conflict {
            return self.fail(input, conflict);
        }
        let progress = self.progress.start(input, Some(1), 0);
        let saved = preview::save(
            input,
            &file.output,
            self.options.video,
            time,
            self.options.overwrite,
            &self.element,
        );
        self.has_failed |= saved.is_err();
        progress.restored(u64::from(saved.is_ok()));
        progress.end(match saved {
            Ok(()) => Outcome::Restored,
            Err(error) => outcome_of_error(&error),
        });
    }
}
