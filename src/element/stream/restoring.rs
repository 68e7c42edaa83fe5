// SPDX-License-Identifier: MPL-2.0

//! One frame through the model, and what becomes of it when that fails.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gst::subclass::prelude::*;

use super::{
    OnError,
    errors::{text, to_message},
    imp::{BlurDm, CAT, lock},
    worker::Work,
};
use crate::{
    engine::{self, Sampling, Timing},
    frame::{Finish, Picture, PictureMut},
};

impl BlurDm {
    /// Restores a frame into `out`. `cut`: it does not follow the last one.
    pub(super) fn restore(
        &self,
        original: &Picture<'_>,
        out: &mut PictureMut<'_>,
        cut: bool,
    ) -> Result<(), gst::FlowError> {
        let started = Instant::now();
        let (sampling, finish) = self.asked();
        let Some(mut worker) = lock(&self.worker).take() else {
            return Err(self.no_worker());
        };
        if self.cut.swap(false, Ordering::Relaxed) || cut {
            worker.forget();
        }
        let level = self.level();
        let work = Work {
            sampling: level.sampling(sampling),
            finish,
            reduction: level.reduction,
        };
        let restored = worker.restore(original, out, work);
        let prior_age = worker.prior_age();
        *lock(&self.worker) = Some(worker);
        match restored {
            Ok(timing) => {
                self.restored(timing, level.reduction, prior_age, started.elapsed());
                Ok(())
            }
            Err(error) => self.not_restored(&error, original, out),
        }
    }

    /// What the properties ask of a frame.
    pub(super) fn asked(&self) -> (Sampling, Finish) {
        let smoothing = lock(&self.loaded)
            .as_ref()
            .map_or(0.0, |loaded| loaded.bundle.manifest().prior.smoothing);
        let settings = lock(&self.settings);
        (settings.sampling(smoothing), settings.finish())
    }

    pub(super) fn no_worker(&self) -> gst::FlowError {
        gst::element_imp_error!(self, gst::CoreError::Negotiation, ("a frame came before its caps"));
        gst::FlowError::NotNegotiated
    }

    /// Takes note of a frame that was restored.
    pub(super) fn restored(&self, timing: Timing, reduction: usize, prior_age: u32, cost: Duration) {
        self.failing.store(false, Ordering::Relaxed);
        lock(&self.stats).restored(timing, reduction, prior_age, cost);
        self.tell_cost();
    }

    pub(super) fn not_restored(
        &self,
        error: &engine::Error,
        original: &Picture<'_>,
        out: &mut PictureMut<'_>,
    ) -> Result<(), gst::FlowError> {
        self.cut.store(true, Ordering::Relaxed);
        // Whoever flushes or stops knows.
        if matches!(error, engine::Error::Cancelled) {
            return Err(gst::FlowError::Flushing);
        }
        if matches!(error, engine::Error::Inference { .. }) {
            self.spoiled.store(true, Ordering::Relaxed);
        }
        let on_error = lock(&self.settings).on_error;
        match on_error {
            OnError::Fail => {
                self.post_error_message(to_message(error));
                Err(gst::FlowError::Error)
            }
            OnError::Passthrough => {
                self.warn(error);
                lock(&self.stats).passed();
                out.copy(original);
                Ok(())
            }
        }
    }

    /// One warning for a stretch of frames that fail.
    fn warn(&self, error: &engine::Error) {
        if self.failing.swap(true, Ordering::Relaxed) {
            gst::debug!(CAT, imp = self, "{error}");
        } else {
            let text = text(error);
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}; frames go on as they came"));
        }
    }

    pub(super) fn tell_cost(&self) {
        let cost = lock(&self.stats).cost();
        if lock(&self.latency).update(cost) {
            gst::debug!(CAT, imp = self, "a frame now costs {cost:?}");
            let message = gst::message::Latency::builder().src(&*self.obj()).build();
            self.post_message(message);
        }
    }

    pub(super) fn not_a_frame(&self, error: &impl std::error::Error) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
        gst::FlowError::Error
    }
}
