// SPDX-License-Identifier: MPL-2.0

//! The prior over time: blur changes more slowly than frames come, so that a prior serves more than one frame.

use ndarray::{Array1, ArrayView1};

/// How priors follow one another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TemporalPolicy {
    /// A prior serves this many frames; 1 gives every frame its own. 0 counts as 1.
    pub interval: u32,
    /// The share of the prior before that stays in the next one, 0 (none) up to but not including 1: an exponential mean.
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
    /// Whether one prior bears on the next at all. Where it does not, every frame is sampled as if it were the only one.
    pub fn looks_back(self) -> bool {
        self.interval > 1 || self.smoothing > 0.0
    }
}

/// Where the prior of a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The last one serves this frame too.
    Hold,
    /// It is sampled from the frame alone.
    Sample,
    /// It is sampled from the frame and the last one, which spares the sampler its first jump.
    WarmStart,
}

/// The prior of one stretch of video, D values; frames in its order.
#[derive(Debug, Clone)]
pub struct TemporalPrior {
    prior: Array1<f32>,
    /// Frames that the prior has served; none before the first and after [`TemporalPrior::reset`].
    served: u32,
}

impl TemporalPrior {
    /// Room for priors of `dim` values; knows none yet.
    pub fn new(dim: usize) -> Self {
        Self {
            prior: Array1::zeros(dim),
            served: 0,
        }
    }

    /// Where the next frame's prior comes from. `repeated`: the frame is the last one once more.
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

    /// The last prior serves one frame more.
    pub fn hold(&mut self) {
        self.served = self.served.saturating_add(1);
    }

    /// Takes a prior just sampled, which serves its first frame; the one before stays in it by `policy.smoothing`.
    pub fn renew(&mut self, sampled: ArrayView1<'_, f32>, policy: TemporalPolicy) {
        let kept = if self.served == 0 { 0.0 } else { policy.smoothing };
        self.prior.zip_mut_with(&sampled, |prior, &new| {
            *prior = (kept * f64::from(*prior) + (1.0 - kept) * f64::from(new)) as f32;
        });
        self.served = 1;
    }

    /// The prior of the frame that [`TemporalPrior::hold`] or [`TemporalPrior::renew`] was last called for.
    pub fn current(&self) -> ArrayView1<'_, f32> {
        self.prior.view()
    }

    /// How many frames before this one the prior was sampled; 0 for its own.
    pub fn age(&self) -> u32 {
        self.served.saturating_sub(1)
    }

    /// What comes next has nothing to do with what came before.
    pub fn reset(&mut self) {
        self.served = 0;
    }
}
