// SPDX-License-Identifier: MPL-2.0

//! One window of a video over time: its priors, and whether it stands still.

use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64;

use super::{Error, Sampling, Timing, network::Network};
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

    /// Restores the next frame of this window; the errors are those of [`super::Deblurrer::restore`].
    pub fn restore(
        &mut self,
        network: &mut Network,
        frame: &[u8],
        restored: &mut [u8],
        sampling: Sampling,
    ) -> Result<Timing, Error> {
        let started = Instant::now();
        self.next_prior(network, frame, sampling)?;
        let between = Instant::now();
        network.restore(frame, self.priors.current(), restored)?;
        Ok(Timing {
            prior: between - started,
            backbone: between.elapsed(),
        })
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
