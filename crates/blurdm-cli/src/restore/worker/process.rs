// SPDX-License-Identifier: MPL-2.0

//! The worker, as its parent sees it.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use super::messages::{Order, Report};
use crate::{child_process, error::Error, limits, media::interrupt::POLL_INTERVAL};

/// How long a worker without work may take to end by itself.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What has come from the worker.
pub enum Received {
    Report(Report),
    /// Nothing for [`POLL_INTERVAL`].
    Nothing,
}

/// A running worker. It is killed when this is dropped.
pub struct Worker {
    process: Child,
    socket: BufReader<UnixStream>,
    /// The beginning of the next line.
    line: Vec<u8>,
}

impl Worker {
    /// Starts a worker with the arguments of this process.
    ///
    /// # Errors
    /// [`Error::Worker`].
    pub fn start() -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Worker(format!("its worker process cannot be started: {error}"));
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        ours.set_read_timeout(Some(POLL_INTERVAL.into())).map_err(failed)?;
        let process = Command::new(child_process::executable().map_err(failed)?)
            .arg0("blurdm")
            .args(["restore", "--worker"])
            .args(env::args_os().skip(2))
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .map_err(failed)?;
        Ok(Self {
            process,
            socket: BufReader::new(ours),
            line: Vec::new(),
        })
    }

    /// # Errors
    /// As [`Worker::receive`].
    pub fn send(&mut self, order: &Order) -> Result<(), Error> {
        let sent = serde_json::to_string(order)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push('\n');
                self.socket.get_mut().write_all(line.as_bytes())
            });
        sent.map_err(|_| self.ended())
    }

    /// # Errors
    /// [`Error::Worker`], with how the worker has ended.
    pub fn receive(&mut self) -> Result<Received, Error> {
        match self.socket.read_until(b'\n', &mut self.line) {
            Ok(_) if self.line.ends_with(b"\n") => {
                let report = serde_json::from_slice(&self.line);
                self.line.clear();
                report.map(Received::Report).map_err(|_| self.ended())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(Received::Nothing)
            }
            _ => Err(self.ended()),
        }
    }

    /// Lets a worker end that has nothing to do.
    pub fn dismiss(mut self) {
        if self.socket.get_mut().shutdown(Shutdown::Both).is_err() {
            return;
        }
        let asked = Instant::now();
        while asked.elapsed() < END_LIMIT && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns an error about how the worker has ended, of which nothing more can be received.
    fn ended(&mut self) -> Error {
        // One that has closed the socket and goes on is of no use. It has a moment to become what it ends as.
        let closed = Instant::now();
        while closed.elapsed() < END_LIMIT && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        self.process.kill().ok();
        match self.process.wait() {
            Ok(status) => {
                let error = format!("its worker process {}", child_process::describe(status));
                Error::Worker(limits::explained_end(&error, status))
            }
            Err(error) => Error::Worker(format!("its worker process is gone: {error}")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
