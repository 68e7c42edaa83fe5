// SPDX-License-Identifier: MPL-2.0

//! Keeps the cost of a frame below the interval: changes the level, and makes the sessions that a smaller working scale needs.

use std::{
    mem,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use gst_base::prelude::*;

use super::{context::Context, deblurrers::Deblurrers, loading::LoadedModel};
use crate::{
    element::{
        errors::text,
        messages::{CAT, Qos, post_qos, restored_quality},
        timing::adaptive::{Adaptive, Level, Load},
    },
    engine::{Deblurrer, Error},
};

/// The level of the frames of one caps.
#[derive(Default)]
pub struct Adaptation {
    adaptive: Adaptive,
    /// From the frame rate of the caps.
    interval: Option<Duration>,
    building: Option<Building>,
    /// The level was found before the first frame, with which it is to be posted.
    unposted: bool,
}

/// Sessions for a cheaper level, which a thread makes while frames go on.
struct Building {
    level: usize,
    reduction: usize,
    thread: JoinHandle<Result<Deblurrer, Error>>,
}

impl Adaptation {
    /// Starts at the level at which all the work is done.
    pub fn new(loaded: &LoadedModel, deblurrers: &Deblurrers, interval: Option<Duration>) -> Self {
        Self {
            adaptive: Adaptive::for_frames(deblurrers.full().size(), loaded.reduction(), loaded.has_prior()),
            interval,
            building: None,
            unposted: false,
        }
    }

    /// Finds the level before the first frame, as a live source requires, by warming up one level after the other.
    ///
    /// # Errors
    /// Those of [`Deblurrers::warm_up`].
    pub fn find_level(
        &mut self,
        context: Context<'_>,
        loaded: &LoadedModel,
        deblurrers: &mut Deblurrers,
    ) -> Result<Duration, Error> {
        let mut cost = deblurrers.warm_up(self.adaptive.level().reduction)?;
        while let Some(level) = self.adaptive.cheaper_level(Load {
            cost,
            interval: self.interval,
            proportion: None,
        }) {
            let reduction = self.adaptive.reduction(level);
            if !deblurrers.has(reduction) {
                let (size, canceler) = (deblurrers.full().size(), deblurrers.full().canceler());
                match loaded.reduced(reduction, size, canceler) {
                    Ok(deblurrer) => deblurrers.add(reduction, deblurrer),
                    Err(error) => {
                        self.adaptive.rule_out(level);
                        warn(context, &error);
                        continue;
                    }
                }
            }
            self.adaptive.set(level);
            cost = deblurrers.warm_up(reduction)?;
        }
        gst::debug!(
            CAT,
            obj = context.element,
            "a frame costs {cost:?} of {:?} at {:?}",
            self.interval,
            self.adaptive.level()
        );
        self.unposted = !self.adaptive.is_whole();
        Ok(cost)
    }

    /// Returns the level of the next frame. `adaptive`: the property.
    pub fn level(&self, adaptive: bool) -> Level {
        if adaptive {
            self.adaptive.level()
        } else {
            self.adaptive.whole_level()
        }
    }

    /// Takes the load before each frame, and changes the level if another one is better and its sessions are made.
    pub fn before_frame(
        &mut self,
        context: Context<'_>,
        loaded: &Arc<LoadedModel>,
        deblurrers: &mut Deblurrers,
        frame: &gst::BufferRef,
        live: bool,
    ) {
        self.add_built(context, deblurrers);
        let load = self.load(context, frame, live);
        if mem::take(&mut self.unposted) {
            self.post_level(context, frame, load, live);
        }
        let Some(level) = self.adaptive.observe(load) else {
            return;
        };
        let reduction = self.adaptive.reduction(level);
        if deblurrers.has(reduction) {
            self.adaptive.set(level);
            context.shared().stats.start_level();
            self.post_level(context, frame, load, live);
        } else if self.building.is_none() {
            self.build(context, loaded, deblurrers, level);
        }
    }

    /// Blocks until the sessions that are being made are made, or their canceler is cancelled, and drops them.
    pub fn discard_building(&mut self, context: Context<'_>) {
        if let Some(building) = self.building.take()
            && building.thread.join().is_err()
        {
            gst::warning!(CAT, obj = context.element, "the thread that made sessions panicked");
        }
    }

    fn load(&self, context: Context<'_>, frame: &gst::BufferRef, live: bool) -> Load {
        let (proportion, synchronised) = {
            let deadline = &context.shared().deadline;
            (deadline.proportion_if_late(), deadline.sink_reports())
        };
        let rate = context.element.segment().rate().abs().max(f64::MIN_POSITIVE);
        let interval = self
            .interval
            .or_else(|| frame.duration().map(Duration::from))
            .filter(|interval| (live || synchronised) && !interval.is_zero());
        Load {
            // Without an interval nothing is compared with the median, which takes a sort.
            cost: interval.map_or(Duration::ZERO, |_| context.shared().stats.median_cost()),
            interval: interval.map(|interval| interval.div_f64(rate)),
            proportion,
        }
    }

    fn build(&mut self, context: Context<'_>, loaded: &Arc<LoadedModel>, deblurrers: &Deblurrers, level: usize) {
        let reduction = self.adaptive.reduction(level);
        let (size, canceler) = (deblurrers.full().size(), deblurrers.full().canceler());
        let loaded = Arc::clone(loaded);
        gst::debug!(
            CAT,
            obj = context.element,
            "making sessions for frames that are reduced by {reduction}"
        );
        match thread::Builder::new()
            .name("blurdm-level".into())
            .spawn(move || loaded.reduced(reduction, size, canceler))
        {
            Ok(thread) => {
                self.building = Some(Building {
                    level,
                    reduction,
                    thread,
                });
            }
            Err(error) => {
                gst::warning!(CAT, obj = context.element, "no thread to make sessions: {error}");
                self.adaptive.rule_out(level);
            }
        }
    }

    /// Takes the sessions that are made by now.
    fn add_built(&mut self, context: Context<'_>, deblurrers: &mut Deblurrers) {
        let Some(building) = self.building.take_if(|building| building.thread.is_finished()) else {
            return;
        };
        match building.thread.join() {
            Ok(Ok(deblurrer)) => deblurrers.add(building.reduction, deblurrer),
            // By a flush. The level is asked for again if it is still needed.
            Ok(Err(Error::Cancelled)) => {}
            Ok(Err(error)) => {
                self.adaptive.rule_out(building.level);
                warn(context, &error);
            }
            Err(_) => self.adaptive.rule_out(building.level),
        }
    }

    fn post_level(&self, context: Context<'_>, frame: &gst::BufferRef, load: Load, live: bool) {
        let Load { cost, interval, .. } = load;
        let level = self.adaptive.level();
        gst::info!(
            CAT,
            obj = context.element,
            "a frame costs {cost:?} of {interval:?}: {level:?}"
        );
        let excess = interval.map_or(0, |interval| cost.as_nanos() as i64 - interval.as_nanos() as i64);
        let (processed, dropped) = {
            let stats = &context.shared().stats;
            (stats.passed_on(), stats.dropped)
        };
        let qos = Qos {
            live,
            jitter: excess,
            proportion: load.proportion.unwrap_or(1.0),
            quality: restored_quality(level.reduction),
            processed,
            dropped,
        };
        post_qos(context.element, frame, qos);
    }
}

fn warn(context: Context<'_>, error: &Error) {
    let text = text(error);
    gst::element_warning!(
        context.element,
        gst::StreamError::Failed,
        ("{text}; frames are restored at their own scale, or passed through unchanged")
    );
}
