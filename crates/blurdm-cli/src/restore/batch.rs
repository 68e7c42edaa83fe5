// SPDX-License-Identifier: MPL-2.0

//! Restoring several files one after the other, with a model that is loaded once.

use std::path::Path;

use super::{
    job::{Job, outcome_of_error},
    options::Options,
    pictures::{self, PictureJob, PictureOptions},
    plan::PictureRun,
    prepared::Prepared,
    preview,
    segments::ReusableElement,
};
use crate::{
    error::Error,
    progress::{Outcome, Progress},
};

pub struct Batch<'a> {
    options: &'a Options,
    /// The time of the frame to save instead of restoring the file, in nanoseconds.
    preview: Option<u64>,
    element: ReusableElement,
    progress: &'a Progress,
}

impl<'a> Batch<'a> {
    pub fn new(options: &'a Options, preview: Option<u64>, progress: &'a Progress) -> Self {
        Self {
            options,
            preview,
            element: ReusableElement::new(&options.settings),
            progress,
        }
    }

    /// Restores a file or pictures, or saves the frame of their preview. Whatever becomes of it is shown as its progress, after the note `note`.
    pub fn restore(&self, input: &Path, output: &Path, pictures: Option<&PictureRun>, note: Option<String>) {
        if let Some(time) = self.preview {
            return self.preview(input, output, pictures, time);
        }
        if let Some(run) = pictures {
            return match PictureJob::prepare(run, output, self.picture_options()) {
                // Its progress has the error.
                Ok(Prepared::Work(job)) => drop(job.run(&self.element, self.progress, input, note)),
                Ok(Prepared::Done(gaps)) => self.done(input, &gaps),
                Err(error) => self.fail(input, &error),
            };
        }
        match Job::prepare(input, output, self.options) {
            // Its progress has the error.
            Ok(Prepared::Work(job)) => drop(job.run(&self.element, self.progress, input, note)),
            Ok(Prepared::Done(gaps)) => self.done(input, &gaps),
            Err(error) => self.fail(input, &error),
        }
    }

    /// Skips what was restored before. What could not be is told again.
    fn done(&self, input: &Path, gaps: &[String]) {
        const BEFORE: &str = "was restored before";
        if gaps.is_empty() {
            return self.progress.skip(input, BEFORE);
        }
        let told = format!("{BEFORE}, and is damaged: {}", gaps.join("; "));
        self.progress.start(input, None, 0).end(Outcome::Damaged(told));
    }

    fn fail(&self, input: &Path, error: &Error) {
        self.progress.start(input, None, 0).end(outcome_of_error(error));
    }

    fn picture_options(&self) -> PictureOptions {
        let options = self.options;
        PictureOptions {
            settings: options.settings.clone(),
            model: options.model.clone(),
            range: options.range,
            framerate: options.framerate,
            report: options.report,
            overwrite: options.overwrite,
            has_codec: options.codec.is_some(),
        }
    }

    fn preview(&self, input: &Path, output: &Path, pictures: Option<&PictureRun>, time: u64) {
        let progress = self.progress.start(input, Some(1), 0);
        let (video, overwrite) = (self.options.video, self.options.overwrite);
        let saved = match pictures {
            Some(run) => pictures::save_preview(run, output, time, &self.picture_options(), &self.element),
            None => preview::save(input, output, video, time, overwrite, &self.element),
        };
        progress.restored(u64::from(saved.is_ok()));
        progress.end(match saved {
            Ok(()) => Outcome::Restored,
            Err(error) => outcome_of_error(&error),
        });
    }
}
