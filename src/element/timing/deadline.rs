// SPDX-License-Identifier: MPL-2.0

//! Which frames come too late to be restored.

use std::time::Duration;

use super::LateFrame;

/// What the sink waits for a late frame, by default of GStreamer's video sinks: below it nobody sees that it was late.
const SLACK: gst::ClockTime = gst::ClockTime::from_mseconds(5);

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Restored,
    /// It goes on as it came.
    Passed,
    Dropped,
}

/// What is known about time downstream.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    /// Of the whole pipeline, once it was distributed.
    latency: Option<gst::ClockTime>,
    /// The sink has told that what belongs before this running time comes too late.
    earliest: Option<gst::ClockTime>,
    /// The sink's last proportion: how much too slow what comes before it is.
    proportion: f64,
    /// The last frame that the sink has told of came late there.
    late: bool,
}

/// What is known about time when a frame comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// When the frame is to be seen, and the time now if the source is live; both in running time.
    pub due: gst::ClockTime,
    pub now: Option<gst::ClockTime>,
    /// What restoring it will take.
    pub cost: Duration,
}

impl Deadline {
    /// A QOS event: a frame of `timestamp` came `jitter` late (or early, below 0) at the sink.
    ///
    /// As in GstBaseTransform, a late sink is given twice its lateness to catch up.
    pub fn reported(&mut self, proportion: f64, jitter: gst::ClockTimeDiff, timestamp: gst::ClockTime) {
        self.proportion = proportion;
        self.late = jitter > 0;
        let by = gst::ClockTime::from_nseconds(jitter.unsigned_abs());
        self.earliest = match jitter {
            0.. => Some(timestamp.saturating_add(by.saturating_add(by))),
            _ => Some(timestamp.saturating_sub(by)),
        };
    }

    /// A LATENCY event.
    pub fn distributed(&mut self, latency: gst::ClockTime) {
        self.latency = Some(latency);
    }

    /// After a flush running time begins anew.
    pub fn flushed(&mut self) {
        self.earliest = None;
        self.proportion = 1.0;
        self.late = false;
    }

    /// Whether there is a sink that shows frames by the clock and tells how that goes.
    pub fn is_told(&self) -> bool {
        self.earliest.is_some()
    }

    /// By how much everything before the sink is too slow, if frames come late there.
    pub fn behind(&self) -> Option<f64> {
        self.late.then_some(self.proportion)
    }

    pub fn proportion(&self) -> f64 {
        self.proportion
    }

    /// By how much the frame would come too late if it were restored now; none if it would not.
    pub fn lateness(&self, arrival: Arrival) -> Option<gst::ClockTime> {
        let by_sink = self.earliest.and_then(|earliest| earliest.checked_sub(arrival.due));
        // Without a live source the clock does not decide when frames come.
        let by_clock = match (arrival.now, self.latency) {
            (Some(now), Some(latency)) => {
                let cost = gst::ClockTime::try_from(arrival.cost).unwrap_or(gst::ClockTime::ZERO);
                let shown = arrival.due.saturating_add(latency).saturating_add(SLACK);
                now.saturating_add(cost).checked_sub(shown)
            }
            _ => None,
        };
        by_sink.max(by_clock).filter(|late| !late.is_zero())
    }
}

impl LateFrame {
    pub(super) fn fate(self, live: bool) -> Fate {
        match self {
            Self::Process => Fate::Restored,
            Self::Passthrough => Fate::Passed,
            Self::Drop => Fate::Dropped,
            Self::Auto if live => Fate::Passed,
            Self::Auto => Fate::Restored,
        }
    }
}
