// SPDX-License-Identifier: MPL-2.0

//! One window of a video over time: its priors, and whether it stands still.

use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

#[cfg(feature = "cuda-memory")]
use super::gpu::DeviceFrame;
use super::{error::Error, options::Sampling, session::Network, submission::Submission};
use crate::diffusion::{Due, TemporalPrior};

#[derive(Clone)]
pub(super) struct PriorHistory {
    priors: TemporalPrior,
    /// The hash of the last frame (a copy of it would cost its size in memory and writing), and the steps that were asked for.
    last: Option<(u64, usize)>,
}

impl PriorHistory {
    /// For priors of `dim` values.
    pub fn new(dim: usize) -> Self {
        Self {
            priors: TemporalPrior::new(dim),
            last: None,
        }
    }

    /// Begins to restore the next frame of this window; the errors are those of [`super::Deblurrer::submit`].
    pub fn submit(
        &mut self,
        network: &mut Network,
        frame: &[u8],
        restored: &mut [u8],
        sampling: Sampling,
    ) -> Result<Submission, Error> {
        let started = Instant::now();
        network.set_frame(frame)?;
        self.next_prior(network, Some(frame), sampling)?;
        let between = Instant::now();
        let pending = network.submit(frame, self.priors.current(), restored)?;
        let backbone = match &pending {
            // Known when the device has done it.
            Some(_) => Duration::ZERO,
            None => between.elapsed(),
        };
        Ok(Submission::new(between - started, backbone, pending))
    }

    /// As [`PriorHistory::submit`], of a frame that lies on the device to one that does.
    #[cfg(feature = "cuda-memory")]
    pub fn submit_on_device(
        &mut self,
        network: &mut Network,
        frame: DeviceFrame,
        restored: DeviceFrame,
        sampling: Sampling,
    ) -> Result<Submission, Error> {
        let started = Instant::now();
        network.set_device_frame(frame)?;
        self.next_prior(network, None, sampling)?;
        let prior = started.elapsed();
        let pending = network.submit_on_device(self.priors.current(), restored)?;
        Ok(Submission::new(prior, Duration::ZERO, pending))
    }

    /// `frame`: none where its bytes are elsewhere, so that it cannot be told whether it is the last one once more.
    fn next_prior(&mut self, network: &mut Network, frame: Option<&[u8]>, sampling: Sampling) -> Result<(), Error> {
        let this = frame.map(|frame| (xxh3_64(frame), sampling.steps));
        let repeated = this.is_some() && self.last == this;
        let last = match self.priors.due(sampling.temporal, repeated) {
            Due::Hold => {
                self.priors.hold();
                self.last = this;
                return Ok(());
            }
            Due::Sample => None,
            Due::WarmStart => Some(self.priors.current()),
        };
        self.last = None;
        let sampled = network.prior(frame.unwrap_or_default(), last, sampling.steps)?;
        self.priors.renew(sampled, sampling.temporal);
        self.last = this;
        Ok(())
    }

    pub fn reset(&mut self) {
        self.priors.reset();
        self.last = None;
    }

    pub fn prior_age(&self) -> u32 {
        self.priors.age()
    }
}
