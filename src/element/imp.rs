// SPDX-License-Identifier: MPL-2.0

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::prelude::*};
use gst_video::{prelude::*, subclass::prelude::*};
use ort::logging::LogLevel;

use super::{
    deadline::{Arrival, Deadline, Fate},
    errors::to_message,
    formats::{FORMATS, FrameError, pictures},
    latency::Latency,
    settings::{PROPERTIES, Settings},
    stats::Stats,
    worker::Worker,
};
use crate::engine::{self, Bundle, Canceler, Choice, Deblurrer, FrameSize, Options, Provider, Search};

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("blurdm", gst::DebugColorFlags::empty(), Some("Motion deblurring")));

static ORT_CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "blurdm-ort",
        gst::DebugColorFlags::empty(),
        Some("ONNX Runtime under blurdm"),
    )
});

/// Graphs are tried out on a frame of this size before caps are known, so that a model or a provider that cannot be used is
/// an error of the state change.
const TRIAL: FrameSize = FrameSize { width: 64, height: 64 };

/// Flags of a frame that does not follow the last one.
const CUT: gst::BufferFlags = gst::BufferFlags::DISCONT.union(gst::BufferFlags::RESYNC);

/// Of a frame that was passed on as it came, in parts of a million, as QOS messages have it: it is seen, though blurred.
const UNRESTORED_QUALITY: i32 = 500_000;

/// What start() has found out: everything but the size.
struct Loaded {
    bundle: Bundle,
    options: Options,
    search: Search,
}

#[derive(Default)]
pub struct BlurDm {
    settings: Mutex<Settings>,
    loaded: Mutex<Option<Arc<Loaded>>>,
    /// Taken out while a frame is restored, so that no lock is held then.
    worker: Mutex<Option<Worker>>,
    /// Ends what the worker runs.
    canceler: Mutex<Option<Canceler>>,
    provider: Mutex<Option<Provider>>,
    stats: Mutex<Stats>,
    latency: Mutex<Latency>,
    deadline: Mutex<Deadline>,
    /// Whether frames come when the clock says so; none before upstream was asked.
    live: Mutex<Option<bool>>,
    /// The frame in progress is to be dropped.
    drop: AtomicBool,
    /// The next frame has nothing to do with the last one that was restored.
    cut: AtomicBool,
    /// Caps whose refusal is on the bus: the base class offers them again with every frame.
    refused: Mutex<Option<gst::Caps>>,
}

/// The data behind these locks is replaced whole, so what a panicking thread left is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
                .height_range(side)
                .build();
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
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for BlurDm {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        self.post_progress(gst::ProgressType::Start, "Loading the model");
        let (loaded, trial) = self.load(&settings).map_err(|error| {
            self.post_progress(gst::ProgressType::Error, "The model cannot be used");
            to_message(&error)
        })?;
        self.post_progress(gst::ProgressType::Complete, "The model is loaded");
        gst::info!(
            CAT,
            imp = self,
            "model {} ({}) on {}",
            loaded.bundle.manifest().name,
            loaded.bundle.label(),
            trial.provider()
        );
        *lock(&self.stats) = Stats::default();
        *lock(&self.latency) = Latency::default();
        *lock(&self.deadline) = Deadline::default();
        *lock(&self.live) = None;
        *lock(&self.provider) = Some(trial.provider());
        *lock(&self.loaded) = Some(Arc::new(loaded));
        self.announce(&trial);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.refused) = None;
        *lock(&self.worker) = None;
        *lock(&self.canceler) = None;
        *lock(&self.loaded) = None;
        *lock(&self.provider) = None;
        Ok(())
    }

    fn before_transform(&self, inbuf: &gst::BufferRef) {
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
            self.fate(inbuf)
        };
        if fate != Fate::Restored {
            self.cut.store(true, Ordering::Relaxed);
        }
        self.drop.store(fate == Fate::Dropped, Ordering::Relaxed);
        obj.set_passthrough(fate == Fate::Passed);
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
                if let Some(canceler) = &*lock(&self.canceler) {
                    canceler.resume();
                }
                lock(&self.deadline).flushed();
                self.cut.store(true, Ordering::Relaxed);
            }
            gst::EventType::Segment | gst::EventType::StreamStart => self.cut.store(true, Ordering::Relaxed),
            _ => {}
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
            answer.set(live, min + own, max.map(|max| max + own));
            return true;
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
        *lock(&self.worker) = None;
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
        match Deblurrer::new(&loaded.bundle, &loaded.options, &loaded.search, size) {
            Ok(deblurrer) => {
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
                *lock(&self.worker) = Some(Worker::new(deblurrer));
                Ok(())
            }
            Err(error) => {
                self.refuse(incaps, to_message(&error));
                Err(gst::loggable_error!(CAT, "{error}"))
            }
        }
    }

    fn transform_frame(
        &self,
        inframe: &gst_video::VideoFrameRef<&gst::BufferRef>,
        outframe: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.drop.swap(false, Ordering::Relaxed) {
            return Ok(gst_base::BASE_TRANSFORM_FLOW_DROPPED);
        }
        // A gap has nothing in it to restore.
        if inframe.buffer().flags().contains(gst::BufferFlags::GAP) {
            lock(&self.stats).passed();
            self.cut.store(true, Ordering::Relaxed);
            let (original, mut out) = pictures(inframe, outframe).map_err(|error| self.not_a_frame(&error))?;
            out.copy(&original);
            return Ok(gst::FlowSuccess::Ok);
        }
        let started = Instant::now();
        let (sampling, finish) = {
            let smoothing = lock(&self.loaded)
                .as_ref()
                .map_or(0.0, |loaded| loaded.bundle.manifest().prior.smoothing);
            let settings = lock(&self.settings);
            (settings.sampling(smoothing), settings.finish())
        };
        let Some(mut worker) = lock(&self.worker).take() else {
            gst::element_imp_error!(self, gst::CoreError::Negotiation, ("a frame came before its caps"));
            return Err(gst::FlowError::NotNegotiated);
        };
        if self.cut.swap(false, Ordering::Relaxed) || inframe.buffer().flags().intersects(CUT) {
            worker.forget();
        }
        let restored = pictures(inframe, outframe)
            .map_err(|error| self.not_a_frame(&error))
            .and_then(|(original, mut out)| {
                worker
                    .restore(&original, &mut out, sampling, finish)
                    .map_err(|error| self.flow_error(&error))
            });
        let prior_age = worker.prior_age();
        *lock(&self.worker) = Some(worker);
        let timing = restored?;
        let cost = {
            let mut stats = lock(&self.stats);
            stats.restored(timing, prior_age, started.elapsed());
            stats.cost()
        };
        if lock(&self.latency).update(cost) {
            gst::debug!(CAT, imp = self, "a frame now costs {cost:?}");
            let message = gst::message::Latency::builder().src(&*self.obj()).build();
            self.post_message(message);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

impl BlurDm {
    /// Ends the run in progress, and lets none begin until a flush has stopped or caps have come.
    fn cancel(&self) {
        if let Some(canceler) = &*lock(&self.canceler) {
            canceler.cancel();
        }
    }

    /// What becomes of a frame that is to be restored, if it is not too late for that.
    fn fate(&self, inbuf: &gst::BufferRef) -> Fate {
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
            now: obj.current_running_time(),
            cost: lock(&self.stats).usual_cost(),
            live,
        };
        let (lateness, proportion) = {
            let deadline = lock(&self.deadline);
            (deadline.lateness(arrival), deadline.proportion())
        };
        let Some(lateness) = lateness else {
            return Fate::Restored;
        };
        let fate = lock(&self.settings).deadline.fate(live);
        if fate == Fate::Restored {
            return fate;
        }
        let (went_on, dropped) = {
            let mut stats = lock(&self.stats);
            stats.late(fate == Fate::Dropped);
            stats.outcome()
        };
        gst::debug!(CAT, imp = self, "a frame of {due} is {lateness} too late: {fate:?}");
        let quality = if fate == Fate::Dropped { 0 } else { UNRESTORED_QUALITY };
        let message = gst::message::Qos::builder(live)
            .src(&*obj)
            .running_time(due)
            .stream_time_if_some(inbuf.pts().and_then(|pts| segment.to_stream_time(pts)))
            .timestamp_if_some(inbuf.pts())
            .duration_if_some(inbuf.duration())
            .values(lateness.nseconds() as i64, proportion, quality)
            .stats(
                gst::GenericFormattedValue::Buffers(Some(gst::format::Buffers::from_u64(went_on))),
                gst::GenericFormattedValue::Buffers(Some(gst::format::Buffers::from_u64(dropped))),
            )
            .build();
        self.post_message(message);
        fate
    }

    /// Upstream is asked once.
    fn is_live(&self) -> bool {
        if let Some(live) = *lock(&self.live) {
            return live;
        }
        let mut query = gst::query::Latency::new();
        let live = self.obj().sink_pad().peer_query(&mut query) && query.result().0;
        *lock(&self.live) = Some(live);
        live
    }

    fn not_a_frame(&self, error: &FrameError) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Format, ("{error}"));
        gst::FlowError::Error
    }

    /// A frame that was given up is no error: whoever flushes or stops knows.
    fn flow_error(&self, error: &engine::Error) -> gst::FlowError {
        if matches!(error, engine::Error::Cancelled) {
            self.cut.store(true, Ordering::Relaxed);
            return gst::FlowError::Flushing;
        }
        self.post_error_message(to_message(error));
        gst::FlowError::Error
    }

    /// Loads the bundle and tries it out on a small frame. The options then name the provider that ran.
    fn load(&self, settings: &Settings) -> Result<(Loaded, Deblurrer), engine::Error> {
        let bundle = match settings.model.as_str() {
            "" => Bundle::builtin()?,
            folder => Bundle::open(Path::new(folder))?,
        };
        let search = Search {
            library: settings.library(),
            beside: self.plugin_folder().into_iter().collect(),
        };
        let runtime = engine::runtime(&search)?;
        gst::info!(
            CAT,
            imp = self,
            "ONNX Runtime {} from {:?}",
            runtime.version(),
            runtime.path()
        );
        let mut options = settings.options();
        let trial = Deblurrer::new(&bundle, &options, &search, TRIAL)?;
        let steps = settings.steps as usize;
        if steps > trial.max_steps() {
            return Err(engine::Error::Steps {
                steps,
                max: trial.max_steps(),
            });
        }
        options.provider = Choice::Only(trial.provider());
        let loaded = Loaded {
            bundle,
            options,
            search,
        };
        Ok((loaded, trial))
    }

    fn plugin_folder(&self) -> Option<PathBuf> {
        let plugin = self.obj().factory()?.plugin()?;
        plugin.filename()?.parent().map(Path::to_owned)
    }

    /// Says on the bus what runs, and why nothing better does.
    fn announce(&self, deblurrer: &Deblurrer) {
        let mut structure = gst::Structure::builder("blurdm-provider").field("provider", deblurrer.provider().nick());
        for (provider, reason) in deblurrer.refused() {
            gst::info!(CAT, imp = self, "{provider} cannot be used: {reason}");
            structure = structure.field(format!("refused-{}", provider.nick()), reason);
        }
        let message = gst::message::Element::builder(structure.build())
            .src(&*self.obj())
            .build();
        self.post_message(message);
        self.obj().notify("active-provider");
    }

    /// Posts why caps are refused, once.
    fn refuse(&self, caps: &gst::Caps, message: gst::ErrorMessage) {
        let known = lock(&self.refused).replace(caps.clone());
        if known.as_ref() != Some(caps) {
            self.post_error_message(message);
        }
    }

    fn post_progress(&self, kind: gst::ProgressType, text: &str) {
        let message = gst::message::Progress::builder(kind, "load", text)
            .src(&*self.obj())
            .build();
        self.post_message(message);
    }

    fn post_message(&self, message: gst::Message) {
        if self.obj().post_message(message).is_err() {
            gst::trace!(CAT, imp = self, "no bus to post on");
        }
    }
}

/// Both frames as views of their first and only plane.
/// ONNX Runtime's own messages, into their own category. Called while graphs run: formats and returns.
fn log_runtime(level: LogLevel, location: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => gst::DebugLevel::Log,
        LogLevel::Info => gst::DebugLevel::Debug,
        LogLevel::Warning => gst::DebugLevel::Info,
        LogLevel::Error | LogLevel::Fatal => gst::DebugLevel::Warning,
    };
    gst::log_with_level!(*ORT_CAT, level, "{location}: {message}");
}
