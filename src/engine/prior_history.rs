// SPDX-License-Identifier: MPL-2.0

//! The priors of one window over time, and whether its picture stands still.

use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

#[cfg(feature = "cuda-memory")]
use super::gpu::DeviceFrame;
use super::{
    error::Error,
    options::Sampling,
    prior_in_use::{PriorInUse, ScaleShares},
    session::Network,
    submission::Submission,
};
use crate::diffusion::{Due, TemporalPrior};

/// What is known of the frames of one window so far: a whole frame, or one tile.
#[derive(Clone)]
pub(super) struct PriorHistory {
    priors: TemporalPrior,
    /// Those of the current prior.
    scales: ScaleShares,
    /// The hash of the last frame, and the number of steps that was asked for. A copy of the frame would cost its size
    /// in memory and in writing.
    last: Option<(u64, usize)>,
}

impl PriorHistory {
    /// Creates an empty history for priors of `dim` values, or of none where there is no prior.
    pub fn new(dim: usize) -> Self {
        Self {
            priors: TemporalPrior::new(dim),
            scales: ScaleShares::default(),
            last: None,
        }
    }

    /// Submits the next frame of this window. The errors are those of [`Deblurrer::submit`](super::Deblurrer::submit).
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
        let prior = sampling_time(network, started);
        let sampled = Instant::now();
        let pending = network.submit(frame, self.priors.current(), restored)?;
        let backbone = match &pending {
            // The device measures it.
            Some(_) => Duration::ZERO,
            None => sampled.elapsed(),
        };
        Ok(Submission::new(prior, backbone, pending))
    }

    /// As [`PriorHistory::submit`], from and to frames in device memory.
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
        let prior = sampling_time(network, started);
        let pending = network.submit_on_device(self.priors.current(), restored)?;
        Ok(Submission::new(prior, Duration::ZERO, pending))
    }

    /// Makes the prior of the next frame current. `frame` is `None` where the CPU cannot read it; a repeated frame is
    /// then not recognised.
    fn next_prior(&mut self, network: &mut Network, frame: Option<&[u8]>, sampling: Sampling) -> Result<(), Error> {
        if network.dim() == 0 {
            return Ok(());
        }
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
        // Stays `None` if sampling fails: the current prior is then not this frame's.
        self.last = None;
        let sampled = network.prior(frame.unwrap_or_default(), last, sampling.steps)?;
        self.priors.renew(sampled, sampling.temporal);
        self.scales = network.scales(self.priors.current())?;
        self.last = this;
        Ok(())
    }

    /// Forgets the frames so far.
    pub fn reset(&mut self) {
        self.priors.reset();
        self.last = None;
    }

    /// Returns the prior that the last frame was restored with.
    pub fn prior(&self) -> PriorInUse {
        PriorInUse {
            age: self.priors.age(),
            scales: self.scales,
        }
    }
}

/// Returns the time since a frame was begun, which its prior took; none where there is no prior.
fn sampling_time(network: &Network, started: Instant) -> Duration {
    match network.dim() {
        0 => Duration::ZERO,
        _ => started.elapsed(),
    }
}
