// SPDX-License-Identifier: MPL-2.0

//! Has one file after the other restored by a worker, and by a new one after one that has ended.

use std::time::{Duration, Instant};

use super::{
    messages::{File, Order, Report},
    process::{Received, Worker},
};
use crate::{
    error::Error,
    media::interrupt,
    progress::{Progress, Replay},
    restore::{job::outcome_of_error, plan::PlannedFile},
};

/// How long a worker may take to stop when it is told to. Within a second it should.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How long a worker may take until it is ready. At the first start GStreamer looks at all its plug-ins.
const READY_LIMIT: Duration = Duration::from_secs(300);

pub struct Supervisor<'a> {
    progress: &'a Progress,
    /// The worker that has restored the file before.
    worker: Option<Worker>,
}

impl<'a> Supervisor<'a> {
    pub fn new(progress: &'a Progress) -> Self {
        Self { progress, worker: None }
    }

    /// Has a file restored. Whatever becomes of it is shown as its progress.
    pub fn restore(&mut self, file: PlannedFile) {
        let replay = Replay::new(self.progress, &file.input);
        if let Some(conflict) = file.conflict {
            return replay.end(outcome_of_error(&conflict));
        }
        let order = Order::Restore(File {
            input: file.input.clone().into(),
            output: file.output.into(),
            pictures: file.pictures,
            note: file.note,
        });
        let started = self.ready_worker().and_then(|mut worker| {
            worker.send(&order)?;
            Ok(worker)
        });
        match started {
            Ok(worker) => self.worker = follow(worker, replay),
            Err(error) => replay.end(outcome_of_error(&error)),
        }
    }

    /// Ends the worker, after the last file.
    pub fn finish(self) {
        if let Some(worker) = self.worker {
            worker.dismiss();
        }
    }

    fn ready_worker(&mut self) -> Result<Worker, Error> {
        // One that ends after its file was finished, and before it is ready, is simply replaced.
        match self.worker.take().map(ready) {
            Some(Ok(worker)) => Ok(worker),
            Some(Err(Error::Interrupted)) => Err(Error::Interrupted),
            Some(Err(_)) | None => ready(Worker::start()?),
        }
    }
}

/// Waits until a worker is ready for a file.
fn ready(mut worker: Worker) -> Result<Worker, Error> {
    let asked = Instant::now();
    while asked.elapsed() < READY_LIMIT {
        interrupt::check()?;
        if let Received::Report(Report::Ready) = worker.receive()? {
            return Ok(worker);
        }
    }
    let seconds = READY_LIMIT.as_secs();
    Err(Error::Worker(format!(
        "its worker process was not ready after {seconds} s"
    )))
}

/// Shows how a worker restores a file. Returns the worker if it can be used again.
fn follow(mut worker: Worker, mut replay: Replay) -> Option<Worker> {
    let mut stopping = None;
    loop {
        let received = worker.receive();
        if stopping.is_none() && interrupt::is_requested() {
            stopping = Some(Instant::now());
            // One that is gone is noticed below.
            worker.send(&Order::Interrupt).ok();
        }
        let error = match received {
            Ok(Received::Report(Report::Progress(event))) => match replay.show(event) {
                Some(rest) => {
                    replay = rest;
                    continue;
                }
                None => return Some(worker),
            },
            Ok(Received::Report(Report::Stalled(reason))) => Error::Worker(reason),
            Ok(Received::Report(Report::Ready) | Received::Nothing) => {
                if stopping.is_none_or(|since| since.elapsed() < STOP_LIMIT) {
                    continue;
                }
                Error::Interrupted
            }
            // A second Ctrl-C ends the worker at once.
            Err(_) if stopping.is_some() => Error::Interrupted,
            Err(error) => error,
        };
        replay.end(outcome_of_error(&error));
        return None;
    }
}
