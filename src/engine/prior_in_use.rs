// SPDX-License-Identifier: MPL-2.0

/// The most scales of a network.
pub(super) const MOST_SCALES: usize = 4;

/// The prior that a frame was restored with.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PriorInUse {
    /// How many frames before this one it was sampled; 0 if it was sampled for this frame.
    pub age: u32,
    pub scales: ScaleShares,
}

/// How much of a frame was restored at each scale of a network that chooses between several, as shares that sum to 1.
/// None where it has one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScaleShares {
    shares: [f32; MOST_SCALES],
    count: usize,
}

impl ScaleShares {
    /// Creates shares that are all 0, for a graph to fill.
    pub(super) fn zeros(scales: usize) -> Self {
        Self {
            count: scales.min(MOST_SCALES),
            ..Self::default()
        }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.shares[..self.count]
    }

    /// Returns the shares, that of the whole frame's own scale first.
    pub fn as_slice(&self) -> &[f32] {
        &self.shares[..self.count]
    }

    /// Returns the mean of some of one network, as of a frame's tiles.
    pub(super) fn mean(all: impl ExactSizeIterator<Item = Self>) -> Self {
        let count = all.len().max(1) as f32;
        let mut mean = Self::default();
        for one in all {
            mean.count = one.count;
            let sum = mean.shares.iter_mut().zip(one.shares);
            sum.for_each(|(sum, share)| *sum += share / count);
        }
        mean
    }
}
