// SPDX-License-Identifier: MPL-2.0

//! The graphs of a bundle and the sampler between them, for windows of one size. A bundle without a prior has a backbone
//! alone, and its priors have no values.

use cudarc::driver::CudaSlice;
use ndarray::ArrayView1;

use super::{
    binding::{Input, Output},
    context::Context,
    graph::{Backbone, PriorEncoder, ResidualGraph, ScalesGraph},
};
#[cfg(feature = "cuda-memory")]
use crate::engine::gpu::DeviceFrame;
use crate::{
    diffusion::{SampleError, Sampler},
    engine::{
        buffers::zeroed,
        bundle::Bundle,
        error::Error,
        frame_size::FrameSize,
        gpu::{BackboneTensors, EncoderTensors, Pending, Staging},
        prior_in_use::ScaleShares,
        provider::Provider,
    },
};

/// The loaded graphs. A frame is set with [`Network::set_frame`], its prior sampled with [`Network::prior`], and it is
/// restored with [`Network::submit`].
pub(crate) struct Network {
    /// `None` for a bundle without a prior.
    prior: Option<PriorPath>,
    backbone: Backbone,
    /// `None` where the provider is given frames in host memory.
    staging: Option<Staging>,
    size: FrameSize,
}

/// From a frame to its prior.
struct PriorPath {
    encoder: PriorEncoder,
    residuals: ResidualGraph,
    /// `None` for a network of one scale.
    scales: Option<ScalesGraph>,
    sampler: Sampler,
    z_blur: Vec<f32>,
    default_steps: usize,
}

/// The prior where there is none.
const NO_PRIOR: [f32; 0] = [];

impl Network {
    /// Loads the graphs and warms them up.
    pub fn load(bundle: &Bundle, context: Context<'_>, provider: Provider, size: FrameSize) -> Result<Self, Error> {
        let precision = context.precision;
        let backbone = bundle.backbone(precision).ok_or_else(|| Error::Precision {
            precision,
            reason: "the model has no such variant".into(),
        })?;
        let dim = bundle.manifest().prior.as_ref().map(|prior| prior.dim);
        let staging = context
            .staged
            .map(|staged| Staging::new(staged.device, size, dim.unwrap_or_default()));
        let mut network = Self {
            staging: staging.transpose()?,
            prior: PriorPath::load(bundle, context, provider, size)?,
            backbone: Backbone::load(context, provider, backbone, size, dim)?,
            size,
        };
        network.warm_up()?;
        Ok(network)
    }

    /// Restores a plain grey frame, which every deblurring network must leave nearly unchanged.
    ///
    /// The restored frame consists of bytes, in which a NaN is just black; this check finds weights that are not
    /// numbers.
    fn warm_up(&mut self) -> Result<(), Error> {
        const GREY: u8 = 128;
        const TOLERANCE: u8 = 64;
        let buffer = || {
            zeroed(self.size.bytes()).map_err(|error| Error::Inference {
                graph: "backbone",
                reason: format!("out of memory: {error}"),
            })
        };
        let (mut grey, mut restored) = (buffer()?, buffer()?);
        grey.fill(GREY);
        self.set_frame(&grey)?;
        let prior = self.prior(&grey, None, 0)?.to_owned();
        self.scales(prior.view())?;
        if let Some(pending) = self.submit(&grey, prior.view(), &mut restored)? {
            pending.collect(&mut restored)?;
        }
        let sum: u64 = restored.iter().map(|&v| u64::from(v.abs_diff(GREY))).sum();
        let mean = sum as f64 / restored.len() as f64;
        if mean > f64::from(TOLERANCE) {
            let reason =
                format!("a grey frame came back {mean:.0} grey levels off, as from weights that are not numbers");
            return Err(Error::NotAPicture { reason });
        }
        Ok(())
    }

    /// Makes `frame` the one whose prior is sampled and which is restored next. On a device this uploads it.
    pub fn set_frame(&mut self, frame: &[u8]) -> Result<(), Error> {
        self.staging.as_mut().map_or(Ok(()), |staging| staging.upload(frame))
    }

    /// As [`Network::set_frame`], for a frame in device memory.
    #[cfg(feature = "cuda-memory")]
    pub fn set_device_frame(&mut self, frame: DeviceFrame) -> Result<(), Error> {
        let staging = self.staging.as_mut();
        staging.map_or(Ok(()), |staging| staging.copy_from_device(frame))
    }

    /// Samples the sharp prior z_0 (D values) of the frame that was set: from the frame alone, or with a warm start
    /// from the `last` prior. `frame` is the same frame, which is read here unless frames are staged. Without a prior
    /// nothing is done, and there are no values.
    pub fn prior(
        &mut self,
        frame: &[u8],
        last: Option<ArrayView1<'_, f32>>,
        steps: usize,
    ) -> Result<ArrayView1<'_, f32>, Error> {
        let Self {
            prior, staging, size, ..
        } = self;
        let Some(prior) = prior else {
            return Ok(ArrayView1::from(&NO_PRIOR));
        };
        prior.encode(frame, staging.as_mut(), *size)?;
        prior.sample(last, steps)
    }

    /// Returns how much of a frame with this prior (D values) is restored at each scale.
    pub fn scales(&mut self, prior: ArrayView1<'_, f32>) -> Result<ScaleShares, Error> {
        let graph = self.prior.as_mut().and_then(|path| path.scales.as_mut());
        graph.map_or(Ok(ScaleShares::default()), |graph| graph.shares(prior))
    }

    /// Restores the frame that was set with its prior (D values). Returns `None` if it is restored when this returns,
    /// or the frame that is pending on a device. `frame` and `restored` have no row padding; the errors are those of
    /// [`Deblurrer::restore`](crate::engine::Deblurrer::restore).
    pub fn submit(
        &mut self,
        frame: &[u8],
        prior: ArrayView1<'_, f32>,
        restored: &mut [u8],
    ) -> Result<Option<Pending>, Error> {
        let Some(prior) = prior.as_slice() else {
            return Err(Error::Inference {
                graph: "backbone",
                reason: "the values of the prior are not contiguous".into(),
            });
        };
        let Self { backbone, size, .. } = self;
        if let Some(staging) = &mut self.staging {
            let pending = staging.submit(prior, |tensors| restore_on_device(backbone, tensors, *size));
            return pending.map(Some);
        }
        let (shape, latent) = (size.shape(), [1, prior.len() as i64]);
        let prior = (!prior.is_empty()).then(|| Input::floats(prior, &latent));
        backbone.restore(Input::bytes(frame, &shape), prior, Output::bytes(restored, &shape))?;
        Ok(None)
    }

    /// As [`Network::submit`], to a frame in device memory.
    #[cfg(feature = "cuda-memory")]
    pub fn submit_on_device(
        &mut self,
        prior: ArrayView1<'_, f32>,
        restored: DeviceFrame,
    ) -> Result<Option<Pending>, Error> {
        let (Some(staging), Some(prior)) = (&mut self.staging, prior.as_slice()) else {
            return Ok(None);
        };
        let Self { backbone, size, .. } = self;
        let run = |tensors: BackboneTensors<'_>| restore_on_device(backbone, tensors, *size);
        staging.submit_to_device(prior, restored, run).map(Some)
    }

    /// Returns whether frames lie on a device while graphs run.
    #[cfg(feature = "cuda-memory")]
    pub fn is_staged(&self) -> bool {
        self.staging.is_some()
    }

    /// Returns D, the number of values of a prior; 0 without one.
    pub fn dim(&self) -> usize {
        self.prior.as_ref().map_or(0, |prior| prior.z_blur.len())
    }

    /// Returns the size of the window.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// Returns T, the largest value of `steps`, or `None` without a prior.
    pub fn max_steps(&self) -> Option<usize> {
        let prior = self.prior.as_ref()?;
        Some(prior.sampler.schedule().steps())
    }
}

impl PriorPath {
    /// Loads the graphs of a bundle's prior; `None` if it has none.
    fn load(bundle: &Bundle, context: Context<'_>, provider: Provider, size: FrameSize) -> Result<Option<Self>, Error> {
        let parts = bundle.manifest().prior.as_ref().zip(bundle.prior_graphs());
        let Some(((section, graphs), schedule)) = parts.zip(bundle.schedule()) else {
            return Ok(None);
        };
        let (encoder, residuals) = graphs;
        let dim = section.dim;
        let scales = bundle.manifest().scales.as_ref().zip(bundle.scales_graph());
        let scales = scales.map(|(section, graph)| ScalesGraph::load(context, graph, dim, section.divisors.len()));
        Ok(Some(Self {
            encoder: PriorEncoder::load(context, provider, encoder, size, dim)?,
            residuals: ResidualGraph::load(context, residuals, dim)?,
            scales: scales.transpose()?,
            sampler: Sampler::new(schedule.clone(), dim),
            z_blur: vec![0.0; dim],
            default_steps: section.default_steps,
        }))
    }

    /// Fills z_blur from the frame that was set.
    fn encode(&mut self, frame: &[u8], staging: Option<&mut Staging>, size: FrameSize) -> Result<(), Error> {
        let Self { encoder, z_blur, .. } = self;
        let (shape, latent) = (size.shape(), [1, z_blur.len() as i64]);
        match staging {
            Some(staging) => staging.encode(z_blur, |tensors| {
                let EncoderTensors { frame, z_blur, stream } = tensors;
                encoder.encode(
                    Input::on_device(frame, stream, &shape),
                    Output::on_device(z_blur, stream, &latent),
                )
            }),
            None => encoder.encode(Input::bytes(frame, &shape), Output::floats(z_blur, &latent)),
        }
    }

    /// Samples z_0 from z_blur, and from the last prior.
    fn sample(&mut self, last: Option<ArrayView1<'_, f32>>, steps: usize) -> Result<ArrayView1<'_, f32>, Error> {
        let steps = if steps == 0 { self.default_steps } else { steps };
        let z_blur = ArrayView1::from(&self.z_blur);
        match last {
            Some(last) => self.sampler.run_warm(z_blur, last, steps, &mut self.residuals),
            None => self.sampler.run(z_blur, None, steps, &mut self.residuals),
        }
        .map_err(|error| match error {
            SampleError::Estimator(error) => error,
            SampleError::Steps { steps, max } => Error::Steps { steps, max },
            other => Error::NotAPicture {
                reason: other.to_string(),
            },
        })
    }
}

/// Runs the backbone on tensors in device memory.
fn restore_on_device(backbone: &mut Backbone, tensors: BackboneTensors<'_>, size: FrameSize) -> Result<(), Error> {
    let BackboneTensors {
        frame,
        prior,
        restored,
        stream,
    } = tensors;
    let (shape, latent) = (size.shape(), [1, prior.map_or(0, CudaSlice::len) as i64]);
    backbone.restore(
        Input::on_device(frame, stream, &shape),
        prior.map(|prior| Input::on_device(prior, stream, &latent)),
        Output::on_device(restored, stream, &shape),
    )
}
