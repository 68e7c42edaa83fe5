// SPDX-License-Identifier: MPL-2.0

//! What a graph runs on.

use std::fmt;

use ort::{
    ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch},
    session::builder::SessionBuilder,
};

use super::provider_options::{self, Pairs, Setup};

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

    /// Has the graphs of a session run on it. What a provider leaves over runs on the CPU; TensorRT leaves it to CUDA first.
    pub(super) fn register(self, builder: SessionBuilder, setup: &Setup<'_>) -> Result<SessionBuilder, ort::Error> {
        let dispatches = match self {
            Provider::Cpu => return Ok(builder),
            Provider::TensorRt => vec![
                told(ep::TensorRT::default(), provider_options::tensorrt(setup)).build(),
                told(ep::CUDA::default(), provider_options::cuda(setup)).build(),
            ],
            Provider::Cuda => {
                let pairs = [provider_options::cuda(setup), provider_options::needed_by_cuda(setup)];
                return with_all_or_needed::<ep::CUDA>(builder, pairs);
            }
            Provider::OpenVino => {
                let pairs = [
                    provider_options::openvino(setup),
                    provider_options::needed_by_openvino(setup),
                ];
                return with_all_or_needed::<ep::OpenVINO>(builder, pairs);
            }
        };
        registered(builder, dispatches)
    }
}

/// With all that makes it fast, or, where the runtime is too old to know that, with what it cannot do without.
fn with_all_or_needed<P>(builder: SessionBuilder, [all, needed]: [Pairs; 2]) -> Result<SessionBuilder, ort::Error>
where
    P: ArbitrarilyConfigurableExecutionProvider + Default + Into<ExecutionProviderDispatch>,
{
    let with = |builder, pairs| registered(builder, vec![told(P::default(), pairs).into()]);
    with(builder.clone(), all).or_else(|_| with(builder, needed))
}

fn told<P: ArbitrarilyConfigurableExecutionProvider>(provider: P, pairs: Pairs) -> P {
    pairs.into_iter().fold(provider, |provider, (key, value)| {
        provider.with_arbitrary_config(key, value)
    })
}

fn registered(
    builder: SessionBuilder,
    dispatches: Vec<ExecutionProviderDispatch>,
) -> Result<SessionBuilder, ort::Error> {
    // By default a provider that cannot load is passed over in silence, and the graph runs on the CPU.
    let dispatches: Vec<_> = dispatches
        .into_iter()
        .map(ExecutionProviderDispatch::error_on_failure)
        .collect();
    Ok(builder.with_execution_providers(dispatches)?)
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
    /// Whether a GPU provider may take its time to find out what is fastest: for files, not where somebody waits for the first picture.
    pub thorough: bool,
    /// What a GPU provider may take of the device's memory, in MiB; 0 is as much as it needs.
    pub memory_limit_mib: u32,
}

impl Settings {
    /// In bytes; none for no limit.
    pub(super) fn memory_limit(self) -> Option<u64> {
        (self.memory_limit_mib > 0).then(|| u64::from(self.memory_limit_mib) << 20)
    }
}
