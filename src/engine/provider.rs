// SPDX-License-Identifier: MPL-2.0

//! What a graph runs on.

use std::fmt;

/// An execution provider of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    TensorRt,
    Cuda,
    OpenVino,
    Cpu,
}

impl Provider {
    /// The order in which `auto` tries them: fastest first, on the machines that have them.
    pub const BEST_FIRST: [Provider; 4] = [Provider::TensorRt, Provider::Cuda, Provider::OpenVino, Provider::Cpu];

    /// As in the property `execution-provider`.
    pub fn nick(self) -> &'static str {
        match self {
            Provider::TensorRt => "tensorrt",
            Provider::Cuda => "cuda",
            Provider::OpenVino => "openvino",
            Provider::Cpu => "cpu",
        }
    }

    /// Whether it runs on one of NVIDIA's GPUs.
    pub fn on_gpu(self) -> bool {
        matches!(self, Provider::TensorRt | Provider::Cuda)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.nick())
    }
}

/// Which provider to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The best that really loads and runs.
    #[default]
    Auto,
    /// This one, or an error.
    Only(Provider),
}

impl Choice {
    /// The providers to try first, whose refusal is borne, and the last one, whose refusal is the error.
    pub(super) fn candidates(self) -> (&'static [Provider], Provider) {
        let [better @ .., last] = &Provider::BEST_FIRST;
        match self {
            Choice::Auto => (better, *last),
            Choice::Only(provider) => (&[], provider),
        }
    }
}
