// SPDX-License-Identifier: MPL-2.0

//! The values of the element's enumerated properties, and what each means to the engine and to the element.

use gst::glib;

use super::timing::deadline::Decision;
use crate::engine;

/// Values of the property `execution-provider`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmExecutionProvider")]
pub enum ExecutionProvider {
    #[default]
    #[enum_value(
        name = "The first of TensorRT, CUDA, OpenVINO and CPU that runs the model",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "NVIDIA TensorRT", nick = "tensorrt")]
    TensorRt,
    #[enum_value(name = "NVIDIA CUDA", nick = "cuda")]
    Cuda,
    #[enum_value(name = "Intel OpenVINO on the CPU", nick = "openvino")]
    OpenVino,
    #[enum_value(name = "ONNX Runtime's own CPU provider", nick = "cpu")]
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
        name = "The fastest that loses less than 0.1 dB according to the model",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "32-bit floating point, as trained", nick = "fp32")]
    Fp32,
    #[enum_value(name = "bfloat16, with openvino on CPUs that compute in it", nick = "bf16")]
    Bf16,
    #[enum_value(name = "16-bit floating point, if the model has that variant", nick = "fp16")]
    Fp16,
    #[enum_value(name = "8-bit integers, if the model has that variant", nick = "int8")]
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
    #[enum_value(name = "The original left of a vertical line", nick = "split")]
    Split,
}

/// Values of the property `deadline`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmLateFrame")]
pub enum LateFrame {
    #[default]
    #[enum_value(name = "Pass it through if the source is live, otherwise restore it", nick = "auto")]
    Auto,
    #[enum_value(name = "Restore it, however late it is", nick = "process")]
    Process,
    #[enum_value(name = "Pass it through unchanged", nick = "passthrough")]
    Passthrough,
    #[enum_value(name = "Drop it", nick = "drop")]
    Drop,
}

impl LateFrame {
    /// Returns what becomes of a late frame. `live`: whether the source is.
    pub(super) fn decision(self, live: bool) -> Decision {
        match self {
            Self::Process => Decision::Restore,
            Self::Passthrough => Decision::PassThrough,
            Self::Drop => Decision::Drop,
            Self::Auto if live => Decision::PassThrough,
            Self::Auto => Decision::Restore,
        }
    }
}

/// Values of the property `on-error`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstBlurDmOnError")]
pub enum OnError {
    #[default]
    #[enum_value(name = "Post an error and end the stream", nick = "fail")]
    Fail,
    #[enum_value(name = "Post a warning and pass the frame through unchanged", nick = "passthrough")]
    Passthrough,
}
