// SPDX-License-Identifier: MPL-2.0

//! Loads in a thread of its own, for which the caller's waits no longer than a limit, or until it is cancelled.
//!
//! ONNX Runtime can be told to end a run, but not to end the creation of a session. (Version 1.22 can, and this library
//! runs with older ones.) So a thread that creates one is left alone: it ends by itself, and what it has made is
//! dropped. Until then it takes its share of the CPU and of memory. Only the end of the process ends it sooner.

use std::{
    panic,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::{error::Error, runtime::log, session::Canceler};

/// How often it is looked whether loading was cancelled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a cancelled run may take to end, before its thread is left alone. It ends with the node that it is at.
const GRACE: Duration = Duration::from_secs(1);

/// Twice what threads have otherwise: ONNX Runtime walks through graphs recursively.
const STACK_SIZE: usize = 4 << 20;

/// What becomes of the canceler when the limit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnLimit {
    /// It is cancelled, which ends the run in progress.
    Cancel,
    /// Nothing: it is shared with runs that go on.
    Leave,
}

/// Returns what `load` returns, which a thread of its own calls.
///
/// # Errors
/// Those of `load`, [`Error::Cancelled`] once `canceler` is cancelled, [`Error::LoadTimeout`] when `limit` is over,
/// [`Error::Thread`] where no thread can be made.
///
/// # Panics
/// Where `load` does.
pub(super) fn in_own_thread<T: Send + 'static>(
    canceler: &Canceler,
    limit: Duration,
    on_limit: OnLimit,
    load: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = thread::Builder::new()
        .name("blurdm-load".into())
        .stack_size(STACK_SIZE)
        .spawn(move || {
            // Fails if nobody waits any longer. Then the result is dropped here.
            sender.send(load()).ok();
        });
    let thread = thread.map_err(|error| Error::Thread {
        reason: error.to_string(),
    })?;
    let started = Instant::now();
    let error = loop {
        let left = limit.saturating_sub(started.elapsed());
        match receiver.recv_timeout(left.min(POLL_INTERVAL)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(payload) => panic::resume_unwind(payload),
                // It sends before it ends, so that this is not reached.
                Ok(()) => break Error::Cancelled,
            },
            Err(RecvTimeoutError::Timeout) if canceler.is_cancelled() => break Error::Cancelled,
            Err(RecvTimeoutError::Timeout) if left.is_zero() => break Error::LoadTimeout { limit },
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    if on_limit == OnLimit::Cancel {
        canceler.cancel();
    }
    let ends = canceler.is_cancelled() && !matches!(receiver.recv_timeout(GRACE), Err(RecvTimeoutError::Timeout));
    if !ends {
        log::warn("a model that nobody waits for is still being loaded; the thread ends when ONNX Runtime is done");
    }
    Err(error)
}
