// SPDX-License-Identifier: MPL-2.0

//! What the element has done so far, and how long it took.

use std::time::Duration;

use crate::engine::Timing;

/// Percentiles are those of this many frames.
const WINDOW: usize = 256;

/// What a frame costs now is what this many took.
const RECENT: usize = 32;

/// The times of the last frames, in a ring.
#[derive(Debug)]
struct Stage<const N: usize = WINDOW> {
    times: [Duration; N],
    /// Of all frames, kept or not.
    count: usize,
}

impl<const N: usize> Default for Stage<N> {
    fn default() -> Self {
        Self {
            times: [Duration::ZERO; N],
            count: 0,
        }
    }
}

impl<const LENGTH: usize> Stage<LENGTH> {
    fn record(&mut self, duration: Duration) {
        self.times[self.count % LENGTH] = duration;
        self.count += 1;
    }

    /// Nearest-rank percentiles; zero before the first frame. Sorts a copy on the stack: this runs for every frame.
    fn percentiles<const N: usize>(&self, shares: [f64; N]) -> [Duration; N] {
        let mut sorted = self.times;
        let sorted = &mut sorted[..self.count.min(LENGTH)];
        sorted.sort_unstable();
        shares.map(|share| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Stats {
    frames: u64,
    passed: u64,
    late: u64,
    dropped: u64,
    reduced: u64,
    /// What frames are reduced by now; 0 until one was restored.
    reduction: usize,
    prior_age: u32,
    /// At the present level.
    recent: Stage<RECENT>,
    prior: Stage,
    backbone: Stage,
    total: Stage,
}

impl Stats {
    /// A frame reduced by `reduction` was restored with a prior sampled `prior_age` frames before; `total` includes what the element
    /// itself does.
    pub fn restored(&mut self, timing: Timing, reduction: usize, prior_age: u32, total: Duration) {
        self.frames += 1;
        self.reduced += u64::from(reduction > 1);
        self.reduction = reduction;
        self.recent.record(total);
        self.prior_age = prior_age;
        self.prior.record(timing.prior);
        self.backbone.record(timing.backbone);
        self.total.record(total);
    }

    /// What a frame will take was found out without one.
    pub fn rehearsed(&mut self, cost: Duration) {
        self.recent = Stage::default();
        self.recent.record(cost);
    }

    /// What was known about costs is of no use any more.
    pub fn begin_level(&mut self) {
        self.recent = Stage::default();
    }

    /// A frame went through as it was.
    pub fn passed(&mut self) {
        self.passed += 1;
    }

    /// A frame came too late, and passed or was dropped.
    pub fn late(&mut self, dropped: bool) {
        if dropped {
            self.dropped += 1;
        } else {
            self.late += 1;
            self.passed += 1;
        }
    }

    /// Frames that went on, restored or not, and frames that did not.
    pub fn outcome(&self) -> (u64, u64) {
        (self.frames + self.passed, self.dropped)
    }

    /// What a frame takes, as a rule.
    pub fn usual_cost(&self) -> Duration {
        self.recent.percentiles([0.5])[0]
    }

    /// The cost that nearly every one of the last frames stayed under.
    pub fn cost(&self) -> Duration {
        self.recent.percentiles([0.95])[0]
    }

    pub fn to_structure(&self) -> gst::Structure {
        let mut structure = gst::Structure::builder("blurdm-stats")
            .field("frames", self.frames)
            .field("passed", self.passed)
            .field("late", self.late)
            .field("dropped", self.dropped)
            .field("reduced", self.reduced)
            .field("working-scale", 1.0 / self.reduction.max(1) as f64)
            .field("prior-age", self.prior_age);
        for (name, stage) in [
            ("prior", &self.prior),
            ("backbone", &self.backbone),
            ("total", &self.total),
        ] {
            let shares = [0.50, 0.95, 0.99];
            for (share, value) in ["p50", "p95", "p99"].iter().zip(stage.percentiles(shares)) {
                structure = structure.field(format!("{name}-ms-{share}"), value.as_secs_f64() * 1e3);
            }
        }
        structure.build()
    }
}
