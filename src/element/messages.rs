// SPDX-License-Identifier: MPL-2.0

//! What the element says on its bus and in its log.

use std::sync::LazyLock;

use gst::{prelude::*, subclass::prelude::*};
use gst_base::prelude::*;
use ort::logging::LogLevel;

use super::imp::{BlurDm, CAT, lock};

static ORT_CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "blurdm-ort",
        gst::DebugColorFlags::empty(),
        Some("ONNX Runtime under blurdm"),
    )
});

impl BlurDm {
    /// Posts why caps are refused, once.
    pub(super) fn refuse(&self, caps: &gst::Caps, message: gst::ErrorMessage) {
        let known = lock(&self.refused).replace(caps.clone());
        if known.as_ref() != Some(caps) {
            self.post_error_message(message);
        }
    }

    /// Tells what became of a frame for want of time. `values`: jitter in ns, proportion, quality in parts of a million.
    pub(super) fn post_qos(&self, frame: &gst::BufferRef, values: (i64, f64, i32)) {
        let (went_on, dropped) = lock(&self.stats).outcome();
        let count = |frames| gst::GenericFormattedValue::Buffers(Some(gst::format::Buffers::from_u64(frames)));
        let segment = self.obj().segment();
        let segment = segment.downcast_ref::<gst::ClockTime>();
        let message = gst::message::Qos::builder(self.is_live())
            .src(&*self.obj())
            .running_time_if_some(segment.and_then(|segment| segment.to_running_time(frame.pts()?)))
            .stream_time_if_some(segment.and_then(|segment| segment.to_stream_time(frame.pts()?)))
            .timestamp_if_some(frame.pts())
            .duration_if_some(frame.duration())
            .values(values.0, values.1, values.2)
            .stats(count(went_on), count(dropped))
            .build();
        self.post_message(message);
    }

    pub(super) fn post_progress(&self, kind: gst::ProgressType, text: &str) {
        let message = gst::message::Progress::builder(kind, "load", text)
            .src(&*self.obj())
            .build();
        self.post_message(message);
    }

    pub(super) fn post_message(&self, message: gst::Message) {
        if self.obj().post_message(message).is_err() {
            gst::trace!(CAT, imp = self, "no bus to post on");
        }
    }
}

/// ONNX Runtime's own messages, into their own category. Called while graphs run: formats and returns.
pub(super) fn log_runtime(level: LogLevel, location: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => gst::DebugLevel::Log,
        LogLevel::Info => gst::DebugLevel::Debug,
        LogLevel::Warning => gst::DebugLevel::Info,
        LogLevel::Error | LogLevel::Fatal => gst::DebugLevel::Warning,
    };
    gst::log_with_level!(*ORT_CAT, level, "{location}: {message}");
}
