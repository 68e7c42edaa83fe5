// SPDX-License-Identifier: MPL-2.0

//! How long nothing has moved, counted in ticks: while the process is stopped, as by Ctrl-Z, there are none.

use std::time::Duration;

/// How many times as long a model may take to load, or to restore one frame. On a GPU its engines are built first, which takes minutes.
const MODEL_PATIENCE: u32 = 120;
/// How many times as long a file may be read while nothing comes out: a demuxer that lacks an index reads all of it first. One that reads the
/// same bytes for ever is ended by this.
const READING_PATIENCE: u32 = 20;

/// What has happened in all pipelines so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Buffers that were passed on, and completed changes of state.
    pub moved: u64,
    /// Parts of files that were read.
    pub read: u64,
    /// Whether a model is loaded, or restores a frame, now.
    pub is_model_at_work: bool,
}

#[derive(Debug, Default)]
pub struct Stillness {
    last: Counts,
    wait: Option<u64>,
    still: Duration,
    unread: Duration,
}

impl Stillness {
    /// Counts a tick. `wait` is the number of the wait in progress, if there is one.
    pub fn tick(&mut self, tick: Duration, now: Counts, wait: Option<u64>) {
        let is_still = wait.is_some() && wait == self.wait && now.moved == self.last.moved;
        self.still = if is_still { self.still + tick } else { Duration::ZERO };
        let is_unread = is_still && now.read == self.last.read;
        self.unread = if is_unread { self.unread + tick } else { Duration::ZERO };
        self.wait = wait;
        self.last = now;
    }

    /// Whether nothing has moved for longer than is allowed.
    pub fn exceeds(&self, limit: Duration) -> bool {
        let patience = match self.last.is_model_at_work {
            true => MODEL_PATIENCE,
            false if self.unread < limit => READING_PATIENCE,
            false => 1,
        };
        self.still >= limit.saturating_mul(patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMIT: Duration = Duration::from_secs(30);

    /// Returns after how many seconds a wait is ended, if that is within an hour and a half.
    fn ended(now: impl Fn(u64) -> Counts, wait: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let mut stillness = Stillness::default();
        (0..5400).find(|&second| {
            stillness.tick(SECOND, now(second), wait(second));
            stillness.exceeds(LIMIT)
        })
    }

    fn nothing(_: u64) -> Counts {
        Counts::default()
    }

    #[test]
    fn a_wait_in_which_nothing_moves_ends_after_the_limit() {
        assert_eq!(ended(nothing, |_| Some(1)), Some(30));
        // Something moves for ten seconds, and then no more.
        let moving = |second: u64| Counts {
            moved: second.min(10),
            ..Counts::default()
        };
        assert_eq!(ended(moving, |_| Some(1)), Some(40));
    }

    #[test]
    fn without_a_wait_and_with_many_short_ones_there_is_no_stall() {
        assert_eq!(ended(nothing, |_| None), None);
        assert_eq!(ended(nothing, |second| Some(second / 20)), None);
        assert_eq!(ended(nothing, |second| (second % 20 > 0).then_some(1)), None);
    }

    #[test]
    fn what_moves_now_and_then_is_no_stall() {
        let seldom = |second: u64| Counts {
            moved: second / 29,
            ..Counts::default()
        };
        assert_eq!(ended(seldom, |_| Some(1)), None);
    }

    #[test]
    fn a_model_and_reading_have_more_time_but_not_without_end() {
        let model = |_| Counts {
            is_model_at_work: true,
            ..Counts::default()
        };
        assert_eq!(ended(model, |_| Some(1)), Some(3600));
        let reading = |second| Counts {
            read: second,
            ..Counts::default()
        };
        assert_eq!(ended(reading, |_| Some(1)), Some(600));
    }
}
