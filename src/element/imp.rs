// SPDX-License-Identifier: MPL-2.0

use std::{
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_base::{
    prelude::*,
    subclass::{base_transform::GenerateOutputSuccess, prelude::*},
};
use gst_video::{prelude::*, subclass::prelude::*};

use super::{
    builtin_model,
    deadline::{Deadline, Fate},
    errors::to_message,
    flight::Flight,
    formats::{FORMATS, pictures},
    latency::Latency,
    loading::{Kept, Loaded},
    messages::log_runtime,
    pace::Pace,
    settings::{PROPERTIES, Settings},
    stats::Stats,
    waiting::Waiting,
    worker::Worker,
};
use crate::engine::{self, Canceler, FrameSize, Provider};

pub(super) static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("blurdm", gst::DebugColorFlags::empty(), Some("Motion deblurring")));

/// Flags of a frame that does not follow the last one.
pub(super) const CUT: gst::BufferFlags = gst::BufferFlags::DISCONT.union(gst::BufferFlags::RESYNC);

#[derive(Default)]
pub struct BlurDm {
    pub(super) settings: Mutex<Settings>,
    pub(super) loaded: Mutex<Option<Arc<Loaded>>>,
    /// Taken out while a frame is restored, so that no lock is held then.
    pub(super) worker: Mutex<Option<Worker>>,
    /// Frames that are restored beside the stream; none where each is restored before the next one comes.
    pub(super) flight: Mutex<Option<Flight>>,
    /// Of the last time, between stop and start.
    pub(super) kept: Mutex<Option<Kept>>,
    /// Ends what the worker runs.
    pub(super) canceler: Mutex<Option<Canceler>>,
    pub(super) provider: Mutex<Option<Provider>>,
    pub(super) stats: Mutex<Stats>,
    pub(super) latency: Mutex<Latency>,
    pub(super) deadline: Mutex<Deadline>,
    pub(super) pace: Mutex<Pace>,
    pub(super) waiting: Mutex<Waiting>,
    /// Whether frames come when the clock says so; none before upstream was asked.
    pub(super) live: Mutex<Option<bool>>,
    /// The frame in progress is to be dropped.
    pub(super) drop: AtomicBool,
    /// The last frame could not be restored, and that was said.
    pub(super) failing: AtomicBool,
    /// A graph has failed: what runs it may not be what it was, as with a GPU that was lost.
    pub(super) spoiled: AtomicBool,
    /// The next frame has nothing to do with the last one that was restored.
    pub(super) cut: AtomicBool,
    /// Caps whose refusal is on the bus: the base class offers them again with every frame.
    pub(super) refused: Mutex<Option<gst::Caps>>,
}

/// The data behind these locks is replaced whole, so what a panicking thread left is sound.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        // GstVideoFilter turns it on, and a model slower than the frame rate would then silently lose most frames.
        self.obj().set_property("qos", false);
        // Otherwise the base class takes the GAP flag away.
        self.obj().set_gap_aware(true);
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        gst::debug!(CAT, imp = self, "{} = {value:?}", pspec.name());
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "active-provider" => lock(&self.provider).map_or("", Provider::nick).to_value(),
            "stats" => lock(&self.stats).to_structure().to_value(),
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
            let side = engine::MINIMUM_SIDE as i32..=engine::MAXIMUM_SIDE as i32;
            let caps = gst_video::VideoCapsBuilder::new()
                .format_list(FORMATS)
                .width_range(side.clone())
                .height_range(side.clone())
                .build();
            #[cfg(feature = "cuda-memory")]
            let caps = {
                let mut all = caps;
                let on_device = gst_video::VideoCapsBuilder::new()
                    .features([super::cuda_memory::FEATURE])
                    .format_list(super::cuda_memory::FORMATS)
                    .width_range(side.clone())
                    .height_range(side);
                all.make_mut().append(on_device.build());
                all
            };
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
        // The base class waits for the frame in progress.
        if transition == gst::StateChange::PausedToReady {
            self.cancel();
        }
        let changed = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            *lock(&self.kept) = None;
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
        let settings = lock(&self.settings).clone();
        let loaded = self.load(&settings).map_err(|error| to_message(&error))?;
        *lock(&self.stats) = Stats::default();
        *lock(&self.latency) = Latency::default();
        *lock(&self.deadline) = Deadline::default();
        *lock(&self.live) = None;
        *lock(&self.pace) = Pace::default();
        *lock(&self.waiting) = Waiting::default();
        self.announce(&loaded);
        *lock(&self.loaded) = Some(Arc::new(loaded));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.abandon();
        *lock(&self.flight) = None;
        self.end_building();
        *lock(&self.refused) = None;
        *lock(&self.canceler) = None;
        *lock(&self.provider) = None;
        self.keep();
        Ok(())
    }

    fn propose_allocation(
        &self,
        decided: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.offer_pool(decided, query)
    }

    fn decide_allocation(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        self.choose_pool(query)
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
        self.bring_home();
        let obj = self.obj();
        if let Some(pts) = inbuf.pts()
            && let Some(segment) = obj.segment().downcast_ref::<gst::ClockTime>()
            && let Some(time) = segment.to_stream_time(pts)
            && let Err(error) = obj.sync_values(time)
        {
            gst::debug!(CAT, imp = self, "no controlled value at {time}: {error}");
        }
        let fate = if lock(&self.settings).is_passthrough() {
            lock(&self.stats).passed();
            Fate::Passed
        } else {
            self.adapt(inbuf);
            self.fate(inbuf)
        };
        if fate != Fate::Restored {
            self.cut.store(true, Ordering::Relaxed);
        }
        self.drop.store(fate == Fate::Dropped, Ordering::Relaxed);
        obj.set_passthrough(fate == Fate::Passed);
    }

    /// The base class hands over what this gives, and asks again when downstream has taken it.
    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        lock(&self.waiting).come_back(Instant::now());
        let flight = lock(&self.flight).take();
        let output = match flight {
            Some(mut flight) => {
                let output = self.fly(&mut flight);
                *lock(&self.flight) = Some(flight);
                output
            }
            None => self.parent_generate_output(),
        };
        if matches!(output, Ok(GenerateOutputSuccess::Buffer(_))) {
            lock(&self.waiting).hand_over(Instant::now());
        }
        output
    }

    /// The geometry does not change, so that every meta stays true.
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
            gst::EventType::FlushStart => self.cancel(),
            gst::EventType::FlushStop => {
                self.abandon();
                if let Some(canceler) = &*lock(&self.canceler) {
                    canceler.resume();
                }
                lock(&self.deadline).flushed();
                self.cut.store(true, Ordering::Relaxed);
            }
            other => {
                if other.is_serialized() {
                    self.drain();
                }
                if matches!(other, gst::EventType::Segment | gst::EventType::StreamStart) {
                    self.cut.store(true, Ordering::Relaxed);
                }
            }
        }
        BaseTransformImplExt::parent_sink_event(self, event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Qos(qos) => {
                let (_, proportion, jitter, timestamp) = qos.get();
                if let Some(timestamp) = timestamp {
                    lock(&self.deadline).reported(proportion, jitter, timestamp);
                }
            }
            gst::EventView::Latency(latency) => lock(&self.deadline).distributed(latency.latency()),
            _ => {}
        }
        BaseTransformImplExt::parent_src_event(self, event)
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
            let own = gst::ClockTime::try_from(lock(&self.latency).reported()).unwrap_or(gst::ClockTime::ZERO);
            answer.set(live, min.saturating_add(own), max.map(|max| max.saturating_add(own)));
            return true;
        }
        // Whoever asks wants its buffers back, or what they hold to have gone out.
        if direction == gst::PadDirection::Sink && query.is_serialized() {
            self.drain();
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
        self.drain();
        let last = lock(&self.worker).take();
        if in_info.interlace_mode() != gst_video::VideoInterlaceMode::Progressive {
            let message = gst::error_msg!(
                gst::CoreError::Negotiation,
                ("interlaced video cannot be deblurred; put 'deinterlace' before blurdm")
            );
            self.refuse(incaps, message);
            return Err(gst::loggable_error!(CAT, "interlaced caps {incaps}"));
        }
        let size = FrameSize {
            width: in_info.width() as usize,
            height: in_info.height() as usize,
        };
        let Some(loaded) = lock(&self.loaded).clone() else {
            return Err(gst::loggable_error!(CAT, "caps before start"));
        };
        let loads = last.as_ref().is_none_or(|last| last.deblurrer().size() != size);
        let mut worker = match last {
            Some(mut last) if !loads => {
                last.forget();
                last
            }
            _ => self
                .sessions(
                    &loaded.bundle,
                    &self.for_this_stream(loaded.options),
                    &loaded.search,
                    size,
                )
                .map_err(|error| {
                    self.refuse(incaps, to_message(&error));
                    gst::loggable_error!(CAT, "{error}")
                })?,
        };
        worker.deblurrer().canceler().resume();
        self.begin_pace(&loaded, &mut worker, in_info.fps()).map_err(|error| {
            self.refuse(incaps, to_message(&error));
            gst::loggable_error!(CAT, "{error}")
        })?;
        // Not before the level is found: a live source must not begin to play while sessions for it are made.
        if loads {
            self.ready();
        }
        let deblurrer = worker.deblurrer();
        let window = deblurrer.tile().unwrap_or(size);
        gst::debug!(
            CAT,
            imp = self,
            "{}x{} on {}, {}x{} at once",
            size.width,
            size.height,
            deblurrer.provider(),
            window.width,
            window.height
        );
        *lock(&self.canceler) = Some(deblurrer.canceler());
        let worker = self.begin_flight(worker, in_info);
        *lock(&self.worker) = worker;
        Ok(())
    }

    fn transform_frame(
        &self,
        inframe: &gst_video::VideoFrameRef<&gst::BufferRef>,
        outframe: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.drop.swap(false, Ordering::Relaxed) {
            return Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED);
        }
        let (original, mut out) = pictures(inframe, outframe).map_err(|error| self.not_a_frame(&error))?;
        let flags = inframe.buffer().flags();
        // A gap has nothing in it to restore.
        if flags.contains(gst::BufferFlags::GAP) {
            lock(&self.stats).passed();
            self.cut.store(true, Ordering::Relaxed);
            out.copy(&original);
        } else {
            self.restore(&original, &mut out, flags.intersects(CUT))?;
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

impl BlurDm {
    /// Ends the run in progress, and lets none begin until a flush has stopped or caps have come.
    pub(super) fn cancel(&self) {
        if let Some(canceler) = &*lock(&self.canceler) {
            canceler.cancel();
        }
    }
}
