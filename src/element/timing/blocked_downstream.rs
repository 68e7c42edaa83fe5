// SPDX-License-Identifier: MPL-2.0

//! Whether the thread that brings the frames is also the one that waits for their time to be shown.
//!
//! Without a queue behind the element a sink that goes by the clock keeps each frame, and with it the thread, until the frame is due. What
//! is left for the next frame is the time from one to the next, whatever the latency of the pipeline. Where restoring takes longer than
//! that, every frame but the first comes too late to be restored, and since those that pass as they came wait too, nothing is ever
//! caught up. The element can do nothing about it that would be better: a frame that it restored all the same would be late at the sink.
//! It can tell.

use std::time::{Duration, Instant};

use gst::subclass::prelude::*;

use super::imp::{BlurDm, lock};

/// Late frames in a row after which it is no accident.
const FRAMES: u32 = 16;

/// The share of the time from frame to frame that the thread spends downstream, above which nothing else makes frames late.
const SHARE: f64 = 0.5;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// When the last frame came.
    came: Option<Instant>,
    /// When the frame that is downstream now was handed over.
    handed_over: Option<Instant>,
    /// How long the last one was there.
    held: Duration,
    /// Late frames in a row that came after such a wait.
    late: u32,
    told: bool,
}

impl Waiting {
    /// A frame goes downstream.
    pub fn hand_over(&mut self, now: Instant) {
        self.handed_over = Some(now);
    }

    /// The thread is back from there.
    pub fn come_back(&mut self, now: Instant) {
        if let Some(since) = self.handed_over.take() {
            self.held = now - since;
        }
    }

    /// A frame comes, too late to be restored or not. True when it is to be told that waiting is to blame: once.
    pub fn frame(&mut self, now: Instant, late: bool) -> bool {
        let since = self.came.replace(now).map(|before| now - before);
        let waited = since.is_some_and(|since| self.held > since.mul_f64(SHARE));
        self.late = if late && waited { self.late + 1 } else { 0 };
        let tell = self.late >= FRAMES && !self.told;
        self.told |= tell;
        tell
    }
}

impl BlurDm {
    /// Takes note of a frame, and tells what to do if its thread is held up at the sink.
    pub(super) fn watch_waiting(&self, late: bool) {
        if lock(&self.waiting).frame(Instant::now(), late) {
            gst::element_imp_warning!(
                self,
                gst::CoreError::Clock,
                ("every frame comes too late to be restored, since the thread that brings them waits downstream until the last one is shown; put 'queue max-size-bytes=0' behind blurdm, so that another thread waits")
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is told, for so many frames that come 10 ms apart.
    fn told(frames: u32, held: Duration, late: impl Fn(u32) -> bool) -> usize {
        let mut waiting = Waiting::default();
        let mut now = Instant::now();
        let mut frame = |number| {
            let tell = waiting.frame(now, late(number));
            waiting.hand_over(now);
            waiting.come_back(now + held);
            now += Duration::from_millis(10);
            tell
        };
        (0..frames).filter(|&number| frame(number)).count()
    }

    #[test]
    fn late_frames_after_a_wait_are_told_of_once() {
        let wait = Duration::from_millis(9);
        assert_eq!(told(FRAMES, wait, |_| true), 0, "there was no wait before the first");
        assert_eq!(told(10 * FRAMES, wait, |_| true), 1);
    }

    #[test]
    fn frames_that_are_late_for_another_reason_or_in_time_are_not() {
        assert_eq!(told(10 * FRAMES, Duration::from_millis(2), |_| true), 0);
        assert_eq!(told(10 * FRAMES, Duration::from_millis(9), |_| false), 0);
        assert_eq!(told(10 * FRAMES, Duration::from_millis(9), |n| n % FRAMES != 0), 0);
    }
}
