// SPDX-License-Identifier: MPL-2.0

//! Keeping up: what a frame may cost, the level that fits, and the sessions for it.

use std::{
    mem,
    thread::{self, JoinHandle},
    time::Duration,
};

use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::{
    adaptive::{Adaptive, Level, Load},
    errors::text,
    imp::{BlurDm, CAT, lock},
    lateness::UNRESTORED_QUALITY,
    loading::Loaded,
    worker::Worker,
};
use crate::engine::{Canceler, Deblurrer, Error, FrameSize, Options};

/// Of a frame restored with all the work, in parts of a million, as QOS messages have it.
const WHOLE_QUALITY: i32 = 1_000_000;

#[derive(Default)]
pub(super) struct Pace {
    adaptive: Adaptive,
    /// From frame to frame, as the caps have it.
    interval: Option<Duration>,
    building: Option<Building>,
    /// A level was found before there was a frame to tell of it by.
    untold: bool,
}

/// Sessions for a cheaper level, being made while frames go on.
struct Building {
    level: usize,
    reduction: usize,
    size: FrameSize,
    thread: JoinHandle<Result<Deblurrer, Error>>,
}

impl BlurDm {
    /// The level at which the next frame is restored.
    pub(super) fn level(&self) -> Level {
        let adapted = lock(&self.settings).adaptive;
        let pace = lock(&self.pace);
        if adapted {
            pace.adaptive.level()
        } else {
            pace.adaptive.whole()
        }
    }

    /// New caps: with a live source the level that fits is found before the first frame comes.
    pub(super) fn begin_pace(&self, loaded: &Loaded, worker: &mut Worker, fps: gst::Fraction) -> Result<(), Error> {
        self.end_building();
        let interval =
            (fps.numer() > 0).then(|| Duration::from_secs_f64(f64::from(fps.denom()) / f64::from(fps.numer())));
        let mut adaptive = Adaptive::for_frames(worker.deblurrer().size(), loaded.options.reduction);
        if lock(&self.settings).adaptive && interval.is_some() && self.is_live() {
            let mut cost = worker.rehearse(adaptive.level().reduction)?;
            let load = |cost| Load {
                cost,
                interval,
                proportion: None,
            };
            while let Some(level) = adaptive.too_dear(load(cost)) {
                let reduction = adaptive.reduction(level);
                if !worker.can_reduce(reduction) {
                    let (size, canceler) = (worker.deblurrer().size(), worker.deblurrer().canceler());
                    match reduced(loaded, reduction, size, canceler) {
                        Ok(deblurrer) => worker.add(reduction, deblurrer),
                        Err(error) => {
                            adaptive.rule_out(level);
                            self.warn_of(&error);
                            continue;
                        }
                    }
                }
                adaptive.set(level);
                cost = worker.rehearse(reduction)?;
            }
            gst::debug!(
                CAT,
                imp = self,
                "a frame takes {cost:?} of {interval:?} at {:?}",
                adaptive.level()
            );
            lock(&self.stats).rehearsed(cost);
            self.tell_cost();
        }
        *lock(&self.pace) = Pace {
            untold: !adaptive.is_whole(),
            adaptive,
            interval,
            building: None,
        };
        Ok(())
    }

    /// Before every frame: takes note of the load so far, and changes the level if that is called for and can be done.
    pub(super) fn adapt(&self, inbuf: &gst::BufferRef) {
        if !lock(&self.settings).adaptive {
            return;
        }
        self.take_up_built();
        let load = self.load_on(inbuf);
        let (untold, wanted, building) = {
            let mut pace = lock(&self.pace);
            let untold = mem::take(&mut pace.untold);
            let wanted = pace.adaptive.observe(load);
            let wanted = wanted.map(|level| (level, pace.adaptive.reduction(level)));
            (untold, wanted, pace.building.is_some())
        };
        if untold {
            self.tell_level(inbuf, load);
        }
        let Some((level, reduction)) = wanted else {
            return;
        };
        let ready = lock(&self.worker)
            .as_ref()
            .is_some_and(|worker| worker.can_reduce(reduction));
        if ready {
            self.change_level(level, inbuf, load);
        } else if !building {
            self.build(level, reduction);
        }
    }

    /// The sessions being made are of no use any more. Waits for them, since they cannot be given up half-way.
    pub(super) fn end_building(&self) {
        let building = lock(&self.pace).building.take();
        if let Some(building) = building
            && building.thread.join().is_err()
        {
            gst::warning!(CAT, imp = self, "the thread that made sessions panicked");
        }
    }

    fn load_on(&self, inbuf: &gst::BufferRef) -> Load {
        let live = self.is_live();
        let (behind, synchronised) = {
            let deadline = lock(&self.deadline);
            (deadline.behind(), deadline.is_told())
        };
        let rate = self.obj().segment().rate().abs().max(f64::MIN_POSITIVE);
        let interval = lock(&self.pace)
            .interval
            .or_else(|| inbuf.duration().map(Duration::from))
            .filter(|interval| (live || synchronised) && !interval.is_zero());
        Load {
            // Where no clock decides it is not asked for: it is found by sorting.
            cost: interval.map_or(Duration::ZERO, |_| lock(&self.stats).usual_cost()),
            interval: interval.map(|interval| interval.div_f64(rate)),
            proportion: behind,
        }
    }

    fn build(&self, level: usize, reduction: usize) {
        let Some(loaded) = lock(&self.loaded).clone() else {
            return;
        };
        let Some((size, canceler)) = lock(&self.worker)
            .as_ref()
            .map(|worker| (worker.deblurrer().size(), worker.deblurrer().canceler()))
        else {
            return;
        };
        gst::debug!(CAT, imp = self, "making sessions for frames reduced by {reduction}");
        match thread::Builder::new()
            .name("blurdm-level".into())
            .spawn(move || reduced(&loaded, reduction, size, canceler))
        {
            Ok(thread) => {
                lock(&self.pace).building = Some(Building {
                    level,
                    reduction,
                    size,
                    thread,
                });
            }
            Err(error) => {
                gst::warning!(CAT, imp = self, "no thread to make sessions: {error}");
                lock(&self.pace).adaptive.rule_out(level);
            }
        }
    }

    /// Sessions that are made by now are ready for the next frame.
    fn take_up_built(&self) {
        let Some(Building {
            level,
            reduction,
            size,
            thread,
        }) = lock(&self.pace)
            .building
            .take_if(|building| building.thread.is_finished())
        else {
            return;
        };
        match thread.join() {
            Ok(Ok(deblurrer)) => {
                if let Some(worker) = lock(&self.worker)
                    .as_mut()
                    .filter(|worker| worker.deblurrer().size() == size)
                {
                    worker.add(reduction, deblurrer);
                }
            }
            // A flush came in between; it is asked for again if it is still wanted.
            Ok(Err(Error::Cancelled)) => {}
            Ok(Err(error)) => {
                lock(&self.pace).adaptive.rule_out(level);
                self.warn_of(&error);
            }
            Err(_) => lock(&self.pace).adaptive.rule_out(level),
        }
    }

    fn warn_of(&self, error: &Error) {
        let text = text(error);
        gst::element_imp_warning!(
            self,
            gst::StreamError::Failed,
            ("{text}; frames are restored at their own scale, or go on as they came")
        );
    }

    fn change_level(&self, level: usize, inbuf: &gst::BufferRef, load: Load) {
        lock(&self.pace).adaptive.set(level);
        lock(&self.stats).begin_level();
        self.tell_level(inbuf, load);
    }

    fn tell_level(&self, inbuf: &gst::BufferRef, load: Load) {
        let Load { cost, interval, .. } = load;
        let level = self.level();
        gst::info!(CAT, imp = self, "a frame takes {cost:?} of {interval:?}: {level:?}");
        let over = interval.map_or(0, |interval| cost.as_nanos() as i64 - interval.as_nanos() as i64);
        self.post_qos(inbuf, (over, load.proportion.unwrap_or(1.0), quality(level.reduction)));
    }
}

/// Sessions for frames reduced by `reduction`, on what the others of their size run on.
fn reduced(loaded: &Loaded, reduction: usize, size: FrameSize, canceler: Canceler) -> Result<Deblurrer, Error> {
    let options = Options {
        reduction,
        ..loaded.options
    };
    Deblurrer::with_canceler(&loaded.bundle, &options, &loaded.search, size, canceler)
}

/// The share of the pixels that are worked on, counted from what a frame that was not restored has.
fn quality(reduction: usize) -> i32 {
    UNRESTORED_QUALITY + (WHOLE_QUALITY - UNRESTORED_QUALITY) / (reduction * reduction) as i32
}
