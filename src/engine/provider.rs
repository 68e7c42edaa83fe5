// SPDX-License-Identifier: MPL-2.0

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
    /// The order in which [`Choice::Auto`] tries them: the fastest first, on machines that have it.
    pub const BEST_FIRST: [Provider; 4] = [Provider::TensorRt, Provider::Cuda, Provider::OpenVino, Provider::Cpu];

    /// Returns the name that the property `execution-provider` uses.
    pub fn nick(self) -> &'static str {
        match self {
            Provider::TensorRt => "tensorrt",
            Provider::Cuda => "cuda",
            Provider::OpenVino => "openvino",
            Provider::Cpu => "cpu",
        }
    }

    /// Returns whether it runs on an NVIDIA GPU.
    pub fn on_gpu(self) -> bool {
        matches!(self, Provider::TensorRt | Provider::Cuda)
    }

    /// Returns whether it can capture the work of a graph and replay it (a CUDA graph). TensorRT launches few kernels
    /// and would gain little, and every attempt takes it minutes.
    pub(super) fn captures_graphs(self) -> bool {
        matches!(self, Provider::Cuda)
    }

    /// Returns the library with which it builds engines that take so long that they are stored, or `None` if it builds
    /// none.
    pub(super) fn engine_builder(self) -> Option<&'static str> {
        match self {
            Provider::TensorRt => Some("libnvinfer.so"),
            Provider::Cuda | Provider::OpenVino | Provider::Cpu => None,
        }
    }

    /// Returns what to do where ONNX Runtime was built without it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Provider::TensorRt => "build ONNX Runtime with it (--use_tensorrt), and name it in library-path",
            Provider::Cuda => "install onnxruntime-gpu, and name its libonnxruntime.so in library-path",
            Provider::OpenVino => {
                "run `make install`, or install onnxruntime-openvino and name its libonnxruntime.so in library-path"
            }
            Provider::Cpu => "install ONNX Runtime again",
        }
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
    /// The best one that loads and runs.
    #[default]
    Auto,
    /// This one, or an error.
    Only(Provider),
}

impl Choice {
    /// Returns the providers to try first, which may be rejected, and the last one, whose rejection is an error.
    pub(super) fn candidates(self) -> (&'static [Provider], Provider) {
        let [better @ .., last] = &Provider::BEST_FIRST;
        match self {
            Choice::Auto => (better, *last),
            Choice::Only(provider) => (&[], provider),
        }
    }
}
