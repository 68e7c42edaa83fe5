// SPDX-License-Identifier: MPL-2.0

//! Whether a frame is worth restoring still, by the element's clock and its neighbours.

use std::time::Duration;

use gst::{prelude::*, subclass::prelude::*};
use gst_base::prelude::*;

use super::{
    deadline::{Arrival, Fate},
    imp::{BlurDm, CAT, lock},
};

/// Of a frame that was passed on as it came, in parts of a million, as QOS messages have it: it is seen, though blurred.
pub(super) const UNRESTORED_QUALITY: i32 = 500_000;

impl BlurDm {
    /// What becomes of a frame that is to be restored, if it is not too late for that.
    pub(super) fn fate(&self, inbuf: &gst::BufferRef) -> Fate {
        let obj = self.obj();
        let segment = obj.segment();
        let Some(segment) = segment.downcast_ref::<gst::ClockTime>() else {
            return Fate::Restored;
        };
        let Some(due) = inbuf.pts().and_then(|pts| segment.to_running_time(pts)) else {
            return Fate::Restored;
        };
        let live = self.is_live();
        let arrival = Arrival {
            due,
            // Where the source is not live the clock is not asked, and neither is what it would be compared with.
            now: live.then(|| obj.current_running_time()).flatten(),
            cost: if live {
                lock(&self.stats).usual_cost() + lock(&self.latency).held()
            } else {
                Duration::ZERO
            },
        };
        let (lateness, proportion) = {
            let deadline = lock(&self.deadline);
            (deadline.lateness(arrival), deadline.proportion())
        };
        self.watch_waiting(lateness.is_some());
        let Some(lateness) = lateness else {
            return Fate::Restored;
        };
        let fate = lock(&self.settings).deadline.fate(live);
        if fate == Fate::Restored {
            return fate;
        }
        lock(&self.stats).late(fate == Fate::Dropped);
        gst::debug!(CAT, imp = self, "a frame of {due} is {lateness} too late: {fate:?}");
        let quality = if fate == Fate::Dropped { 0 } else { UNRESTORED_QUALITY };
        let jitter = i64::try_from(lateness.nseconds()).unwrap_or(i64::MAX);
        self.post_qos(inbuf, (jitter, proportion, quality));
        fate
    }

    /// Upstream is asked once.
    pub(super) fn is_live(&self) -> bool {
        if let Some(live) = *lock(&self.live) {
            return live;
        }
        let live = self.upstream_is_live();
        *lock(&self.live) = Some(live);
        live
    }

    /// As upstream has it now, which before the first frame may not be its last word.
    pub(super) fn upstream_is_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        self.obj().sink_pad().peer_query(&mut query) && query.result().0
    }
}
