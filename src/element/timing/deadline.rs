// SPDX-License-Identifier: MPL-2.0

//! Whether a frame still comes in time if it is restored.

use std::time::Duration;

/// A frame may be this late without anybody seeing it: the default `max-lateness` of GStreamer's video sinks.
const MAX_LATENESS: gst::ClockTime = gst::ClockTime::from_mseconds(5);

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Restore,
    /// The frame goes on unchanged, as the same buffer.
    PassThrough,
    Drop,
}

/// What downstream has said about time: the pipeline's latency in LATENCY events, and the sink's lateness in QOS events.
#[derive(Debug, Default)]
pub struct Deadline {
    pipeline_latency: Option<gst::ClockTime>,
    /// Frames before this running time are late at the sink.
    earliest: Option<gst::ClockTime>,
    proportion: f64,
    last_frame_was_late: bool,
}

/// The times of a frame that has arrived.
#[derive(Debug, Clone, Copy)]
pub struct FrameTimes {
    /// The running time of the frame.
    pub running_time: gst::ClockTime,
    /// The running time of the clock; `None` if the source is not live.
    pub now: Option<gst::ClockTime>,
    /// The time until the frame would be out if it is restored.
    pub cost: Duration,
}

impl Deadline {
    /// Takes a QOS event: the frame of running time `timestamp` was late by `jitter` at the sink, or early where it is negative.
    ///
    /// A late sink gets twice its lateness to catch up, as in `gst_base_transform_update_qos`.
    pub fn qos(&mut self, proportion: f64, jitter: gst::ClockTimeDiff, timestamp: gst::ClockTime) {
        self.proportion = proportion;
        self.last_frame_was_late = jitter > 0;
        let distance = gst::ClockTime::from_nseconds(jitter.unsigned_abs());
        self.earliest = match jitter {
            0.. => Some(timestamp.saturating_add(distance.saturating_add(distance))),
            _ => Some(timestamp.saturating_sub(distance)),
        };
    }

    /// Takes a LATENCY event, which distributes the latency of the whole pipeline.
    pub fn set_pipeline_latency(&mut self, latency: gst::ClockTime) {
        self.pipeline_latency = Some(latency);
    }

    /// Forgets the QOS events, since running time starts again after a flush.
    pub fn flush(&mut self) {
        self.earliest = None;
        self.proportion = 1.0;
        self.last_frame_was_late = false;
    }

    /// Returns whether a sink synchronises to the clock and reports how that goes.
    pub fn sink_reports(&self) -> bool {
        self.earliest.is_some()
    }

    /// Returns the proportion of the last QOS event if that event was about a late frame: above 1, how much too slow everything
    /// before the sink is.
    pub fn proportion_if_late(&self) -> Option<f64> {
        self.last_frame_was_late.then_some(self.proportion)
    }

    /// Returns the proportion of the last QOS event.
    pub fn proportion(&self) -> f64 {
        self.proportion
    }

    /// Returns by how much a frame would be late if it were restored now; `None` if it would be in time.
    pub fn lateness(&self, frame: FrameTimes) -> Option<gst::ClockTime> {
        let by_sink = self
            .earliest
            .and_then(|earliest| earliest.checked_sub(frame.running_time));
        // Where the source is not live, frames do not arrive by the clock.
        let by_clock = match (frame.now, self.pipeline_latency) {
            (Some(now), Some(latency)) => {
                let cost = gst::ClockTime::try_from(frame.cost).unwrap_or(gst::ClockTime::ZERO);
                let shown = frame.running_time.saturating_add(latency).saturating_add(MAX_LATENESS);
                now.saturating_add(cost).checked_sub(shown)
            }
            _ => None,
        };
        by_sink.max(by_clock).filter(|lateness| !lateness.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: gst::ClockTime = gst::ClockTime::MSECOND;

    fn frame(running_time: gst::ClockTime, now: Option<gst::ClockTime>) -> FrameTimes {
        FrameTimes {
            running_time,
            now,
            cost: Duration::from_millis(10),
        }
    }

    #[test]
    fn a_live_frame_is_late_when_latency_and_tolerance_do_not_cover_its_cost() {
        let mut deadline = Deadline::default();
        let at = |ms| frame(MS * 1000, Some(MS * ms));
        assert_eq!(deadline.lateness(at(5000)), None, "no latency is known");
        deadline.set_pipeline_latency(MS * 100);
        assert_eq!(deadline.lateness(at(1095)), None);
        assert_eq!(deadline.lateness(at(1096)), Some(MS));
        assert_eq!(
            deadline.lateness(frame(MS * 1000, None)),
            None,
            "the source is not live"
        );
    }

    #[test]
    fn what_the_sink_reports_makes_frames_late_until_it_has_caught_up() {
        let mut deadline = Deadline::default();
        deadline.qos(1.5, 60_000_000, MS * 40);
        assert_eq!(
            (deadline.sink_reports(), deadline.proportion_if_late()),
            (true, Some(1.5))
        );
        assert_eq!(deadline.lateness(frame(MS * 120, None)), Some(MS * 40));
        assert_eq!(deadline.lateness(frame(MS * 160, None)), None);
        deadline.qos(0.5, -10_000_000, MS * 200);
        assert_eq!((deadline.proportion(), deadline.proportion_if_late()), (0.5, None));
        assert_eq!(deadline.lateness(frame(MS * 200, None)), None);
        deadline.flush();
        assert!(!deadline.sink_reports());
    }
}
