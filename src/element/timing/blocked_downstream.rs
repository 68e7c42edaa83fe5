// SPDX-License-Identifier: MPL-2.0

//! Whether frames are late because the streaming thread is blocked downstream.
//!
//! Without a queue after the element, a sink that synchronises to the clock blocks the streaming thread until the frame is shown. The
//! next frame then has only the interval for its cost, whatever the latency of the pipeline is. Where the cost exceeds the interval,
//! every frame but the first is late; since frames that pass through unchanged block as well, the stream never catches up. The element
//! cannot do better than that: a frame that it restored nevertheless would be late at the sink. It can warn.

use std::time::{Duration, Instant};

/// Consecutive late frames after which the element warns.
const LATE_FRAMES: u32 = 16;

/// The share of the interval that the thread spends downstream above which nothing else makes frames late.
const BLOCKED_SHARE: f64 = 0.5;

#[derive(Debug, Default)]
pub struct BlockedDownstream {
    last_frame: Option<Instant>,
    /// When the push began that has not returned yet.
    pushed: Option<Instant>,
    /// The duration of the last push.
    blocked: Duration,
    /// Consecutive late frames that followed a push which blocked.
    late_frames: u32,
    warned: bool,
}

impl BlockedDownstream {
    /// Takes note that a frame is pushed downstream.
    pub fn push_begins(&mut self, now: Instant) {
        self.pushed = Some(now);
    }

    /// Takes note that the push, if there was one, has returned.
    pub fn push_ends(&mut self, now: Instant) {
        if let Some(pushed) = self.pushed.take() {
            self.blocked = now - pushed;
        }
    }

    /// Takes note of a frame that arrives, and whether it is late. Returns whether to warn that the thread is blocked downstream, which
    /// is `true` once.
    pub fn frame(&mut self, now: Instant, late: bool) -> bool {
        let interval = self.last_frame.replace(now).map(|last| now - last);
        let blocked = interval.is_some_and(|interval| self.blocked > interval.mul_f64(BLOCKED_SHARE));
        self.late_frames = if late && blocked { self.late_frames + 1 } else { 0 };
        let warn = self.late_frames >= LATE_FRAMES && !self.warned;
        self.warned |= warn;
        warn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the element warns while this many frames arrive 10 ms apart.
    fn warnings(frames: u32, blocked: Duration, late: impl Fn(u32) -> bool) -> usize {
        let mut downstream = BlockedDownstream::default();
        let mut now = Instant::now();
        let mut frame = |number| {
            let warn = downstream.frame(now, late(number));
            downstream.push_begins(now);
            downstream.push_ends(now + blocked);
            now += Duration::from_millis(10);
            warn
        };
        (0..frames).filter(|&number| frame(number)).count()
    }

    #[test]
    fn late_frames_after_pushes_that_block_are_warned_of_once() {
        let blocked = Duration::from_millis(9);
        assert_eq!(
            warnings(LATE_FRAMES, blocked, |_| true),
            0,
            "no push was before the first frame"
        );
        assert_eq!(warnings(10 * LATE_FRAMES, blocked, |_| true), 1);
    }

    #[test]
    fn frames_that_are_in_time_or_late_for_another_reason_are_not_warned_of() {
        let (short, long) = (Duration::from_millis(2), Duration::from_millis(9));
        assert_eq!(warnings(10 * LATE_FRAMES, short, |_| true), 0);
        assert_eq!(warnings(10 * LATE_FRAMES, long, |_| false), 0);
        assert_eq!(warnings(10 * LATE_FRAMES, long, |n| n % LATE_FRAMES != 0), 0);
    }
}
