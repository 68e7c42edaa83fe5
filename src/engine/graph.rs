// SPDX-License-Identifier: MPL-2.0

//! The three graphs of a bundle as sessions whose inputs and outputs have been checked against the contract.

use std::path::Path;

use cudarc::driver::CudaStream;
use ndarray::ArrayView1;
use ort::session::{
    Session,
    builder::{GraphOptimizationLevel, SessionBuilder},
};

use super::{
    Error, Precision,
    cancel::Canceler,
    contract::{Port, check_contract, check_sides},
    device::{self, Device},
    in_place::{self, InPlace, Input, Output},
    libraries,
    provider::{Provider, Settings},
    provider_options::Setup,
    runtime::Runtime,
};
use crate::diffusion::{ResidualEstimator, Residuals};

/// Bytes of a pixel of a frame tensor: red, green, blue and a fourth that is copied through.
pub const PIXEL_BYTES: usize = 4;

/// Width and height of the frames, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameSize {
    pub width: usize,
    pub height: usize,
}

impl FrameSize {
    /// Bytes of a tight frame.
    pub fn bytes(self) -> usize {
        self.width * self.height * PIXEL_BYTES
    }

    /// Bytes of a tight row.
    #[cfg(feature = "cuda-memory")]
    pub(super) fn row(self) -> usize {
        self.width * PIXEL_BYTES
    }

    pub(super) fn shape(self) -> [i64; 4] {
        [1, self.height as i64, self.width as i64, PIXEL_BYTES as i64]
    }
}

/// What a session is made with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub canceler: &'a Canceler,
    pub runtime: &'static Runtime,
    pub bundle: &'a str,
    pub settings: Settings,
    /// Of the backbone.
    pub precision: Precision,
    /// The side that the manifest fixes the graphs to.
    pub tile: Option<usize>,
    /// Where engines are kept.
    pub cache: Option<&'a Path>,
    /// Set where frames lie on the device while graphs run.
    pub staged: Option<Staged<'a>>,
}

/// How graphs run on frames that lie on a device.
#[derive(Clone, Copy)]
pub(super) struct Staged<'a> {
    pub device: &'a Device,
    /// Whether the provider records what a graph does and repeats it as one, as a CUDA graph.
    pub captured: bool,
}

/// A session with its name in the contract.
struct Graph {
    session: Session,
    in_place: InPlace,
    canceler: Canceler,
    name: &'static str,
}

impl Graph {
    fn load(
        context: Context<'_>,
        provider: Provider,
        name: &'static str,
        bytes: &[u8],
        size: Option<FrameSize>,
        inputs: &[Port],
        outputs: &[Port],
    ) -> Result<Self, Error> {
        let builder = builder(context, size).map_err(|error| Error::Inference {
            graph: name,
            reason: error.to_string(),
        })?;
        let refused = |message: &str| Error::Provider {
            provider,
            reason: libraries::explain(provider, context.runtime, message),
        };
        if let Some(reason) = libraries::refusal(provider, context.runtime) {
            return Err(Error::Provider { provider, reason });
        }
        let setup = Setup {
            settings: context.settings,
            precision: context.precision,
            size,
            graph: name,
            cache: context.cache,
            stream: context.staged.and_then(|staged| device::address(stream(staged, name))),
            captured: context.staged.is_some_and(|staged| staged.captured),
        };
        let mut builder = provider
            .register(builder, &setup)
            .map_err(|error| refused(error.message()))?;
        let session = builder.commit_from_memory(bytes).map_err(|error| match provider {
            Provider::Cpu => Error::BundleInvalid {
                bundle: context.bundle.to_owned(),
                file: name.to_owned(),
                reason: format!("ONNX Runtime cannot load the graph: {}", error.message()),
            },
            _ => refused(&format!("it cannot run the {name} graph: {}", error.message())),
        })?;
        check_contract(context, name, "inputs", session.inputs(), inputs)?;
        check_contract(context, name, "outputs", session.outputs(), outputs)?;
        if let Some(size) = size {
            let mut outlets = session.inputs().iter().chain(session.outputs());
            outlets.try_for_each(|outlet| check_sides(context, name, outlet, size))?;
        }
        let in_place = in_place(context, provider, &session).map_err(|error| Error::Inference {
            graph: name,
            reason: error.message().to_owned(),
        })?;
        Ok(Self {
            session,
            in_place,
            canceler: context.canceler.clone(),
            name,
        })
    }

    fn run<const I: usize, const O: usize>(
        &mut self,
        inputs: [Input<'_>; I],
        outputs: [Output<'_>; O],
    ) -> Result<(), Error> {
        self.in_place.run(&mut self.session, inputs, outputs).map_err(|reason| {
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

fn in_place(context: Context<'_>, provider: Provider, session: &Session) -> Result<InPlace, ort::Error> {
    let device = if provider.on_gpu() {
        in_place::device_memory(context.settings.device_id)?
    } else {
        in_place::host_memory()?
    };
    // Where frames are staged, whoever reads what a graph wrote waits for it.
    let options = match context.staged {
        Some(_) => context.canceler.options_ahead(),
        None => context.canceler.options(),
    };
    InPlace::new(session, options, device)
}

/// The stream that a graph runs on.
fn stream<'a>(staged: Staged<'a>, graph: &str) -> &'a CudaStream {
    match graph {
        PRIOR_ENCODER => &staged.device.prior,
        _ => &staged.device.backbone,
    }
}

fn builder(context: Context<'_>, size: Option<FrameSize>) -> Result<SessionBuilder, ort::Error> {
    // A spinning worker thread burns the core that the decoder and the sink need. `All`, since ONNX Runtime 1.20 and 1.21 refuse
    // the number that `Level3` stands for.
    let mut builder = Session::builder(context.runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?;
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

const PRIOR_ENCODER: &str = "prior_encoder";

/// `prior_encoder`: frame to z_B.
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
        let inputs = [Port::frame("frame")];
        let outputs = [Port::latent("z_blur", dim)];
        let context = Context {
            precision: Precision::Fp32,
            ..context
        };
        let graph = Graph::load(context, provider, PRIOR_ENCODER, bytes, Some(size), &inputs, &outputs)?;
        Ok(Self { graph })
    }

    /// Fills `z_blur` [1, D] from a tight frame [1, H, W, 4].
    pub fn encode(&mut self, frame: Input<'_>, z_blur: Output<'_>) -> Result<(), Error> {
        self.graph.run([frame], [z_blur])
    }
}

/// `residuals`: the estimators of the sampler. A few hundred numbers, so they stay on the CPU whatever the rest runs on.
pub(super) struct ResidualGraph {
    graph: Graph,
}

impl ResidualGraph {
    pub fn load(context: Context<'_>, bytes: &[u8], dim: usize) -> Result<Self, Error> {
        let inputs = [
            Port::latent("z_t", dim),
            Port::latent("z_blur", dim),
            Port::time("t"),
            Port::time("s"),
        ];
        let outputs = [Port::latent("blur_residual", dim), Port::latent("noise_residual", dim)];
        let context = Context {
            settings: Settings {
                threads: 1,
                ..context.settings
            },
            staged: None,
            ..context
        };
        let graph = Graph::load(context, Provider::Cpu, "residuals", bytes, None, &inputs, &outputs)?;
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
            return Err(self.scattered());
        };
        let Residuals { blur, noise } = residuals;
        let (Some(blur), Some(noise)) = (blur.as_slice_mut(), noise.as_slice_mut()) else {
            return Err(self.scattered());
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

impl ResidualGraph {
    fn scattered(&self) -> Error {
        Error::Inference {
            graph: self.graph.name,
            reason: "the values of a vector do not lie side by side".into(),
        }
    }
}

/// `backbone`: frame and prior to the restored frame.
pub(super) struct Backbone {
    graph: Graph,
}

impl Backbone {
    pub fn load(
        context: Context<'_>,
        provider: Provider,
        bytes: &[u8],
        size: FrameSize,
        dim: usize,
    ) -> Result<Self, Error> {
        let inputs = [Port::frame("frame"), Port::latent("prior", dim)];
        let outputs = [Port::frame("restored")];
        let graph = Graph::load(context, provider, "backbone", bytes, Some(size), &inputs, &outputs)?;
        Ok(Self { graph })
    }

    /// Fills `restored` from a tight `frame`, both [1, H, W, 4], and the prior [1, D].
    pub fn restore(&mut self, frame: Input<'_>, prior: Input<'_>, restored: Output<'_>) -> Result<(), Error> {
        self.graph.run([frame, prior], [restored])
    }
}
