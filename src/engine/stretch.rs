// SPDX-License-Identifier: MPL-2.0

//! One window of a video over time: its priors, and whether it stands still.

use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

#[cfg(feature = "cuda-memory")]
use super::DeviceFrame;
use super::{Begun, Error, Sampling, network::Network};
use crate::diffusion::{Due, TemporalPrior};

#[derive(Clone)]
pub(super) struct Stretch {
    priors: TemporalPrior,
    /// The hash of the last frame (a copy of it would cost its size in memory and writing), and the steps that were asked for.
    last: Option<(u64, usize)>,
}

impl Stretch {
    /// For priors of `dim` values.
    pub fn new(dim: usize) -> Self {
        Self {
            priors: TemporalPrior::new(dim),
            last: None,
        }
    }

    /// Begins to restore the next frame of this window; the errors are those of [`super::Deblurrer::begin`].
    pub fn begin(
        &mut self,
        network: &mut Network,
        frame: &[u8],
        restored: &mut [u8],
        sampling: Sampling,
    ) -> Result<Begun, Error> {
        let started = Instant::now();
        network.show(frame)?;
        self.next_prior(network, Some(frame), sampling)?;
        let between = Instant::now();
        let pending = network.begin(frame, self.priors.current(), restored)?;
        let backbone = match &pending {
            // Known when the device has done it.
            Some(_) => Duration::ZERO,
            None => between.elapsed(),
        };
        Ok(Begun::new(between - started, backbone, pending))
    }

    /// As [`Stretch::begin`], of a frame that lies on the device to one that does.
    #[cfg(feature = "cuda-memory")]
    pub fn begin_on_device(
        &mut self,
        network: &mut Network,
        frame: DeviceFrame,
        restored: DeviceFrame,
        sampling: Sampling,
    ) -> Result<Begun, Error> {
        let started = Instant::now();
        network.show_on_device(frame)?;
        self.next_prior(network, None, sampling)?;
        let prior = started.elapsed();
        let pending = network.begin_on_device(self.priors.current(), restored)?;
        Ok(Begun::new(prior, Duration::ZERO, pending))
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

    pub fn forget(&mut self) {
        self.priors.forget();
        self.last = None;
    }

    pub fn prior_age(&self) -> u32 {
        self.priors.age()
    }
}
