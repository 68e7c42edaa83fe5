// SPDX-License-Identifier: MPL-2.0

//! The graphs of a bundle as sessions whose inputs and outputs are checked against the contract.

use cudarc::driver::CudaStream;
use ndarray::ArrayView1;
use ort::session::{
    Session,
    builder::{GraphOptimizationLevel, SessionBuilder},
};

use super::{
    binding::{Binding, Input, Output, device_memory, host_memory},
    canceler::Canceler,
    context::Context,
};
use crate::{
    diffusion::{ResidualEstimator, Residuals},
    engine::{
        bundle::Contract,
        error::Error,
        frame_size::FrameSize,
        gpu,
        options::Settings,
        precision::Precision,
        prior_in_use::ScaleShares,
        provider::Provider,
        runtime::{self, Runtime, Setup},
    },
};

/// A session with its name in the contract.
struct Graph {
    session: Session,
    binding: Binding,
    canceler: Canceler,
    name: &'static str,
}

impl Graph {
    /// Creates the session of a graph for frames of `size`, if it sees any. On a device it runs on `stream`.
    fn load(
        context: Context<'_>,
        provider: Provider,
        contract: &Contract,
        bytes: &[u8],
        size: Option<FrameSize>,
        stream: Option<&CudaStream>,
    ) -> Result<Self, Error> {
        let name = contract.graph;
        let failed = |error: ort::Error| Error::Inference {
            graph: name,
            reason: error.message().to_owned(),
        };
        let builder = builder_for(context, size).map_err(failed)?;
        let setup = Setup {
            settings: context.settings,
            precision: context.precision,
            size,
            graph: name,
            cache: context.cache,
            stream: stream.and_then(gpu::address),
            captured: context.staged.is_some_and(|staged| staged.captured),
        };
        let session = session(context, provider, builder, &setup, bytes)?;
        contract.check(context.bundle, session.inputs(), session.outputs())?;
        if let Some(size) = size {
            let outlets = session.inputs().iter().chain(session.outputs());
            contract.check_size(context.bundle, context.tile, outlets, size)?;
        }
        Ok(Self {
            binding: binding(context, provider, &session).map_err(failed)?,
            session,
            canceler: context.canceler.clone(),
            name,
        })
    }

    /// Creates the session of a graph of a few hundred numbers, which runs on the CPU whatever the others run on.
    fn load_small(context: Context<'_>, contract: &Contract, bytes: &[u8]) -> Result<Self, Error> {
        let context = Context {
            settings: Settings {
                threads: 1,
                ..context.settings
            },
            staged: None,
            ..context
        };
        Self::load(context, Provider::Cpu, contract, bytes, None, None)
    }

    fn not_contiguous(&self) -> Error {
        Error::Inference {
            graph: self.name,
            reason: "the values of a vector are not contiguous".into(),
        }
    }

    fn run<const I: usize, const O: usize>(
        &mut self,
        inputs: [Input<'_>; I],
        outputs: [Output<'_>; O],
    ) -> Result<(), Error> {
        self.binding.run(&mut self.session, inputs, outputs).map_err(|reason| {
            if self.canceler.is_cancelled() {
                Error::Cancelled
            } else {
                Error::Inference {
                    graph: self.name,
                    reason,
                }
            }
        })
    }
}

/// Creates a session of any graph on the CPU, and drops it. Errors name it by `label`.
pub(in crate::engine) fn try_graph(runtime: &Runtime, label: &str, bytes: &[u8]) -> Result<(), Error> {
    // A graph that is not run needs no more threads.
    let builder = builder(runtime).and_then(|builder| Ok(builder.with_intra_threads(1)?));
    let created = builder.and_then(|mut builder| builder.commit_from_memory(bytes));
    created
        .map(|_| ())
        .map_err(|error| cannot_load(label, "the graph", &error))
}

pub(super) fn cannot_load(bundle: &str, graph: &str, error: &ort::Error) -> Error {
    Error::BundleInvalid {
        bundle: bundle.to_owned(),
        file: graph.to_owned(),
        reason: format!("ONNX Runtime cannot load the graph: {}", error.message()),
    }
}

/// Returns the builder of a session with what all sessions have in common.
pub(super) fn builder(runtime: &Runtime) -> Result<SessionBuilder, ort::Error> {
    // A spinning worker thread takes the core that the decoder and the sink need. The level is `All` because ONNX
    // Runtime 1.20 and 1.21 refuse the number that `Level3` stands for.
    let builder = Session::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // The gate reads ONNX: nothing is to be taken for the runtime's own format.
        .with_config_entry("session.load_model_format", "ONNX")?;
    Ok(builder)
}

fn builder_for(context: Context<'_>, size: Option<FrameSize>) -> Result<SessionBuilder, ort::Error> {
    let mut builder = builder(context.runtime)?;
    if context.settings.threads > 0 {
        builder = builder.with_intra_threads(context.settings.threads)?;
    }
    if let Some(size) = size {
        builder = builder
            .with_dimension_override("height", size.height as i64)?
            .with_dimension_override("width", size.width as i64)?;
    }
    Ok(builder)
}

fn session(
    context: Context<'_>,
    provider: Provider,
    builder: SessionBuilder,
    setup: &Setup<'_>,
    bytes: &[u8],
) -> Result<Session, Error> {
    if let Some(reason) = runtime::refusal(provider, context.runtime) {
        return Err(Error::Provider { provider, reason });
    }
    let rejected = |message: &str| Error::Provider {
        provider,
        reason: runtime::explain(provider, context.runtime, message),
    };
    let mut builder = runtime::register(provider, builder, setup).map_err(|error| rejected(error.message()))?;
    builder.commit_from_memory(bytes).map_err(|error| match provider {
        Provider::Cpu => cannot_load(context.bundle, setup.graph, &error),
        _ => rejected(&format!("it cannot run the {} graph: {}", setup.graph, error.message())),
    })
}

fn binding(context: Context<'_>, provider: Provider, session: &Session) -> Result<Binding, ort::Error> {
    let device = if provider.on_gpu() {
        device_memory(context.settings.device_id)?
    } else {
        host_memory()?
    };
    // Where frames are staged, the reader of a graph's output waits for the device.
    let options = match context.staged {
        Some(_) => context.canceler.asynchronous_options(),
        None => context.canceler.options(),
    };
    Binding::new(session, options, device)
}

/// `prior_encoder`: a frame to z_B.
pub(super) struct PriorEncoder {
    graph: Graph,
}

impl PriorEncoder {
    pub fn load(
        context: Context<'_>,
        provider: Provider,
        bytes: &[u8],
        size: FrameSize,
        dim: usize,
    ) -> Result<Self, Error> {
        let contract = Contract::prior_encoder(dim);
        let stream = context.staged.map(|staged| &*staged.device.prior);
        let context = Context {
            precision: Precision::Fp32,
            ..context
        };
        let graph = Graph::load(context, provider, &contract, bytes, Some(size), stream)?;
        Ok(Self { graph })
    }

    /// Fills `z_blur` [1, D] from `frame` [1, H, W, 4].
    pub fn encode(&mut self, frame: Input<'_>, z_blur: Output<'_>) -> Result<(), Error> {
        self.graph.run([frame], [z_blur])
    }
}

/// `residuals`: the estimators of the sampler.
pub(super) struct ResidualGraph {
    graph: Graph,
}

impl ResidualGraph {
    pub fn load(context: Context<'_>, bytes: &[u8], dim: usize) -> Result<Self, Error> {
        let graph = Graph::load_small(context, &Contract::residuals(dim), bytes)?;
        Ok(Self { graph })
    }
}

impl ResidualEstimator for ResidualGraph {
    type Error = Error;

    fn estimate(
        &mut self,
        z_t: ArrayView1<'_, f32>,
        z_blur: ArrayView1<'_, f32>,
        t: usize,
        s: usize,
        residuals: &mut Residuals,
    ) -> Result<(), Error> {
        let latent = [1, z_t.len() as i64];
        let (Some(z_t), Some(z_blur)) = (z_t.as_slice(), z_blur.as_slice()) else {
            return Err(self.graph.not_contiguous());
        };
        let Residuals { blur, noise } = residuals;
        let (Some(blur), Some(noise)) = (blur.as_slice_mut(), noise.as_slice_mut()) else {
            return Err(self.graph.not_contiguous());
        };
        self.graph.run(
            [
                Input::floats(z_t, &latent),
                Input::floats(z_blur, &latent),
                Input::floats(&[t as f32], &[1]),
                Input::floats(&[s as f32], &[1]),
            ],
            [Output::floats(blur, &latent), Output::floats(noise, &latent)],
        )
    }
}

/// `scales`: at which scales a frame is restored.
pub(super) struct ScalesGraph {
    graph: Graph,
    count: usize,
}

impl ScalesGraph {
    /// Loads the graph of a network of `count` scales.
    pub fn load(context: Context<'_>, bytes: &[u8], dim: usize, count: usize) -> Result<Self, Error> {
        let graph = Graph::load_small(context, &Contract::scales(dim, count), bytes)?;
        Ok(Self { graph, count })
    }

    /// Returns the shares of the scales under a prior [1, D].
    pub fn shares(&mut self, prior: ArrayView1<'_, f32>) -> Result<ScaleShares, Error> {
        let prior = prior.as_slice().ok_or_else(|| self.graph.not_contiguous())?;
        let mut shares = ScaleShares::zeros(self.count);
        self.graph.run(
            [Input::floats(prior, &[1, prior.len() as i64])],
            [Output::floats(shares.as_mut_slice(), &[1, self.count as i64])],
        )?;
        if !shares.as_slice().iter().all(|share| share.is_finite()) {
            return Err(Error::NotAPicture {
                reason: "the shares of the scales are not finite numbers".into(),
            });
        }
        Ok(shares)
    }
}

/// `backbone`: a frame, and its prior if the bundle has one, to the restored frame.
pub(super) struct Backbone {
    graph: Graph,
}

impl Backbone {
    pub fn load(
        context: Context<'_>,
        provider: Provider,
        bytes: &[u8],
        size: FrameSize,
        dim: Option<usize>,
    ) -> Result<Self, Error> {
        let contract = Contract::backbone(dim);
        let stream = context.staged.map(|staged| &*staged.device.backbone);
        let graph = Graph::load(context, provider, &contract, bytes, Some(size), stream)?;
        Ok(Self { graph })
    }

    /// Fills `restored` from `frame`, both [1, H, W, 4], and the prior [1, D], which is `None` where the bundle has
    /// none.
    pub fn restore(&mut self, frame: Input<'_>, prior: Option<Input<'_>>, restored: Output<'_>) -> Result<(), Error> {
        match prior {
            Some(prior) => self.graph.run([frame, prior], [restored]),
            None => self.graph.run([frame], [restored]),
        }
    }
}
