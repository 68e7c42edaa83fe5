// SPDX-License-Identifier: MPL-2.0

//! What the streaming thread owns.

use std::{sync::Arc, time::Duration};

use gst::prelude::*;
use gst_video::{VideoInfo, VideoInterlaceMode};

use super::{
    adaptation::Adaptation,
    context::{Context, Liveness},
    deblurrers::Deblurrers,
    failures::Failures,
    in_flight::{HELD_FRAMES, InFlight},
    loading::{LoadedModel, Reusable, begin_loading, end_loading, post_loaded},
};
use crate::{
    element::{errors::to_message, messages::CAT, shared::Shared, timing::blocked_downstream::BlockedDownstream},
    engine::{Error, FrameSize},
};

/// What the streaming thread owns from start to stop. New caps replace what depends on the size and the rate of frames.
pub struct State {
    pub loaded: Arc<LoadedModel>,
    /// `None` before caps, after caps that were refused, and while the thread of `in_flight` has them.
    pub deblurrers: Option<Deblurrers>,
    /// `None` if each frame is restored in the streaming thread, before the next one arrives.
    pub in_flight: Option<InFlight>,
    pub adaptation: Adaptation,
    pub blocked_downstream: BlockedDownstream,
    pub liveness: Liveness,
    /// `None` before caps, and after caps that were refused.
    pub info: Option<VideoInfo>,
    /// The frame that the base class is handling is to be dropped.
    pub drop_frame: bool,
    /// The frame that the base class is handling ends the stream with this error, which was posted.
    pub refused_frame: Option<gst::FlowError>,
    /// The next frame does not follow the last one that was restored.
    pub discontinuity: bool,
    pub failures: Failures,
    /// A graph has failed. Its sessions may no longer work, as after the loss of a GPU.
    pub graph_failed: bool,
    /// Caps whose refusal was posted: the base class sets them again with every frame.
    refused_caps: Option<gst::Caps>,
}

impl State {
    /// Loads the model, and tells applications what runs.
    ///
    /// # Errors
    /// Those of [`LoadedModel::load`].
    pub fn start(context: Context<'_>, reusable: Option<Reusable>) -> Result<Self, Error> {
        *context.shared() = Shared::default();
        let loaded = LoadedModel::load(context, &context.settings(), reusable);
        end_loading(context);
        let (loaded, deblurrers) = loaded?;
        loaded.announce(context, &deblurrers);
        Ok(Self {
            loaded: Arc::new(loaded),
            deblurrers: Some(deblurrers),
            in_flight: None,
            adaptation: Adaptation::default(),
            blocked_downstream: BlockedDownstream::default(),
            liveness: Liveness::default(),
            info: None,
            drop_frame: false,
            refused_frame: None,
            discontinuity: true,
            failures: Failures::default(),
            graph_failed: false,
            refused_caps: None,
        })
    }

    /// Makes the sessions for new caps, and finds the level for a live source. The frames in flight must be drained.
    ///
    /// # Errors
    /// The reason why the caps are refused, which is also posted.
    pub fn set_caps(
        &mut self,
        context: Context<'_>,
        caps: &gst::Caps,
        info: &VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        let last = self.deblurrers.take();
        self.info = None;
        if info.interlace_mode() != VideoInterlaceMode::Progressive {
            let message = gst::error_msg!(
                gst::CoreError::Negotiation,
                ("interlaced video cannot be deblurred; put 'deinterlace' before blurdm")
            );
            return Err(self.refuse(context, caps, message));
        }
        let interval = interval(info);
        let loaded = self.load_for_caps(context, last, info, interval);
        end_loading(context);
        let deblurrers = match loaded {
            Ok(deblurrers) => deblurrers,
            // By the change to READY. The frame that these caps came for is flushed.
            Err(Error::Cancelled) if context.shared().stopping => return Ok(()),
            Err(error) => return Err(self.refuse(context, caps, to_message(&error))),
        };
        context.shared().canceler = Some(deblurrers.full().canceler());
        self.start_in_flight(context, deblurrers, info, interval);
        self.info = Some(info.clone());
        Ok(())
    }

    /// Posts why caps are refused, once. Returns the reason for the log.
    pub fn refuse(&mut self, context: Context<'_>, caps: &gst::Caps, message: gst::ErrorMessage) -> gst::LoggableError {
        let reason = gst::loggable_error!(CAT, "{caps} are refused: {message}");
        if self.refused_caps.replace(caps.clone()).as_ref() != Some(caps) {
            context.element.post_error_message(message);
        }
        reason
    }

    /// Blocks until the thread of the frames in flight has submitted its frame, and takes the deblurrers back.
    pub fn reclaim_deblurrers(&mut self) {
        if let Some(deblurrers) = self.in_flight.as_mut().and_then(InFlight::wait) {
            self.deblurrers = Some(deblurrers);
        }
    }

    /// Discards the frames in flight. With their run cancelled before, that is soon done.
    pub fn discard_in_flight(&mut self) {
        self.reclaim_deblurrers();
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.discard();
        }
    }

    /// Returns how many frames of a pool the element keeps from others.
    pub fn held_frames(&self) -> u32 {
        if self.in_flight.is_some() {
            HELD_FRAMES as u32
        } else {
            0
        }
    }

    /// Ends what runs. Returns the sessions for the next start, unless a graph has failed.
    pub fn stop(mut self, context: Context<'_>) -> Option<Reusable> {
        self.discard_in_flight();
        self.in_flight = None;
        self.adaptation.discard_building(context);
        {
            let mut shared = context.shared();
            shared.canceler = None;
            shared.provider = None;
        }
        let deblurrers = self.deblurrers.filter(|_| !self.graph_failed)?;
        Some(self.loaded.reusable(deblurrers))
    }

    /// Makes the sessions for frames of `info`, unless `last` are for that size, and finds the level.
    fn load_for_caps(
        &mut self,
        context: Context<'_>,
        last: Option<Deblurrers>,
        info: &VideoInfo,
        interval: Option<Duration>,
    ) -> Result<Deblurrers, Error> {
        let size = FrameSize {
            width: info.width() as usize,
            height: info.height() as usize,
        };
        let usable = last.filter(|last| last.full().size() == size);
        let loads = usable.is_none();
        let mut deblurrers = match usable {
            Some(deblurrers) => deblurrers,
            None => self.loaded.for_size(context, size)?,
        };
        deblurrers.reset_history();
        let canceler = deblurrers.full().canceler();
        canceler.resume();
        // The runs that find the level can be cancelled as well.
        begin_loading(context, &canceler)?;
        self.adaptation.discard_building(context);
        self.adaptation = Adaptation::new(&self.loaded, &deblurrers, interval);
        if context.frame_settings().adaptive && interval.is_some() && self.liveness.get(context) {
            let cost = self.adaptation.find_level(context, &self.loaded, &mut deblurrers)?;
            context.shared().stats.start_level_at(cost);
            context.update_latency();
        }
        // Not before the level is found: an application starts a live source when the model is loaded.
        if loads {
            post_loaded(context);
        }
        let full = deblurrers.full();
        let window = full.tile().unwrap_or(size);
        gst::debug!(
            CAT,
            obj = context.element,
            "{}x{} on {}, in windows of {}x{}",
            size.width,
            size.height,
            full.provider(),
            window.width,
            window.height
        );
        Ok(deblurrers)
    }

    /// Starts the thread of the frames in flight, if there are to be any, and warms the deblurrers up where they will run.
    fn start_in_flight(
        &mut self,
        context: Context<'_>,
        deblurrers: Deblurrers,
        info: &VideoInfo,
        interval: Option<Duration>,
    ) {
        let requested = context.settings().frames_in_flight as usize;
        let on_gpu = deblurrers.full().provider().on_gpu();
        let wanted = if requested == 0 {
            on_gpu
        } else {
            requested > HELD_FRAMES
        };
        let mut in_flight = wanted.then(|| InFlight::new(info.clone())).and_then(|started| {
            started
                .inspect_err(|error| {
                    gst::warning!(
                        CAT,
                        obj = context.element,
                        "frames are restored in the streaming thread: {error}"
                    )
                })
                .ok()
        });
        self.deblurrers = match &mut in_flight {
            Some(in_flight) if on_gpu => in_flight.warm_up(deblurrers),
            // Frames run in this thread, and the model was loaded in another one.
            None if on_gpu => Some(deblurrers.warmed_up()),
            _ => Some(deblurrers),
        };
        let wait = in_flight.as_ref().and(interval).unwrap_or_default();
        context.set_latency_wait(wait);
        self.in_flight = in_flight;
    }
}

/// Returns the time from frame to frame; `None` if the frame rate is variable.
fn interval(info: &VideoInfo) -> Option<Duration> {
    let fps = info.fps();
    (fps.numer() > 0).then(|| Duration::from_secs_f64(f64::from(fps.denom()) / f64::from(fps.numer())))
}
