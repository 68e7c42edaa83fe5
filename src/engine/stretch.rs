// SPDX-License-Identifier: MPL-2.0

//! One window of a video over time: its priors, and whether it stands still.

use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

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
        self.next_prior(network, frame, sampling)?;
        let between = Instant::now();
        let pending = network.begin(frame, self.priors.current(), restored)?;
        let backbone = match &pending {
            // Known when the device has done it.
            Some(_) => Duration::ZERO,
            None => between.elapsed(),
        };
        Ok(Begun::new(between - started, backbone, pending))
    }

    fn next_prior(&mut self, network: &mut Network, frame: &[u8], sampling: Sampling) -> Result<(), Error> {
        let this = Some((xxh3_64(frame), sampling.steps));
        let repeated = self.last == this;
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
        let sampled = network.prior(frame, last, sampling.steps)?;
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
