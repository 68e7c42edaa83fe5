// SPDX-License-Identifier: MPL-2.0

//! The latency that the element answers: measured, and changed only when it is clearly wrong.

use std::time::Duration;

/// A new cost replaces the answer when it is off by more than this share; smaller changes would only make pipelines
/// redistribute latency for nothing.
const TOLERANCE: f64 = 0.2;
const SLACK: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct Latency {
    reported: Duration,
    /// What a restored frame waits for the next one.
    held: Duration,
}

impl Latency {
    pub fn reported(&self) -> Duration {
        self.reported + self.held
    }

    /// What a restored frame waits for the next one.
    pub fn held(&self) -> Duration {
        self.held
    }

    /// True when the answer has changed and a Latency message is due.
    pub fn hold(&mut self, time: Duration) -> bool {
        std::mem::replace(&mut self.held, time) != time
    }

    /// Takes a measured cost; true when the answer has changed and a Latency message is due.
    pub fn update(&mut self, cost: Duration) -> bool {
        let allowed = self.reported.mul_f64(TOLERANCE).max(SLACK);
        let changed = cost.abs_diff(self.reported) > allowed;
        if changed {
            self.reported = cost;
        }
        changed
    }
}
