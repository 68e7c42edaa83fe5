// SPDX-License-Identifier: MPL-2.0

//! What the streaming thread shares with others: those of applications that read properties, of queries and events from downstream, and of
//! state changes and flushes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::timing::{deadline::Deadline, latency::Latency, stats::Stats};
use crate::engine::{Canceler, Provider};

/// Facts behind one lock, which is held for single reads and writes: never while something is posted, pushed or run.
#[derive(Default)]
pub struct Shared {
    pub stats: Stats,
    pub latency: Latency,
    pub deadline: Deadline,
    /// The execution provider in use; `None` while the element is stopped.
    pub provider: Option<Provider>,
    /// Cancels what the streaming thread runs; `None` before caps.
    pub canceler: Option<Canceler>,
    /// Cancels what is being loaded for new caps; `None` while nothing is. A flush does not: the next frame needs it.
    pub loading: Option<Canceler>,
    /// The element goes to READY, and loads nothing more.
    pub stopping: bool,
}

impl Shared {
    /// Returns the value of the property `stats`.
    pub fn stats_structure(&self) -> gst::Structure {
        let stats = &self.stats;
        let mut structure = gst::Structure::builder("blurdm-stats")
            .field("frames", stats.restored)
            .field("passed", stats.passed_through)
            .field("late", stats.late)
            .field("dropped", stats.dropped)
            .field("reduced", stats.reduced)
            .field("working-scale", 1.0 / stats.reduction.max(1) as f64)
            .field("prior-age", stats.prior_in_use.age);
        let scales = stats.prior_in_use.scales.as_slice();
        if !scales.is_empty() {
            let shares = scales.iter().map(|&share| f64::from(share));
            structure = structure.field("scales", gst::Array::new(shares));
        }
        for (name, stage) in [
            ("prior", &stats.prior),
            ("backbone", &stats.backbone),
            ("total", &stats.total),
        ] {
            let percentiles = stage.percentiles([0.50, 0.95, 0.99]);
            for (percentile, value) in ["p50", "p95", "p99"].iter().zip(percentiles) {
                structure = structure.field(format!("{name}-ms-{percentile}"), value.as_secs_f64() * 1e3);
            }
        }
        structure.build()
    }
}

/// Locks `mutex` even if a thread panicked with it: no data of the element is left half-written by a panic.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
