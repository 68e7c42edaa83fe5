// SPDX-License-Identifier: MPL-2.0

//! What the functions of this folder may use of the element.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use gst::prelude::*;
use gst_base::prelude::*;

use crate::element::{
    messages::{CAT, post_latency},
    settings::{FrameSettings, Settings},
    shared::{Shared, lock},
};

/// The element as the streaming thread sees it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// For its bus, its pads, its segment and its clock.
    pub element: &'a gst_base::BaseTransform,
    settings: &'a Mutex<Settings>,
    shared: &'a Mutex<Shared>,
}

impl<'a> Context<'a> {
    pub fn new(element: &'a gst_base::BaseTransform, settings: &'a Mutex<Settings>, shared: &'a Mutex<Shared>) -> Self {
        Self {
            element,
            settings,
            shared,
        }
    }

    /// Returns the properties.
    pub fn settings(&self) -> Settings {
        lock(self.settings).clone()
    }

    /// Returns the properties that a frame is handled with.
    pub fn frame_settings(&self) -> FrameSettings {
        lock(self.settings).frame
    }

    /// Locks what other threads see. To be held for one statement.
    pub fn shared(&self) -> MutexGuard<'a, Shared> {
        lock(self.shared)
    }

    /// Returns the segment; `None` if it is not in time.
    pub fn segment(&self) -> Option<gst::FormattedSegment<gst::ClockTime>> {
        self.element.segment().downcast().ok()
    }

    /// Sets the controlled properties to their values at the time of `frame`.
    pub fn sync_controlled_properties(&self, frame: &gst::BufferRef) {
        if let Some(segment) = self.segment()
            && let Some(time) = frame.pts().and_then(|pts| segment.to_stream_time(pts))
            && let Err(error) = self.element.sync_values(time)
        {
            gst::debug!(CAT, obj = self.element, "no controlled value at {time}: {error}");
        }
    }

    /// Takes the costs so far into the latency, and posts it if it has changed.
    pub fn update_latency(&self) {
        let cost = {
            let mut shared = self.shared();
            let cost = shared.stats.high_cost();
            shared.latency.set_cost(cost).then_some(cost)
        };
        if let Some(cost) = cost {
            gst::debug!(CAT, obj = self.element, "a frame now costs {cost:?}");
            post_latency(self.element);
        }
    }

    /// Takes the time that a frame in flight waits for the next one into the latency, and posts it if it has changed.
    pub fn set_latency_wait(&self, wait: Duration) {
        let changed = self.shared().latency.set_wait(wait);
        if changed {
            post_latency(self.element);
        }
    }

    /// Asks upstream whether it is live. Before the first frame the answer may not be final.
    pub fn upstream_is_live(&self) -> bool {
        let mut query = gst::query::Latency::new();
        self.element.sink_pad().peer_query(&mut query) && query.result().0
    }
}

/// Whether upstream is live. Upstream is asked once, at the first use.
#[derive(Debug, Default)]
pub struct Liveness(Option<bool>);

impl Liveness {
    pub fn get(&mut self, context: Context<'_>) -> bool {
        *self.0.get_or_insert_with(|| context.upstream_is_live())
    }
}
