// SPDX-License-Identifier: MPL-2.0

//! The prior over time. Blur changes more slowly than frames follow one another, so that one prior can serve several
//! frames.

use ndarray::{Array1, ArrayView1};

/// How priors are reused from frame to frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TemporalPolicy {
    /// The number of frames that a prior serves; 1 gives every frame its own. 0 counts as 1.
    pub interval: u32,
    /// The share of the last prior that stays in the next one, in 0..1: an exponential mean. 0 keeps nothing.
    pub smoothing: f64,
}

impl Default for TemporalPolicy {
    fn default() -> Self {
        Self {
            interval: 1,
            smoothing: 0.0,
        }
    }
}

impl TemporalPolicy {
    /// Returns whether a prior depends on the last one. If not, every frame is sampled as if it were the only one.
    pub fn looks_back(self) -> bool {
        self.interval > 1 || self.smoothing > 0.0
    }
}

/// Where the prior of a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The last prior serves this frame too.
    Hold,
    /// It is sampled from the frame alone.
    Sample,
    /// It is sampled from the frame and the last prior, which saves the sampler its first jump.
    WarmStart,
}

/// The current prior of a video, D values. Frames must be given in their order.
#[derive(Debug, Clone)]
pub struct TemporalPrior {
    prior: Array1<f32>,
    /// The number of frames that the prior has served. 0 before the first frame and after [`TemporalPrior::reset`].
    served: u32,
}

impl TemporalPrior {
    /// Creates the state for priors of `dim` values, without a prior.
    pub fn new(dim: usize) -> Self {
        Self {
            prior: Array1::zeros(dim),
            served: 0,
        }
    }

    /// Returns where the next frame's prior comes from. `repeated` says that the frame equals the last one.
    pub fn due(&self, policy: TemporalPolicy, repeated: bool) -> Due {
        if self.served == 0 {
            Due::Sample
        } else if repeated || self.served < policy.interval {
            Due::Hold
        } else if policy.looks_back() {
            Due::WarmStart
        } else {
            Due::Sample
        }
    }

    /// Lets the last prior serve one more frame.
    pub fn hold(&mut self) {
        self.served = self.served.saturating_add(1);
    }

    /// Makes a sampled prior the current one, smoothed with the last one by `policy.smoothing`. It serves its first
    /// frame.
    pub fn renew(&mut self, sampled: ArrayView1<'_, f32>, policy: TemporalPolicy) {
        let kept = if self.served == 0 { 0.0 } else { policy.smoothing };
        self.prior.zip_mut_with(&sampled, |prior, &new| {
            *prior = (kept * f64::from(*prior) + (1.0 - kept) * f64::from(new)) as f32;
        });
        self.served = 1;
    }

    /// Returns the prior of the frame for which [`TemporalPrior::hold`] or [`TemporalPrior::renew`] was called last.
    pub fn current(&self) -> ArrayView1<'_, f32> {
        self.prior.view()
    }

    /// Returns how many frames before the last one its prior was sampled; 0 if it was sampled for the last frame.
    pub fn age(&self) -> u32 {
        self.served.saturating_sub(1)
    }

    /// Forgets the frames so far, for a next frame that does not continue them.
    pub fn reset(&mut self) {
        self.served = 0;
    }
}
