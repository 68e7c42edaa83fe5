// SPDX-License-Identifier: MPL-2.0

//! The element `blurdm`, a filter that removes motion blur from video.
//!
//! ```text
//! gst-launch-1.0 v4l2src ! videoconvert ! blurdm ! queue max-size-bytes=0 ! videoconvert ! autovideosink
//! gst-launch-1.0 filesrc location=drive.mp4 ! decodebin ! videoconvert ! blurdm compare=split ! videoconvert ! autovideosink
//! ```
//!
//! Takes and gives RGBx, RGBA, BGRx, BGRA, xRGB, RGB, BGR, NV12, I420, P010_10LE, I420_10LE and GRAY8, progressive, from 16x16
//! on; caps, timestamps, flags and metas pass untouched. RGBx and RGBA without row padding cost no conversion. To YCbCr and grey
//! frames the change that the network made is added, so that what it left alone keeps its bits.
//!
//! A frame that is larger than `tile-size` is restored in overlapping tiles of that size, which go over into each other without a
//! seam: memory then grows with the tile and hardly with the frame. Each tile has a prior of its own, so that a frame comes out
//! a little different than whole.
//!
//! With `adaptive`, frames are restored at a smaller scale where there is not enough time for all of it; with a live source that is
//! found out before the first frame, which is why an application must wait for the PROGRESS messages before it plays one.
//!
//! The element answers the LATENCY query with what a frame has cost, and posts a Latency message when that changes. A frame that
//! would still come too late is restored all the same where the source is not live, and passed on as it came where it is;
//! `deadline` says otherwise. The queue in the first line lets another thread wait until frames are shown: without one, frames that cost
//! more than the time between them all come too late but the first, which the element warns of. `GstVideoFilter` turns QoS on, under which a model slower than the frame rate would silently lose
//! most frames: `blurdm` turns it off again (`qos=true` brings it back).

#[path = "timing/adaptive.rs"]
mod adaptive;
#[cfg(feature = "cuda-memory")]
#[path = "stream/cuda_memory.rs"]
mod cuda_memory;
#[path = "timing/deadline.rs"]
mod deadline;
mod errors;
#[path = "stream/in_flight.rs"]
mod flight;
#[path = "stream/transform.rs"]
mod flying;
#[path = "stream/formats.rs"]
mod formats;
mod imp;
#[path = "timing/latency.rs"]
mod latency;
#[path = "stream/lateness.rs"]
mod lateness;
#[path = "stream/loading.rs"]
mod loading;
mod messages;
#[path = "stream/adaptation.rs"]
mod pace;
#[path = "stream/pool.rs"]
mod pooling;
#[path = "stream/restoring.rs"]
mod restoring;
mod settings;
#[path = "timing/stats.rs"]
mod stats;
#[path = "timing/blocked_downstream.rs"]
mod waiting;
#[path = "stream/deblurrers.rs"]
mod worker;

use gst::{glib, prelude::*};

use crate::engine;

glib::wrapper! {
    /// The element, as an object. Made by the factory `blurdm`.
    pub struct BlurDm(ObjectSubclass<imp::BlurDm>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Values of the property `execution-provider`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmExecutionProvider")]
pub enum ExecutionProvider {
    #[default]
    #[enum_value(name = "The best that really loads: TensorRT, CUDA, OpenVINO, CPU", nick = "auto")]
    Auto,
    #[enum_value(name = "NVIDIA TensorRT", nick = "tensorrt")]
    TensorRt,
    #[enum_value(name = "NVIDIA CUDA", nick = "cuda")]
    Cuda,
    #[enum_value(name = "Intel OpenVINO, on the CPU", nick = "openvino")]
    OpenVino,
    #[enum_value(name = "CPU", nick = "cpu")]
    Cpu,
}

impl From<ExecutionProvider> for engine::Choice {
    fn from(provider: ExecutionProvider) -> Self {
        use engine::{Choice, Provider};
        match provider {
            ExecutionProvider::Auto => Choice::Auto,
            ExecutionProvider::TensorRt => Choice::Only(Provider::TensorRt),
            ExecutionProvider::Cuda => Choice::Only(Provider::Cuda),
            ExecutionProvider::OpenVino => Choice::Only(Provider::OpenVino),
            ExecutionProvider::Cpu => Choice::Only(Provider::Cpu),
        }
    }
}

/// Values of the property `precision`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmPrecision")]
pub enum Precision {
    #[default]
    #[enum_value(
        name = "The fastest that loses less than 0.1 dB, by the model's own figures",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "32-bit floats, as trained", nick = "fp32")]
    Fp32,
    #[enum_value(name = "bfloat16, with openvino on CPUs that have units for it", nick = "bf16")]
    Bf16,
    #[enum_value(name = "16-bit floats, if the model has such a variant", nick = "fp16")]
    Fp16,
    #[enum_value(name = "8-bit integers, if the model has such a variant", nick = "int8")]
    Int8,
}

impl From<Precision> for Option<engine::Precision> {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Auto => None,
            Precision::Fp32 => Some(engine::Precision::Fp32),
            Precision::Bf16 => Some(engine::Precision::Bf16),
            Precision::Fp16 => Some(engine::Precision::Fp16),
            Precision::Int8 => Some(engine::Precision::Int8),
        }
    }
}

/// Values of the property `compare`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmCompare")]
pub enum Compare {
    #[default]
    #[enum_value(name = "Only the restored frame", nick = "off")]
    Off,
    #[enum_value(name = "The original left of a line", nick = "split")]
    Split,
}

/// Values of the property `deadline`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmLateFrame")]
pub enum LateFrame {
    #[default]
    #[enum_value(
        name = "The original in a live pipeline, else it is restored all the same",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "It is restored, however late", nick = "process")]
    Process,
    #[enum_value(name = "It goes on as it came", nick = "passthrough")]
    Passthrough,
    #[enum_value(name = "It is dropped", nick = "drop")]
    Drop,
}

/// Values of the property `on-error`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmOnError")]
pub enum OnError {
    #[default]
    #[enum_value(name = "The stream ends with an error", nick = "fail")]
    Fail,
    #[enum_value(name = "Frames go on as they came, after a warning", nick = "passthrough")]
    Passthrough,
}

/// Registers the element with a plugin.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    ExecutionProvider::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    Precision::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    OnError::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    LateFrame::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    Compare::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(Some(plugin), "blurdm", gst::Rank::NONE, BlurDm::static_type())
}
