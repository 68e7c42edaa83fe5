// SPDX-License-Identifier: MPL-2.0

//! How much of the work a frame gets where there is not enough time for all of it.

use std::time::Duration;

use crate::{
    engine::{FrameSize, Sampling},
    frame::reduced_side,
};

/// How much of the work a frame gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The divisor of a frame's sides at the working scale, as in [`crate::engine::Options::reduction`].
    pub reduction: usize,
    /// The least number of frames that share one prior.
    prior_interval: u32,
    /// The expected cost relative to the first level.
    cost: f64,
}

/// Reductions, and the cost of a frame relative to one that is not reduced. Without knowledge of the model and the machine this is the
/// share of the pixels, and a little for the work that remains in full size.
const COSTS: [(usize, f64); 4] = [(1, 1.0), (2, 0.27), (3, 0.14), (4, 0.09)];

/// Frames that share one prior at every level but the first.
const SHARED_PRIOR: u32 = 4;

/// The cost relative to the first level if only the prior is shared.
const COST_WITH_SHARED_PRIOR: f64 = 0.95;

/// The least shorter side of a reduced frame, in pixels. Smaller ones show too little to find the blur: at 213x120, long exposures lost
/// 0.9 dB on average and up to 10 dB; at 320x180 they gained 0.7 to 0.8 dB (BENCHMARKS.md).
const LEAST_SIDE: usize = 180;

/// The share of the interval that restoring may take. The rest is for the other elements.
const HEADROOM: f64 = 0.9;

/// A dearer level is tried when it is expected to take no more than this share of the interval.
const ROOM_TO_RISE: f64 = 0.7;

/// Frames at a level before its cost counts as known.
const SETTLING_FRAMES: u32 = 8;

/// By how many the frames that cost too much must outnumber the others before the level falls.
const OVERLOADED_FRAMES: u32 = 5;

/// Cheap frames before a dearer level is tried, at first and at most. The number doubles with each attempt that failed.
const PATIENCE: u32 = 60;
const MOST_PATIENCE: u32 = 3840;

impl Level {
    /// The level at which a frame gets everything that the properties ask for.
    const fn whole(reduction: usize) -> Self {
        Self::new(reduction, 1, 1.0)
    }

    /// Returns all levels for frames whose shorter side is `side`, the cheapest last.
    fn all(reduction: usize, side: usize) -> Vec<Self> {
        let whole_cost = COSTS
            .iter()
            .find(|(known, _)| *known == reduction)
            .map_or(1.0, |(_, cost)| *cost);
        let smaller_scales = COSTS
            .iter()
            .filter(|(further, _)| *further > reduction && reduced_side(side, *further) >= LEAST_SIDE)
            .map(|&(further, cost)| Self::new(further, SHARED_PRIOR, cost / whole_cost));
        [
            Self::whole(reduction),
            Self::new(reduction, SHARED_PRIOR, COST_WITH_SHARED_PRIOR),
        ]
        .into_iter()
        .chain(smaller_scales)
        .collect()
    }

    const fn new(reduction: usize, prior_interval: u32, cost: f64) -> Self {
        Self {
            reduction,
            prior_interval,
            cost,
        }
    }

    /// Returns the sampling of this level where the properties ask for `requested`.
    pub fn sampling(&self, mut requested: Sampling) -> Sampling {
        requested.temporal.interval = requested.temporal.interval.max(self.prior_interval);
        if self.prior_interval > 1 {
            requested.steps = 1;
        }
        requested
    }
}

/// What is known about time when a frame arrives.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The median cost at the present level.
    pub cost: Duration,
    /// The time from one frame to the next; `None` if nothing states it.
    pub interval: Option<Duration>,
    /// How much too slow everything before the sink is, if frames are late there: the proportion of QOS events.
    pub proportion: Option<f64>,
}

impl Load {
    /// Returns the load as one number, which is above 1 when frames cost more than they may.
    fn share(self) -> f64 {
        let own = self.interval.map_or(0.0, |interval| {
            self.cost.as_secs_f64() / (HEADROOM * interval.as_secs_f64())
        });
        own.max(self.proportion.unwrap_or(0.0))
    }
}

/// Chooses the level from the load.
#[derive(Debug)]
pub struct Adaptive {
    /// The levels that are available, each cheaper than the one before it.
    levels: Vec<Level>,
    level: usize,
    /// Frames at this level.
    settled: u32,
    /// By how many the frames that cost too much outnumber the others.
    overloaded: u32,
    /// Consecutive frames that leave room for a dearer level.
    cheap: u32,
    patience: u32,
    /// The last change was to this dearer level, which has not proved itself yet.
    on_trial: bool,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new(vec![Level::whole(1)])
    }
}

impl Adaptive {
    /// Starts at the first level, for frames of `size` that the properties reduce by `reduction`. Without a prior there
    /// is no level at which only the prior costs less.
    pub fn for_frames(size: FrameSize, reduction: usize, has_prior: bool) -> Self {
        let mut levels = Level::all(reduction, size.width.min(size.height));
        levels.retain(|level| has_prior || level.reduction > reduction || *level == Level::whole(reduction));
        Self::new(levels)
    }

    fn new(levels: Vec<Level>) -> Self {
        Self {
            levels,
            level: 0,
            settled: 0,
            overloaded: 0,
            cheap: 0,
            patience: PATIENCE,
            on_trial: false,
        }
    }

    /// Returns the present level.
    pub fn level(&self) -> Level {
        self.levels[self.level]
    }

    /// Returns the level at which a frame gets everything that the properties ask for.
    pub fn whole_level(&self) -> Level {
        self.levels[0]
    }

    /// Returns whether the present level is the first.
    pub fn is_whole(&self) -> bool {
        self.level == 0
    }

    /// Returns the reduction of a level that [`Adaptive::observe`] or [`Adaptive::cheaper_level`] has just returned.
    pub fn reduction(&self, level: usize) -> usize {
        self.levels[level].reduction
    }

    /// Takes the load when a frame arrives. Returns the level to change to, if there is a better one.
    pub fn observe(&mut self, load: Load) -> Option<usize> {
        self.settled = self.settled.saturating_add(1);
        if self.settled < SETTLING_FRAMES {
            return None;
        }
        if load.share() > 1.0 {
            self.cheap = 0;
            self.overloaded += 1;
            return self
                .cheaper_level(load)
                .filter(|_| self.overloaded >= OVERLOADED_FRAMES);
        }
        self.overloaded = self.overloaded.saturating_sub(1);
        let dearer = self.level.checked_sub(1)?;
        let rise = self.levels[dearer].cost / self.level().cost;
        self.cheap = if load.share() * rise * HEADROOM < ROOM_TO_RISE {
            self.cheap + 1
        } else {
            0
        };
        if self.cheap >= self.patience && self.on_trial {
            self.on_trial = false;
            self.patience = PATIENCE;
        }
        (self.cheap >= self.patience).then_some(dearer)
    }

    /// Returns the dearest level that is expected to suffice, or the last one; `None` if this level suffices or is the last one.
    pub fn cheaper_level(&self, load: Load) -> Option<usize> {
        let last = self.levels.len() - 1;
        if load.share() <= 1.0 || self.level >= last {
            return None;
        }
        let suffices = |level: &usize| self.levels[*level].cost / self.level().cost * load.share() <= 1.0;
        Some((self.level + 1..=last).find(suffices).unwrap_or(last))
    }

    /// Changes to a level.
    pub fn set(&mut self, level: usize) {
        let rises = level < self.level;
        if !rises && self.on_trial {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        *self = Self {
            level,
            on_trial: rises,
            patience: self.patience,
            ..Self::new(std::mem::take(&mut self.levels))
        };
    }

    /// Removes a level that is not available, and all cheaper ones. The present level stays.
    pub fn rule_out(&mut self, level: usize) {
        self.levels.truncate(level.max(self.level + 1));
        self.overloaded = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn adaptive() -> Adaptive {
        Adaptive::for_frames(
            FrameSize {
                width: 1280,
                height: 720,
            },
            1,
            true,
        )
    }

    /// Runs on a machine on which a frame costs `demand` intervals at the first level. Returns the changes of level.
    fn run(adaptive: &mut Adaptive, demand: f64, frames: u32) -> Vec<usize> {
        let mut levels = Vec::new();
        for _ in 0..frames {
            let load = Load {
                cost: INTERVAL.mul_f64(demand * adaptive.level().cost),
                interval: Some(INTERVAL),
                proportion: None,
            };
            if let Some(level) = adaptive.observe(load) {
                adaptive.set(level);
                levels.push(level);
            }
        }
        levels
    }

    #[test]
    fn a_fast_machine_does_all_the_work() {
        assert!(run(&mut adaptive(), 0.85, 10_000).is_empty());
    }

    #[test]
    fn a_slow_machine_falls_to_the_level_that_it_can_carry_and_stays_there() {
        for (demand, level) in [(0.92, 1), (2.0, 2), (4.0, 3), (8.0, 4), (100.0, 4)] {
            let mut adaptive = adaptive();
            assert_eq!(
                run(&mut adaptive, demand, SETTLING_FRAMES + OVERLOADED_FRAMES),
                [level],
                "{demand}"
            );
            assert!(run(&mut adaptive, demand, 10_000).is_empty(), "{demand}");
        }
    }

    #[test]
    fn when_the_load_falls_the_level_rises_step_by_step() {
        let mut adaptive = adaptive();
        run(&mut adaptive, 8.0, 100);
        assert_eq!(run(&mut adaptive, 0.5, 1000), [3, 2, 1, 0]);
    }

    #[test]
    fn a_rise_that_failed_is_tried_again_later_and_later() {
        let mut adaptive = adaptive();
        adaptive.set(2);
        // Level 2 costs less than expected, level 1 more.
        let mut tries = Vec::new();
        for frame in 0..20_000 {
            let cost = if adaptive.level().reduction == 1 { 1.2 } else { 0.1 };
            let load = Load {
                cost: INTERVAL.mul_f64(cost),
                interval: Some(INTERVAL),
                proportion: None,
            };
            if let Some(level) = adaptive.observe(load) {
                if level < 2 {
                    tries.push(frame);
                }
                adaptive.set(level);
            }
        }
        assert!((3..12).contains(&tries.len()), "{tries:?}");
        assert!(tries.windows(3).all(|t| t[2] - t[1] >= t[1] - t[0]), "{tries:?}");
    }

    #[test]
    fn frames_that_the_properties_reduce_are_never_restored_at_a_larger_scale() {
        let size = FrameSize {
            width: 1920,
            height: 1080,
        };
        let mut adaptive = Adaptive::for_frames(size, 2, true);
        assert_eq!(adaptive.level(), Level::whole(2));
        assert!(run(&mut adaptive, 0.1, 1000).is_empty());
        run(&mut adaptive, 100.0, 100);
        assert_eq!(adaptive.level().reduction, 4);
        run(&mut adaptive, 0.1, 10_000);
        assert_eq!(adaptive.level(), Level::whole(2));
    }

    #[test]
    fn without_a_prior_the_first_cheaper_level_is_a_smaller_scale() {
        let size = FrameSize {
            width: 1280,
            height: 720,
        };
        let mut adaptive = Adaptive::for_frames(size, 1, false);
        assert_eq!(adaptive.level(), Level::whole(1));
        run(&mut adaptive, 1.2, 100);
        assert_eq!(adaptive.level().reduction, 2);
    }

    #[test]
    fn one_slow_frame_among_many_changes_nothing() {
        let mut adaptive = adaptive();
        for frame in 0..10_000 {
            let cost = if frame % 10 == 0 { 3.0 } else { 0.8 };
            let load = Load {
                cost: INTERVAL.mul_f64(cost),
                interval: Some(INTERVAL),
                proportion: None,
            };
            assert_eq!(adaptive.observe(load), None);
        }
    }

    #[test]
    fn a_sink_that_reports_overload_lowers_the_level_whatever_a_frame_costs() {
        let mut adaptive = adaptive();
        let load = Load {
            cost: INTERVAL / 2,
            interval: None,
            proportion: Some(3.0),
        };
        let level = (0..100).find_map(|_| adaptive.observe(load));
        assert_eq!(level, Some(2));
    }

    #[test]
    fn a_level_that_was_ruled_out_is_not_chosen_again() {
        let mut adaptive = adaptive();
        adaptive.rule_out(2);
        assert_eq!(run(&mut adaptive, 8.0, 1000), [1]);
    }
}
