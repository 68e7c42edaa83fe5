// SPDX-License-Identifier: MPL-2.0

//! How much of the work a frame gets when there is not enough time for all of it.

use std::time::Duration;

use crate::{
    engine::{FrameSize, Sampling},
    frame::reduced_side,
};

/// A way to restore frames that costs less than the one before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    /// See [`crate::engine::Options::reduction`].
    pub reduction: usize,
    /// The least number of frames that one prior serves.
    interval: u32,
    /// What a frame costs, relative to the first level.
    cost: f64,
}

/// What frames of a reduction cost, relative to whole ones, as far as can be said of any model and machine: the share of pixels, and a bit
/// for what is done in full size.
const COSTS: [(usize, f64); 4] = [(1, 1.0), (2, 0.27), (3, 0.14), (4, 0.09)];

/// Frames that one prior serves where not every frame has its own.
const SHARED: u32 = 4;

/// What is left of the cost then.
const OF_SHARED: f64 = 0.95;

impl Level {
    /// All that is asked for: frames reduced by `reduction`.
    const fn asked(reduction: usize) -> Self {
        Self::new(reduction, 1, 1.0)
    }

    /// What is asked for, and what costs less, for frames whose shorter side is `side`.
    fn all(reduction: usize, side: usize) -> Vec<Self> {
        let whole = COSTS
            .iter()
            .find(|(known, _)| *known == reduction)
            .map_or(1.0, |(_, cost)| *cost);
        let smaller = COSTS
            .iter()
            .filter(|(further, _)| *further > reduction && reduced_side(side, *further) >= LEAST_SIDE)
            .map(|&(further, cost)| Self::new(further, SHARED, cost / whole));
        [Self::asked(reduction), Self::new(reduction, SHARED, OF_SHARED)]
            .into_iter()
            .chain(smaller)
            .collect()
    }

    const fn new(reduction: usize, interval: u32, cost: f64) -> Self {
        Self {
            reduction,
            interval,
            cost,
        }
    }

    /// What is asked for, less what this level saves.
    pub fn sampling(&self, mut asked: Sampling) -> Sampling {
        asked.temporal.interval = asked.temporal.interval.max(self.interval);
        if self.interval > 1 {
            asked.steps = 1;
        }
        asked
    }
}

/// Of a reduced frame, the shorter side in pixels: in smaller ones there is too little to find the blur by. At 213x120 exposures lost 0.9 dB on
/// average and up to 10 dB, at 320x180 they gained 0.7 to 0.8 dB (BENCHMARKS.md).
const LEAST_SIDE: usize = 180;

/// The part of the time between frames that restoring may take: the rest is for whatever else there is to do.
const HEADROOM: f64 = 0.9;

/// A dearer level must be expected to take no more than this part of the time between frames before it is tried.
const ROOM_TO_RISE: f64 = 0.7;

/// Frames at a level before its cost is known.
const SETTLING: u32 = 8;

/// By how many the frames that cost too much must outnumber the others.
const TOO_MANY: u32 = 5;

/// Frames that must have cost little before a dearer level is tried, at first and at most. It doubles each time that was in vain.
const PATIENCE: u32 = 60;
const MOST_PATIENCE: u32 = 3840;

/// What is known after a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// What a frame takes, as a rule, at this level.
    pub cost: Duration,
    /// From one frame to the next; none if nobody says.
    pub interval: Option<Duration>,
    /// By how much everything before the sink is too slow, in total, if frames come late there.
    pub proportion: Option<f64>,
}

impl Load {
    /// Above 1 when frames take longer than they may.
    fn share(self) -> f64 {
        let own = self.interval.map_or(0.0, |interval| {
            self.cost.as_secs_f64() / (HEADROOM * interval.as_secs_f64())
        });
        own.max(self.proportion.unwrap_or(0.0))
    }
}

/// Chooses the level by the load.
#[derive(Debug)]
pub(super) struct Adaptive {
    /// Those that can be had, each cheaper than the one before.
    levels: Vec<Level>,
    level: usize,
    /// Frames at this level.
    settled: u32,
    too_much: u32,
    little: u32,
    patience: u32,
    /// This level was tried for want of load, and has not proved itself yet.
    rose: bool,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new(vec![Level::asked(1)])
    }
}

impl Adaptive {
    /// For frames of this size, which are to be reduced by `reduction` at least.
    pub fn for_frames(size: FrameSize, reduction: usize) -> Self {
        Self::new(Level::all(reduction, size.width.min(size.height)))
    }

    fn new(levels: Vec<Level>) -> Self {
        Self {
            levels,
            level: 0,
            settled: 0,
            too_much: 0,
            little: 0,
            patience: PATIENCE,
            rose: false,
        }
    }

    pub fn level(&self) -> Level {
        self.levels[self.level]
    }

    /// The level at which a frame gets all that is asked for.
    pub fn whole(&self) -> Level {
        self.levels[0]
    }

    /// Whether a frame gets all that is asked for.
    pub fn is_whole(&self) -> bool {
        self.level == 0
    }

    /// By how much frames are reduced at a level that was just wanted.
    pub fn reduction(&self, level: usize) -> usize {
        self.levels[level].reduction
    }

    /// Takes note of a frame, and tells the level that would suit better, if there is one.
    pub fn observe(&mut self, load: Load) -> Option<usize> {
        self.settled = self.settled.saturating_add(1);
        if self.settled < SETTLING {
            return None;
        }
        if load.share() > 1.0 {
            self.little = 0;
            self.too_much += 1;
            return self.too_dear(load).filter(|_| self.too_much >= TOO_MANY);
        }
        self.too_much = self.too_much.saturating_sub(1);
        let dearer = self.level.checked_sub(1)?;
        let rise = self.levels[dearer].cost / self.level().cost;
        self.little = if load.share() * rise * HEADROOM < ROOM_TO_RISE {
            self.little + 1
        } else {
            0
        };
        if self.little >= self.patience && self.rose {
            self.rose = false;
            self.patience = PATIENCE;
        }
        (self.little >= self.patience).then_some(dearer)
    }

    /// The level to go to at once, if this one costs too much and there is a cheaper one.
    pub fn too_dear(&self, load: Load) -> Option<usize> {
        (load.share() > 1.0 && self.level + 1 < self.levels.len()).then(|| self.cheaper(load))
    }

    /// The dearest level that ought to be cheap enough.
    fn cheaper(&self, load: Load) -> usize {
        let fits = |level: &usize| self.levels[*level].cost / self.level().cost * load.share() <= 1.0;
        let last = self.levels.len() - 1;
        (self.level + 1..=last).find(fits).unwrap_or(last)
    }

    /// From now on frames are restored at this level.
    pub fn set(&mut self, level: usize) {
        let rises = level < self.level;
        if !rises && self.rose {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        *self = Self {
            level,
            rose: rises,
            patience: self.patience,
            ..Self::new(std::mem::take(&mut self.levels))
        };
    }

    /// A level that is not the present one cannot be had, nor any that is cheaper.
    pub fn rule_out(&mut self, level: usize) {
        self.levels.truncate(level.max(self.level + 1));
        self.too_much = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    /// For frames that may be reduced as far as any.
    fn adaptive() -> Adaptive {
        Adaptive::for_frames(
            FrameSize {
                width: 1280,
                height: 720,
            },
            1,
        )
    }

    /// A machine on which a frame takes this many times the interval at the first level.
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
    fn a_machine_that_is_fast_enough_does_all_the_work() {
        assert!(run(&mut adaptive(), 0.85, 10_000).is_empty());
    }

    #[test]
    fn a_machine_that_is_too_slow_does_what_it_can_and_stays_there() {
        for (demand, level) in [(0.92, 1), (2.0, 2), (4.0, 3), (8.0, 4), (100.0, 4)] {
            let mut adaptive = adaptive();
            assert_eq!(run(&mut adaptive, demand, SETTLING + TOO_MANY), [level], "{demand}");
            assert!(run(&mut adaptive, demand, 10_000).is_empty(), "{demand}");
        }
    }

    #[test]
    fn when_load_falls_all_the_work_is_done_again() {
        let mut adaptive = adaptive();
        run(&mut adaptive, 8.0, 100);
        assert_eq!(run(&mut adaptive, 0.5, 1000), [3, 2, 1, 0]);
    }

    #[test]
    fn a_rise_that_was_in_vain_is_tried_again_later_and_later() {
        let mut adaptive = adaptive();
        adaptive.set(2);
        // Less than expected at level 2, more at level 1.
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
    fn frames_that_are_to_be_reduced_anyway_are_not_restored_at_a_larger_scale_for_want_of_load() {
        let size = FrameSize {
            width: 1920,
            height: 1080,
        };
        let mut adaptive = Adaptive::for_frames(size, 2);
        assert_eq!(adaptive.level(), Level::asked(2));
        assert!(run(&mut adaptive, 0.1, 1000).is_empty());
        run(&mut adaptive, 100.0, 100);
        assert_eq!(adaptive.level().reduction, 4);
        run(&mut adaptive, 0.1, 10_000);
        assert_eq!(adaptive.level(), Level::asked(2));
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
    fn what_else_the_pipeline_does_counts_when_the_sink_says_that_it_is_too_much() {
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
    fn what_cannot_be_had_is_not_asked_for_again() {
        let mut adaptive = adaptive();
        adaptive.rule_out(2);
        assert_eq!(run(&mut adaptive, 8.0, 1000), [1]);
    }
}
