// SPDX-License-Identifier: MPL-2.0

use std::{ops::AddAssign, time::Duration};

/// How long the stages of one frame took, summed over its tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// The blur encoder and the sampler.
    pub prior: Duration,
    pub backbone: Duration,
}

impl AddAssign for Timing {
    fn add_assign(&mut self, other: Self) {
        self.prior += other.prior;
        self.backbone += other.backbone;
    }
}
