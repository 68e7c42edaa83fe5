// SPDX-License-Identifier: MPL-2.0

//! A frame between [`Deblurrer::submit`](super::Deblurrer::submit) and [`Submission::collect`].

use std::time::Duration;

use super::{error::Error, gpu::Pending, timing::Timing};

/// A submitted frame. Dropping it discards the frame.
pub struct Submission {
    timing: Timing,
    /// `None` for a frame that is restored already.
    pending: Option<Pending>,
}

impl Submission {
    pub(super) fn new(prior: Duration, backbone: Duration, pending: Option<Pending>) -> Self {
        let timing = Timing { prior, backbone };
        Self { timing, pending }
    }

    /// Returns the submission of a frame that is restored already.
    pub(super) fn restored(timing: Timing) -> Self {
        Self { timing, pending: None }
    }

    /// Returns whether a device restores the frame, which may be done by now, while this thread does something else.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Blocks until the frame is restored. `restored` is the slice that was given to
    /// [`Deblurrer::submit`](super::Deblurrer::submit).
    ///
    /// # Errors
    /// [`Error::Inference`] when the device has failed.
    pub fn collect(self, restored: &mut [u8]) -> Result<Timing, Error> {
        let Self { mut timing, pending } = self;
        if let Some(pending) = pending {
            timing.backbone = pending.collect(restored)?;
        }
        Ok(timing)
    }
}
