// SPDX-License-Identifier: MPL-2.0

//! The rate of the last seconds.

use std::{collections::VecDeque, time::Duration};

/// Frames per second over the last seconds.
#[derive(Debug)]
pub struct Rate {
    window: Duration,
    /// Times and total counts, oldest first. The first is the last one from before the window, so that the window is covered.
    samples: VecDeque<(Duration, u64)>,
}

/// The shortest span over which a rate is computed.
const MIN_SPAN: Duration = Duration::from_millis(100);

impl Rate {
    /// Starts counting at `at`.
    pub fn new(window: Duration, at: Duration) -> Self {
        Self {
            window,
            samples: VecDeque::from([(at, 0)]),
        }
    }

    /// Records the total count. `at` must not decrease.
    pub fn record(&mut self, at: Duration, count: u64) {
        self.samples.push_back((at, count));
        while self
            .samples
            .get(1)
            .is_some_and(|(second, _)| *second + self.window <= at)
        {
            self.samples.pop_front();
        }
    }

    /// Returns the frames per second at `now`. `None` before the first frame. Decreases while no frames come.
    pub fn per_second(&self, now: Duration) -> Option<f64> {
        let since = now.saturating_sub(self.window);
        let first = self.samples.iter().rev().find(|(at, _)| *at <= since);
        let (from, before) = first.or(self.samples.front())?;
        let (_, count) = self.samples.back()?;
        let span = now.checked_sub(*from).filter(|span| *span >= MIN_SPAN)?;
        (*count > 0).then(|| (count - before) as f64 / span.as_secs_f64())
    }
}

/// Returns how long `frames` take at a rate.
pub fn time_left(frames: u64, per_second: Option<f64>) -> Option<Duration> {
    let seconds = frames as f64 / per_second.filter(|rate| *rate > 0.0)?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn there_is_no_rate_before_the_first_frame() {
        let rate = Rate::new(ms(5000), ms(0));
        assert_eq!(rate.per_second(ms(0)), None);
        assert_eq!(rate.per_second(ms(60_000)), None);
    }

    #[test]
    fn a_steady_rate_is_that_rate() {
        let mut rate = Rate::new(ms(5000), ms(1000));
        for frame in 1..=300 {
            rate.record(ms(1000 + 40 * frame), frame);
            if frame > 5 {
                let fps = rate.per_second(ms(1000 + 40 * frame)).unwrap();
                assert!((fps - 25.0).abs() < 1e-9, "{fps} after {frame} frames");
            }
        }
        assert!(rate.samples.len() < 130, "{} samples kept", rate.samples.len());
    }

    #[test]
    fn only_the_last_seconds_count() {
        let mut rate = Rate::new(ms(5000), ms(0));
        for frame in 1..=1000 {
            rate.record(ms(10 * frame), frame);
        }
        for frame in 1..=10 {
            rate.record(ms(10_000 + 500 * frame), 1000 + frame);
        }
        assert_eq!(rate.per_second(ms(15_000)), Some(2.0));
    }

    #[test]
    fn it_decreases_while_nothing_comes_and_is_zero_after_a_window() {
        let mut rate = Rate::new(ms(4000), ms(0));
        for second in 1..=8 {
            rate.record(ms(1000 * second), 10 * second);
        }
        assert_eq!(rate.per_second(ms(8000)), Some(10.0));
        assert_eq!(rate.per_second(ms(10_000)), Some(5.0));
        assert_eq!(rate.per_second(ms(12_000)), Some(0.0));
        assert_eq!(time_left(100, rate.per_second(ms(12_000))), None);
    }

    #[test]
    fn frames_slower_than_the_window_still_have_a_rate() {
        let mut rate = Rate::new(ms(5000), ms(0));
        rate.record(ms(20_000), 1);
        assert_eq!(rate.per_second(ms(20_000)), Some(0.05));
    }

    #[test]
    fn the_time_left_is_that_of_the_frames_left() {
        assert_eq!(time_left(50, Some(25.0)), Some(Duration::from_secs(2)));
        assert_eq!(time_left(50, None), None);
        assert_eq!(time_left(u64::MAX, Some(1e-300)), None);
    }
}
