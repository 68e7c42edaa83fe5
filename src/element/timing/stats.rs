// SPDX-License-Identifier: MPL-2.0

//! What the element has done since it started, and how long that took.

use std::time::Duration;

use crate::engine::{PriorInUse, Timing};

/// Frames over which the percentiles of the statistics are taken.
const WINDOW: usize = 256;

/// Frames over which the present cost of a frame is taken.
const RECENT: usize = 32;

/// The durations of one stage for the last `N` frames.
#[derive(Debug)]
pub struct Stage<const N: usize = WINDOW> {
    /// A ring.
    durations: [Duration; N],
    /// Frames so far, including those that the ring no longer holds.
    count: usize,
}

impl<const N: usize> Default for Stage<N> {
    fn default() -> Self {
        Self {
            durations: [Duration::ZERO; N],
            count: 0,
        }
    }
}

impl<const LENGTH: usize> Stage<LENGTH> {
    fn record(&mut self, duration: Duration) {
        self.durations[self.count % LENGTH] = duration;
        self.count += 1;
    }

    /// Returns nearest-rank percentiles, zero before the first frame. Sorts a copy on the stack, since this runs for every frame and
    /// must not allocate.
    pub fn percentiles<const N: usize>(&self, shares: [f64; N]) -> [Duration; N] {
        let mut sorted = self.durations;
        let sorted = &mut sorted[..self.count.min(LENGTH)];
        sorted.sort_unstable();
        shares.map(|share| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        })
    }
}

/// Counts and durations since the element started.
#[derive(Debug, Default)]
pub struct Stats {
    /// Frames that were restored.
    pub restored: u64,
    /// Frames that went on unchanged, `late` ones included.
    pub passed_through: u64,
    /// Frames that went on unchanged because they were late.
    pub late: u64,
    /// Frames that were dropped because they were late.
    pub dropped: u64,
    /// Restored frames whose working scale was smaller than 1.
    pub reduced: u64,
    /// The divisor of the last restored frame's sides; 0 before the first one.
    pub reduction: usize,
    /// That of the last restored frame.
    pub prior_in_use: PriorInUse,
    /// The costs of frames at the present level.
    recent: Stage<RECENT>,
    pub prior: Stage,
    pub backbone: Stage,
    pub total: Stage,
}

/// One restored frame.
#[derive(Debug, Clone, Copy)]
pub struct RestoredFrame {
    pub timing: Timing,
    /// The divisor of its sides at the working scale.
    pub reduction: usize,
    pub prior: PriorInUse,
    /// Everything that the element did for it.
    pub cost: Duration,
}

impl Stats {
    pub fn restored(&mut self, frame: RestoredFrame) {
        self.restored += 1;
        self.reduced += u64::from(frame.reduction > 1);
        self.reduction = frame.reduction;
        self.prior_in_use = frame.prior;
        self.recent.record(frame.cost);
        self.prior.record(frame.timing.prior);
        self.backbone.record(frame.timing.backbone);
        self.total.record(frame.cost);
    }

    /// Takes note of a frame that went on unchanged for another reason than being late.
    pub fn passed_through(&mut self) {
        self.passed_through += 1;
    }

    pub fn passed_through_late(&mut self) {
        self.late += 1;
        self.passed_through += 1;
    }

    pub fn dropped_late(&mut self) {
        self.dropped += 1;
    }

    /// Starts a level whose cost is not known.
    pub fn start_level(&mut self) {
        self.recent = Stage::default();
    }

    /// Starts a level whose cost was measured in a warm-up.
    pub fn start_level_at(&mut self, cost: Duration) {
        self.start_level();
        self.recent.record(cost);
    }

    /// Returns how many frames went on, restored or unchanged.
    pub fn passed_on(&self) -> u64 {
        self.restored + self.passed_through
    }

    /// Returns the median cost at the present level.
    pub fn median_cost(&self) -> Duration {
        self.recent.percentiles([0.5])[0]
    }

    /// Returns the cost that 95 % of the frames at the present level do not exceed.
    pub fn high_cost(&self) -> Duration {
        self.recent.percentiles([0.95])[0]
    }
}
