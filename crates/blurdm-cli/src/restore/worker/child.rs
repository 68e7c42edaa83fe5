// SPDX-License-Identifier: MPL-2.0

//! The worker.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process::{self, ExitCode},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use rustix::process::{Signal, getpid, kill_process};
use serde::Serialize;

use super::messages::{File, Order, Report};
use crate::{
    error::{CommandError, Error},
    limits,
    media::{
        interrupt,
        watchdog::{self, StallLimit},
    },
    progress::Progress,
    restore::{batch::Batch, options::Options},
    sync::lock,
};

/// Restores the files that come through standard input, until that is closed.
///
/// # Errors
/// Standard input is no socket, or no thread can be made.
pub fn run(options: &Options, preview: Option<u64>, limit: StallLimit) -> Result<ExitCode, CommandError> {
    let failed = |error: io::Error| Error::Failed(format!("the worker cannot be started: {error}"));
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    let parent = Arc::new(Parent {
        socket: Mutex::new(socket.try_clone().map_err(failed)?),
        is_busy: AtomicBool::new(false),
    });
    let stalled = parent.clone();
    watchdog::start(limit, move |reason| {
        stalled.send(&Report::Stalled(limits::explained(reason)));
        end_at_once();
    })?;
    let (orders, files) = mpsc::channel();
    let listener = parent.clone();
    thread::Builder::new()
        .name("orders".into())
        .spawn(move || listener.listen(socket, &orders))
        .map_err(failed)?;
    let events = parent.clone();
    let progress = Progress::remote(move |event| events.send(&Report::Progress(event)));
    let batch = Batch::new(options, preview, &progress);
    loop {
        parent.is_busy.store(false, Ordering::SeqCst);
        parent.send(&Report::Ready);
        match files.recv() {
            Ok(File {
                input,
                output,
                pictures,
                note,
            }) => batch.restore(input.as_ref(), output.as_ref(), pictures.as_ref(), note),
            Err(mpsc::RecvError) => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// The process that has started this one.
struct Parent {
    socket: Mutex<UnixStream>,
    /// Whether there is a file that is not finished.
    is_busy: AtomicBool,
}

impl Parent {
    fn send(&self, report: &impl Serialize) {
        let sent = serde_json::to_string(report)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push('\n');
                lock(&self.socket).write_all(line.as_bytes())
            });
        if sent.is_err() {
            // Nobody would hear of what is done.
            end_at_once();
        }
    }

    /// Passes files on, until there are no more orders.
    fn listen(&self, socket: UnixStream, files: &mpsc::Sender<File>) {
        for line in BufReader::new(socket).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Order::Restore(file)) => {
                    self.is_busy.store(true, Ordering::SeqCst);
                    if files.send(file).is_err() {
                        return;
                    }
                }
                Ok(Order::Interrupt) => interrupt::request(),
                Err(_) => break,
            }
        }
        if self.is_busy.load(Ordering::SeqCst) {
            end_at_once();
        }
    }
}

/// Ends this process without waiting for anything in it, which may hang.
fn end_at_once() {
    if kill_process(getpid(), Signal::KILL).is_err() {
        process::abort();
    }
}
