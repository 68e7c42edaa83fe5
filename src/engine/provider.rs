// SPDX-License-Identifier: MPL-2.0

//! What a graph runs on.

use std::fmt;

use ort::{
    ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch},
    session::builder::SessionBuilder,
};

use super::Precision;

/// OpenVINO's own setting for it; by itself the provider asks for fp32.
const IN_BF16: &str = r#"{"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}"#;

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

    /// What its graphs run on; none for the CPU, which is always there.
    fn dispatch(self, settings: &Settings, precision: Precision) -> Option<ExecutionProviderDispatch> {
        let dispatch = match self {
            Provider::Cpu => return None,
            Provider::TensorRt => ep::TensorRT::default()
                .with_device_id(settings.device_id)
                .with_fp16(true)
                .build(),
            Provider::Cuda => ep::CUDA::default().with_device_id(settings.device_id).build(),
            Provider::OpenVino => {
                let mut openvino = ep::OpenVINO::default().with_device_type("CPU");
                if precision == Precision::Bf16 {
                    openvino = openvino.with_arbitrary_config("load_config", IN_BF16);
                }
                match settings.threads {
                    0 => openvino.build(),
                    threads => openvino.with_num_threads(threads).build(),
                }
            }
        };
        // By default a provider that cannot load is passed over in silence, and the graph runs on the CPU.
        Some(dispatch.error_on_failure())
    }

    pub(super) fn register(
        self,
        builder: SessionBuilder,
        settings: &Settings,
        precision: Precision,
    ) -> Result<SessionBuilder, ort::Error> {
        match self.dispatch(settings, precision) {
            None => Ok(builder),
            Some(dispatch) => Ok(builder.with_execution_providers([dispatch])?),
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

/// How a provider is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// GPU to use, by its number.
    pub device_id: i32,
    /// CPU threads of a graph; 0 is one per core.
    pub threads: usize,
}
