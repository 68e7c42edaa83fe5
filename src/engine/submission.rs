// SPDX-License-Identifier: MPL-2.0

//! A frame between [`super::Deblurrer::submit`] and its end.

use std::time::Duration;

use super::{error::Error, gpu::Pending, timing::Timing};

/// A frame that is being restored. Dropped, it is given up.
pub struct Submission {
    timing: Timing,
    /// None for a frame that was restored at once.
    pending: Option<Pending>,
}

impl Submission {
    pub(super) fn new(prior: Duration, backbone: Duration, pending: Option<Pending>) -> Self {
        let timing = Timing { prior, backbone };
        Self { timing, pending }
    }

    pub(super) fn done(timing: Timing) -> Self {
        Self { timing, pending: None }
    }

    /// Whether a device works on the frame still, or has done so beside what this thread did.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Waits for the frame. `restored` is what was given to [`super::Deblurrer::submit`].
    ///
    /// # Errors
    /// [`Error::Inference`] when the device has failed meanwhile.
    pub fn collect(self, restored: &mut [u8]) -> Result<Timing, Error> {
        let Self { mut timing, pending } = self;
        if let Some(pending) = pending {
            timing.backbone = pending.collect(restored)?;
        }
        Ok(timing)
    }
}
