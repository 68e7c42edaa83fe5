// SPDX-License-Identifier: MPL-2.0

//! What the element posts on its bus and writes to GStreamer's log.

use std::sync::LazyLock;

use gst::prelude::*;
use gst_base::prelude::*;
use ort::logging::LogLevel;

use super::timing::deadline::Decision;
use crate::engine::Deblurrer;

pub static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("blurdm", gst::DebugColorFlags::empty(), Some("Motion deblurring")));

static ORT_CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "blurdm-ort",
        gst::DebugColorFlags::empty(),
        Some("ONNX Runtime under blurdm"),
    )
});

/// The quality of a frame in QOS messages, in parts of a million: restored at its own scale.
const WHOLE_QUALITY: i32 = 1_000_000;

/// The quality of a frame that is passed through: it is shown, though blurred.
const UNCHANGED_QUALITY: i32 = 500_000;

/// Posts a message. Without a bus it is lost.
pub fn post(element: &gst_base::BaseTransform, message: gst::Message) {
    if element.post_message(message).is_err() {
        gst::trace!(CAT, obj = element, "no bus to post on");
    }
}

/// Posts that the element's latency has changed, so that the pipeline distributes it again.
pub fn post_latency(element: &gst_base::BaseTransform) {
    post(element, gst::message::Latency::builder().src(element).build());
}

/// Posts how loading the model goes.
pub fn post_progress(element: &gst_base::BaseTransform, kind: gst::ProgressType, text: &str) {
    let message = gst::message::Progress::builder(kind, "load", text).src(element);
    post(element, message.build());
}

/// Posts the provider and the precision that are in use, and why each better provider is not.
pub fn post_provider(element: &gst_base::BaseTransform, deblurrer: &Deblurrer) {
    let mut structure = gst::Structure::builder("blurdm-provider")
        .field("provider", deblurrer.provider().nick())
        .field("precision", deblurrer.precision().nick());
    for (provider, reason) in deblurrer.rejected_providers() {
        gst::info!(CAT, obj = element, "{provider} is not available: {reason}");
        structure = structure.field(format!("refused-{}", provider.nick()), reason);
    }
    let message = gst::message::Element::builder(structure.build()).src(element);
    post(element, message.build());
}

/// The values of a QOS message.
#[derive(Debug, Clone, Copy)]
pub struct Qos {
    pub live: bool,
    /// How late the frame is, in nanoseconds.
    pub jitter: i64,
    pub proportion: f64,
    /// In parts of a million.
    pub quality: i32,
    /// Frames that went on so far, restored or unchanged.
    pub processed: u64,
    pub dropped: u64,
}

/// Posts that a frame did not get all the work, because there was not enough time.
pub fn post_qos(element: &gst_base::BaseTransform, frame: &gst::BufferRef, qos: Qos) {
    let count = |frames| gst::GenericFormattedValue::Buffers(Some(gst::format::Buffers::from_u64(frames)));
    let segment = element.segment();
    let segment = segment.downcast_ref::<gst::ClockTime>();
    let message = gst::message::Qos::builder(qos.live)
        .src(element)
        .running_time_if_some(segment.and_then(|segment| segment.to_running_time(frame.pts()?)))
        .stream_time_if_some(segment.and_then(|segment| segment.to_stream_time(frame.pts()?)))
        .timestamp_if_some(frame.pts())
        .duration_if_some(frame.duration())
        .values(qos.jitter, qos.proportion, qos.quality)
        .stats(count(qos.processed), count(qos.dropped));
    post(element, message.build());
}

/// Returns the quality of a frame that is restored with its sides divided by `reduction`: the share of its pixels, counted from the
/// quality of an unchanged frame.
pub fn restored_quality(reduction: usize) -> i32 {
    UNCHANGED_QUALITY + (WHOLE_QUALITY - UNCHANGED_QUALITY) / (reduction * reduction) as i32
}

/// Returns the quality of a late frame.
pub fn late_quality(decision: Decision) -> i32 {
    match decision {
        Decision::Restore => WHOLE_QUALITY,
        Decision::PassThrough => UNCHANGED_QUALITY,
        Decision::Drop => 0,
    }
}

/// Writes a message of ONNX Runtime to its own debug category. Runs on ONNX Runtime's threads, in the middle of a graph.
pub fn log_runtime(level: LogLevel, location: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => gst::DebugLevel::Log,
        LogLevel::Info => gst::DebugLevel::Debug,
        LogLevel::Warning => gst::DebugLevel::Info,
        LogLevel::Error | LogLevel::Fatal => gst::DebugLevel::Warning,
    };
    gst::log_with_level!(*ORT_CAT, level, "{location}: {message}");
}
