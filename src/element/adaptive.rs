// SPDX-License-Identifier: MPL-2.0

//! How much of the work a frame gets when there is not enough time for all of it.

use std::time::Duration;

use crate::{
    engine::{FrameSize, Sampling},
    frame::reduced_side,
};

/// A way to restore frames that costs less than the one before it.
#[derive(Debug, PartialEq)]
pub(super) struct Level {
    /// See [`crate::engine::Options::reduction`].
    pub reduction: usize,
    /// The least number of frames that one prior serves.
    interval: u32,
    /// What a frame costs, relative to the first level, as far as can be said of any model and machine: the share of pixels, and a bit for
    /// what is done in full size.
    cost: f64,
}

pub(super) static LEVELS: [Level; 5] = [
    Level::new(1, 1, 1.0),
    Level::new(1, 4, 0.95),
    Level::new(2, 4, 0.27),
    Level::new(3, 4, 0.14),
    Level::new(4, 4, 0.09),
];

impl Level {
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
        if *self != LEVELS[0] {
            asked.steps = 1;
        }
        asked
    }
}

/// Of a reduced frame, the shorter side in pixels: in smaller ones there is too little to find the blur by. At 213x120 exposures lost 0.3 dB on
/// average and up to 8 dB, at 320x180 they gained 0.8 to 1.1 dB (BENCHMARKS.md).
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
    level: usize,
    /// The cheapest level that can be had.
    last: usize,
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
        Self::new(LEVELS.len() - 1)
    }
}

impl Adaptive {
    /// For frames of this size.
    pub fn for_frames(size: FrameSize) -> Self {
        let side = size.width.min(size.height);
        let possible = |level: &Level| level.reduction == 1 || reduced_side(side, level.reduction) >= LEAST_SIDE;
        Self::new(LEVELS.iter().rposition(possible).unwrap_or(0))
    }

    fn new(last: usize) -> Self {
        Self {
            level: 0,
            last,
            settled: 0,
            too_much: 0,
            little: 0,
            patience: PATIENCE,
            rose: false,
        }
    }

    pub fn level(&self) -> &'static Level {
        &LEVELS[self.level]
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
        let rise = LEVELS[dearer].cost / LEVELS[self.level].cost;
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
        (load.share() > 1.0 && self.level < self.last).then(|| self.cheaper(load))
    }

    /// The dearest level that ought to be cheap enough.
    fn cheaper(&self, load: Load) -> usize {
        let fits = |level: &usize| LEVELS[*level].cost / LEVELS[self.level].cost * load.share() <= 1.0;
        (self.level + 1..=self.last).find(fits).unwrap_or(self.last)
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
            ..Self::new(self.last)
        };
    }

    /// A level cannot be had, nor any that is cheaper.
    pub fn rule_out(&mut self, level: usize) {
        self.last = self.last.min(level.saturating_sub(1));
        self.too_much = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

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
        assert!(run(&mut Adaptive::default(), 0.85, 10_000).is_empty());
    }

    #[test]
    fn a_machine_that_is_too_slow_does_what_it_can_and_stays_there() {
        for (demand, level) in [(0.92, 1), (2.0, 2), (4.0, 3), (8.0, 4), (100.0, 4)] {
            let mut adaptive = Adaptive::default();
            assert_eq!(run(&mut adaptive, demand, SETTLING + TOO_MANY), [level], "{demand}");
            assert!(run(&mut adaptive, demand, 10_000).is_empty(), "{demand}");
        }
    }

    #[test]
    fn when_load_falls_all_the_work_is_done_again() {
        let mut adaptive = Adaptive::default();
        run(&mut adaptive, 8.0, 100);
        assert_eq!(run(&mut adaptive, 0.5, 1000), [3, 2, 1, 0]);
    }

    #[test]
    fn a_rise_that_was_in_vain_is_tried_again_later_and_later() {
        let mut adaptive = Adaptive::default();
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
    fn one_slow_frame_among_many_changes_nothing() {
        let mut adaptive = Adaptive::default();
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
        let mut adaptive = Adaptive::default();
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
        let mut adaptive = Adaptive::default();
        adaptive.rule_out(2);
        assert_eq!(run(&mut adaptive, 8.0, 1000), [1]);
    }
}
