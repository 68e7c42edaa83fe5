// SPDX-License-Identifier: MPL-2.0

//! Cancels runs from another thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ort::session::RunOptions;

use crate::engine::{error::Error, runtime::Runtime};

/// Cancels the runs of a [`Deblurrer`](crate::engine::Deblurrer), from any thread. A cancelled run returns
/// [`Error::Cancelled`].
///
/// ONNX Runtime looks for a cancellation between the nodes of a graph, so that a run ends within the time that one node
/// takes.
#[derive(Clone)]
pub struct Canceler {
    options: Arc<RunOptions>,
    /// The options of runs that return before the device is done.
    asynchronous: Arc<RunOptions>,
    cancelled: Arc<AtomicBool>,
}

impl Canceler {
    /// Creates a canceler of runs of a runtime, which is loaded.
    pub(crate) fn new(runtime: &Runtime) -> Result<Self, Error> {
        let unusable = |error: ort::Error| Error::RuntimeUnusable {
            path: runtime.path().to_owned(),
            reason: error.message().to_owned(),
        };
        let mut asynchronous = RunOptions::new().map_err(unusable)?;
        asynchronous.disable_device_sync().map_err(unusable)?;
        Ok(Self {
            options: Arc::new(RunOptions::new().map_err(unusable)?),
            asynchronous: Arc::new(asynchronous),
            cancelled: Arc::default(),
        })
    }

    pub(super) fn options(&self) -> Arc<RunOptions> {
        Arc::clone(&self.options)
    }

    /// Returns the options of runs that return before the device is done.
    pub(super) fn asynchronous_options(&self) -> Arc<RunOptions> {
        Arc::clone(&self.asynchronous)
    }

    /// Ends the run in progress, and every later one until [`Canceler::resume`] is called.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        // This fails for null options only, which these are not.
        let _ = self.options.terminate();
        let _ = self.asynchronous.terminate();
    }

    /// Lets runs happen again.
    pub fn resume(&self) {
        let _ = self.options.unterminate();
        let _ = self.asynchronous.unterminate();
        self.cancelled.store(false, Ordering::SeqCst);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}
