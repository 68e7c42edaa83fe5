// SPDX-License-Identifier: MPL-2.0

//! The virtual functions of the element.

use std::{
    sync::{LazyLock, Mutex},
    time::Instant,
};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_base::{
    prelude::*,
    subclass::{
        base_transform::{GenerateOutputSuccess, InputBuffer},
        prelude::*,
    },
};
use gst_video::subclass::prelude::*;

use super::{
    builtin_model,
    errors::to_message,
    messages::{CAT, log_runtime},
    settings::{PROPERTIES, Settings},
    shared::{Shared, lock},
    stream::{context::Context, formats, loading::Reusable, pool, state::State, transform},
    timing::deadline::Decision,
};
use crate::engine::{self, Canceler, Provider};

/// No lock is held while something is posted, pushed or run.
#[derive(Default)]
pub struct BlurDm {
    settings: Mutex<Settings>,
    /// What other threads than the streaming thread read and write.
    shared: Mutex<Shared>,
    /// What the streaming thread owns, from start to stop. Taken out while it is used.
    state: Mutex<Option<Box<State>>>,
    /// The sessions of the last start, between stop and start.
    reusable: Mutex<Option<Reusable>>,
}

impl BlurDm {
    /// Calls `run` with the state taken out. `None` if the element is stopped.
    fn with_state<T>(&self, run: impl FnOnce(&mut State, Context<'_>) -> T) -> Option<T> {
        let mut state = lock(&self.state).take()?;
        let obj = self.obj();
        let result = run(&mut state, self.context(obj.upcast_ref()));
        *lock(&self.state) = Some(state);
        Some(result)
    }

    fn context<'a>(&'a self, element: &'a gst_base::BaseTransform) -> Context<'a> {
        Context::new(element, &self.settings, &self.shared)
    }

    /// Returns what cancels the run of the streaming thread.
    fn canceler(&self) -> Option<Canceler> {
        lock(&self.shared).canceler.clone()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for BlurDm {
    const NAME: &'static str = "GstBlurDm";
    type Type = super::BlurDm;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for BlurDm {
    fn properties() -> &'static [glib::ParamSpec] {
        &PROPERTIES
    }

    fn constructed(&self) {
        self.parent_constructed();
        engine::log::set_receiver(log_runtime);
        let obj = self.obj();
        // GstVideoFilter turns QoS on. A model slower than the frame rate would then silently lose most frames.
        obj.set_property("qos", false);
        // Otherwise the base class removes the GAP flag.
        obj.set_gap_aware(true);
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        gst::debug!(CAT, imp = self, "{} = {value:?}", pspec.name());
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "active-provider" => lock(&self.shared).provider.map_or("", Provider::nick).to_value(),
            "stats" => lock(&self.shared).stats_structure().to_value(),
            name => {
                let value = lock(&self.settings).get(name);
                value.unwrap_or_else(|| pspec.default_value().clone())
            }
        }
    }
}

impl GstObjectImpl for BlurDm {}

impl ElementImpl for BlurDm {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Motion deblurring",
                "Filter/Effect/Video",
                "Removes motion blur from video with a blur-diffusion prior, through ONNX Runtime",
                "The blurdm authors",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = formats::caps();
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .into_iter()
                .filter_map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                })
                .collect()
        });
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        // The base class waits for the frame that is being restored, or for the model that is being loaded for it.
        if transition == gst::StateChange::PausedToReady {
            let (canceler, loading) = {
                let mut shared = lock(&self.shared);
                shared.stopping = true;
                (shared.canceler.clone(), shared.loading.clone())
            };
            canceler.iter().chain(&loading).for_each(Canceler::cancel);
        }
        let changed = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            let reusable = lock(&self.reusable).take();
            drop(reusable);
        }
        changed
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        builtin_model::answer(query) || ElementImplExt::parent_query(self, query)
    }
}

impl BaseTransformImpl for BlurDm {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let reusable = lock(&self.reusable).take();
        let obj = self.obj();
        let state = State::start(self.context(obj.upcast_ref()), reusable).map_err(|error| to_message(&error))?;
        *lock(&self.state) = Some(Box::new(state));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let state = lock(&self.state).take();
        let obj = self.obj();
        let reusable = state.and_then(|state| state.stop(self.context(obj.upcast_ref())));
        *lock(&self.reusable) = reusable;
        Ok(())
    }

    fn propose_allocation(
        &self,
        decided: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.parent_propose_allocation(decided, query)?;
        // In passthrough the answer is that of downstream.
        if decided.is_none() {
            return Ok(());
        }
        let held = self.with_state(|state, _| state.held_frames()).unwrap_or_default();
        pool::propose(query, held)
    }

    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        self.with_state(|state, context| pool::decide(state, context, query))
            .unwrap_or(Ok(()))?;
        self.parent_decide_allocation(query)
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        let decision = self.with_state(|state, context| transform::decide(state, context, inbuf));
        self.obj().set_passthrough(decision == Some(Decision::PassThrough));
    }

    /// The base class pushes the buffer that this returns, and calls it again. Its own function maps frames without a look at the size of their
    /// memory, and pushes an output frame that nobody has written if one cannot be mapped.
    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        self.with_state(|state, context| {
            state.blocked_downstream.push_ends(Instant::now());
            let prepare_out = |buffer: &gst::Buffer| self.prepare_output_buffer(InputBuffer::Readable(buffer));
            let output = transform::generate(state, context, self.take_queued_buffer(), prepare_out);
            if matches!(output, Ok(GenerateOutputSuccess::Buffer(_))) {
                state.blocked_downstream.push_begins(Instant::now());
            }
            output
        })
        .unwrap_or(Err(gst::FlowError::Flushing))
    }

    /// The geometry does not change, so every meta stays valid.
    fn transform_meta(
        &self,
        _outbuf: &mut gst::BufferRef,
        _meta: gst::MetaRef<gst::Meta>,
        _inbuf: &gst::BufferRef,
    ) -> bool {
        true
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            gst::EventType::FlushStart => {
                if let Some(canceler) = self.canceler() {
                    canceler.cancel();
                }
            }
            gst::EventType::FlushStop => {
                self.with_state(transform::flush);
            }
            other if other.is_serialized() => {
                self.with_state(|state, context| {
                    transform::drain(state, context);
                    state.discontinuity |= matches!(other, gst::EventType::Segment | gst::EventType::StreamStart);
                });
            }
            // Comes from another thread, at any time: the state is the streaming thread's.
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Qos(qos) => {
                let (_, proportion, jitter, timestamp) = qos.get();
                if let Some(timestamp) = timestamp {
                    lock(&self.shared).deadline.qos(proportion, jitter, timestamp);
                }
            }
            gst::EventView::Latency(event) => {
                lock(&self.shared).deadline.set_pipeline_latency(event.latency());
            }
            _ => {}
        }
        self.parent_src_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Src
            && let gst::QueryViewMut::Latency(answer) = query.view_mut()
        {
            let mut upstream = gst::query::Latency::new();
            if !self.obj().sink_pad().peer_query(&mut upstream) {
                return false;
            }
            let (live, min, max) = upstream.result();
            let own = gst::ClockTime::try_from(lock(&self.shared).latency.total()).unwrap_or(gst::ClockTime::ZERO);
            answer.set(live, min.saturating_add(own), max.map(|max| max.saturating_add(own)));
            return true;
        }
        // A DRAIN query wants buffers back, an ALLOCATION query all earlier frames out.
        if direction == gst::PadDirection::Sink && query.is_serialized() {
            self.with_state(transform::drain);
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }
}

impl VideoFilterImpl for BlurDm {
    fn set_info(
        &self,
        incaps: &gst::Caps,
        in_info: &gst_video::VideoInfo,
        _outcaps: &gst::Caps,
        _out_info: &gst_video::VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        self.with_state(|state, context| {
            transform::drain(state, context);
            state.set_caps(context, incaps, in_info)
        })
        .unwrap_or_else(|| Err(gst::loggable_error!(CAT, "caps before start")))
    }
}
