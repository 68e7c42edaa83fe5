// SPDX-License-Identifier: MPL-2.0

//! Registers execution providers with a session builder.

use ort::{
    ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch},
    session::builder::SessionBuilder,
};

use super::provider_options::{self, Pairs, Setup};
use crate::engine::provider::Provider;

/// Has the graphs of a session run on it. What a provider leaves over runs on the CPU; TensorRT leaves it to CUDA first.
pub(crate) fn register(
    provider: Provider,
    builder: SessionBuilder,
    setup: &Setup<'_>,
) -> Result<SessionBuilder, ort::Error> {
    let dispatches = match provider {
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
