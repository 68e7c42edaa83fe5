// SPDX-License-Identifier: MPL-2.0

//! Ends a run from another thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ort::session::RunOptions;

/// Makes the runs of a [`Deblurrer`](crate::engine::Deblurrer) end early, from any thread, with [`Error::Cancelled`](crate::engine::Error::Cancelled).
///
/// ONNX Runtime looks between the nodes of a graph, so that a run ends within the time of one of them.
#[derive(Clone)]
pub struct Canceler {
    options: Arc<RunOptions>,
    /// For runs that return before the device has done what they asked of it.
    ahead: Arc<RunOptions>,
    cancelled: Arc<AtomicBool>,
}

impl Canceler {
    /// Call after a runtime was found: without one ort has nothing to make options with.
    pub(crate) fn new() -> Result<Self, ort::Error> {
        let mut ahead = RunOptions::new()?;
        ahead.disable_device_sync()?;
        Ok(Self {
            options: Arc::new(RunOptions::new()?),
            ahead: Arc::new(ahead),
            cancelled: Arc::default(),
        })
    }

    pub(super) fn options(&self) -> Arc<RunOptions> {
        Arc::clone(&self.options)
    }

    /// Of runs that return before the device has done what they asked of it.
    pub(super) fn options_ahead(&self) -> Arc<RunOptions> {
        Arc::clone(&self.ahead)
    }

    /// Ends the run in progress, and every later one, until [`Canceler::resume`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        // It can only fail for options that are null, which these are not.
        let _ = self.options.terminate();
        let _ = self.ahead.terminate();
    }

    /// Lets runs happen again.
    pub fn resume(&self) {
        let _ = self.options.unterminate();
        let _ = self.ahead.unterminate();
        self.cancelled.store(false, Ordering::SeqCst);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}
