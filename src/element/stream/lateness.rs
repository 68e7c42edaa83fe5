// SPDX-License-Identifier: MPL-2.0

//! Whether a frame is still worth restoring, by the clock and by what downstream reports.

use std::time::{Duration, Instant};

use gst::prelude::*;

use super::context::{Context, Liveness};
use crate::element::{
    messages::{CAT, Qos, late_quality, post_qos},
    timing::{
        blocked_downstream::BlockedDownstream,
        deadline::{Decision, FrameTimes},
    },
};

/// Decides what becomes of a frame, and posts it unless the frame is to be restored. A frame without a running time is never late.
pub fn decide(
    context: Context<'_>,
    liveness: &mut Liveness,
    blocked_downstream: &mut BlockedDownstream,
    frame: &gst::BufferRef,
) -> Decision {
    let running_time = context
        .segment()
        .and_then(|segment| segment.to_running_time(frame.pts()?));
    let Some(running_time) = running_time else {
        return Decision::Restore;
    };
    let live = liveness.get(context);
    let now = live.then(|| context.element.current_running_time()).flatten();
    let (lateness, proportion) = {
        let shared = context.shared();
        let times = FrameTimes {
            running_time,
            now,
            // Without a live source the cost is not compared with anything, and the median takes a sort.
            cost: if live {
                shared.stats.median_cost() + shared.latency.wait()
            } else {
                Duration::ZERO
            },
        };
        (shared.deadline.lateness(times), shared.deadline.proportion())
    };
    if blocked_downstream.frame(Instant::now(), lateness.is_some()) {
        warn_of_blocked_thread(context);
    }
    let Some(lateness) = lateness else {
        return Decision::Restore;
    };
    let decision = context.frame_settings().deadline.decision(live);
    let (processed, dropped) = {
        let stats = &mut context.shared().stats;
        match decision {
            Decision::Restore => return decision,
            Decision::PassThrough => stats.passed_through_late(),
            Decision::Drop => stats.dropped_late(),
        }
        (stats.passed_on(), stats.dropped)
    };
    gst::debug!(
        CAT,
        obj = context.element,
        "the frame of {running_time} is late by {lateness}: {decision:?}"
    );
    let qos = Qos {
        live,
        jitter: i64::try_from(lateness.nseconds()).unwrap_or(i64::MAX),
        proportion,
        quality: late_quality(decision),
        processed,
        dropped,
    };
    post_qos(context.element, frame, qos);
    decision
}

fn warn_of_blocked_thread(context: Context<'_>) {
    gst::element_warning!(
        context.element,
        gst::CoreError::Clock,
        ("every frame is late, since the streaming thread is blocked downstream until the previous one is shown; put 'queue max-size-bytes=0' after blurdm, so that another thread waits for the sink")
    );
}
