// SPDX-License-Identifier: MPL-2.0

//! The latency that the element reports.

use std::time::Duration;

/// A new cost replaces the reported one when it differs by more than this share. For less it is not worth that the pipeline
/// distributes its latency again.
const TOLERANCE: f64 = 0.2;

/// Costs that differ by less than this are the same.
const LEAST_CHANGE: Duration = Duration::from_millis(1);

/// What the element adds to the latency of upstream.
#[derive(Debug, Default)]
pub struct Latency {
    cost: Duration,
    wait: Duration,
}

impl Latency {
    /// Returns the answer to a LATENCY query: the cost of a frame, and its wait for the next one.
    pub fn total(&self) -> Duration {
        self.cost + self.wait
    }

    /// Returns how long a frame in flight waits for the next frame, which pushes it out.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Sets how long a frame in flight waits for the next frame. Returns whether [`Latency::total`] has changed.
    pub fn set_wait(&mut self, wait: Duration) -> bool {
        std::mem::replace(&mut self.wait, wait) != wait
    }

    /// Takes a measured cost. Returns whether [`Latency::total`] has changed.
    pub fn set_cost(&mut self, cost: Duration) -> bool {
        let tolerated = self.cost.mul_f64(TOLERANCE).max(LEAST_CHANGE);
        let changed = cost.abs_diff(self.cost) > tolerated;
        if changed {
            self.cost = cost;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cost_that_differs_clearly_changes_the_latency() {
        let mut latency = Latency::default();
        let ms = Duration::from_millis;
        assert!(!latency.set_cost(ms(1)), "not more than a millisecond");
        assert!(latency.set_cost(ms(100)));
        for cost in [ms(81), ms(120)] {
            assert!(!latency.set_cost(cost), "{cost:?}");
            assert_eq!(latency.total(), ms(100));
        }
        assert!(latency.set_cost(ms(79)));
        assert_eq!(latency.total(), ms(79));
    }

    #[test]
    fn the_wait_of_a_frame_in_flight_is_part_of_the_latency() {
        let mut latency = Latency::default();
        let ms = Duration::from_millis;
        assert!(latency.set_wait(ms(40)));
        assert!(!latency.set_wait(ms(40)));
        latency.set_cost(ms(10));
        assert_eq!((latency.wait(), latency.total()), (ms(40), ms(50)));
    }
}
