// SPDX-License-Identifier: MPL-2.0

//! The graphs of a bundle and the sampler between them, for frames or tiles of one size.

use ndarray::ArrayView1;

use super::{
    binding::{Input, Output},
    context::Context,
    graph::{Backbone, PriorEncoder, ResidualGraph},
};
#[cfg(feature = "cuda-memory")]
use crate::engine::gpu::DeviceFrame;
use crate::{
    diffusion::{SampleError, Sampler},
    engine::{
        bundle::Bundle,
        error::Error,
        frame_size::FrameSize,
        gpu::{BackboneTensors, Pending, Staging},
        provider::Provider,
    },
};

pub(crate) struct Network {
    encoder: PriorEncoder,
    residuals: ResidualGraph,
    backbone: Backbone,
    sampler: Sampler,
    /// None where frames are given to the provider as they lie.
    staging: Option<Staging>,
    z_blur: Vec<f32>,
    default_steps: usize,
    size: FrameSize,
}

impl Network {
    /// Loads the graphs and runs them once.
    pub fn load(bundle: &Bundle, context: Context<'_>, provider: Provider, size: FrameSize) -> Result<Self, Error> {
        let dim = bundle.manifest().prior.dim;
        let precision = context.precision;
        let backbone = bundle.backbone(precision).ok_or_else(|| Error::Precision {
            precision,
            reason: "the model has no such variant".into(),
        })?;
        let staged = context.staged.map(|staged| Staging::new(staged.device, size, dim));
        let mut network = Self {
            staging: staged.transpose()?,
            encoder: PriorEncoder::load(context, provider, &bundle.encoder, size, dim)?,
            residuals: ResidualGraph::load(context, &bundle.residuals, dim)?,
            backbone: Backbone::load(context, provider, backbone, size, dim)?,
            sampler: Sampler::new(bundle.schedule().clone(), dim),
            z_blur: vec![0.0; dim],
            default_steps: bundle.manifest().prior.default_steps,
            size,
        };
        network.warm_up()?;
        Ok(network)
    }

    /// Restores a plain grey frame, which every deblurring network must leave about as it is.
    ///
    /// The restored frame is made of bytes, in which a NaN is just black: this is where it shows.
    fn warm_up(&mut self) -> Result<(), Error> {
        const GREY: u8 = 128;
        const TOLERANCE: u8 = 64;
        let grey = vec![GREY; self.size.bytes()];
        let mut restored = vec![0; self.size.bytes()];
        self.set_frame(&grey)?;
        let prior = self.prior(&grey, None, 0)?.to_owned();
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

    /// Before a frame's prior is made and the frame restored: brings it to where that is done.
    pub fn set_frame(&mut self, frame: &[u8]) -> Result<(), Error> {
        self.staging.as_mut().map_or(Ok(()), |staging| staging.upload(frame))
    }

    /// Restores the frame shown, tight and of this size, with the prior [D]: at once, or on a device, where it is then pending. The errors
    /// are those of [`super::Deblurrer::restore`].
    pub fn submit(
        &mut self,
        frame: &[u8],
        prior: ArrayView1<'_, f32>,
        restored: &mut [u8],
    ) -> Result<Option<Pending>, Error> {
        let Some(prior) = prior.as_slice() else {
            return Err(Error::Inference {
                graph: "backbone",
                reason: "the values of the prior do not lie side by side".into(),
            });
        };
        if let Some(staging) = &mut self.staging {
            let (backbone, size) = (&mut self.backbone, self.size);
            return staging
                .submit(prior, |tensors| restore_on_device(backbone, tensors, size))
                .map(Some);
        }
        let (shape, latent) = (self.size.shape(), [1, prior.len() as i64]);
        self.backbone.restore(
            Input::bytes(frame, &shape),
            Input::floats(prior, &latent),
            Output::bytes(restored, &shape),
        )?;
        Ok(None)
    }

    /// Whether frames lie on a device while graphs run.
    #[cfg(feature = "cuda-memory")]
    pub fn is_staged(&self) -> bool {
        self.staging.is_some()
    }

    /// As [`Network::set_frame`], a frame that lies on the device already.
    #[cfg(feature = "cuda-memory")]
    pub fn set_device_frame(&mut self, frame: DeviceFrame) -> Result<(), Error> {
        let staging = self.staging.as_mut();
        staging.map_or(Ok(()), |staging| staging.copy_from_device(frame))
    }

    /// As [`Network::submit`], to a frame on the device.
    #[cfg(feature = "cuda-memory")]
    pub fn submit_on_device(
        &mut self,
        prior: ArrayView1<'_, f32>,
        restored: DeviceFrame,
    ) -> Result<Option<Pending>, Error> {
        let (Some(staging), Some(prior)) = (&mut self.staging, prior.as_slice()) else {
            return Ok(None);
        };
        let (backbone, size) = (&mut self.backbone, self.size);
        staging
            .submit_to_device(prior, restored, |tensors| restore_on_device(backbone, tensors, size))
            .map(Some)
    }

    /// Fills z_blur from the frame shown.
    fn encode(&mut self, frame: &[u8]) -> Result<(), Error> {
        if let Some(staging) = &mut self.staging {
            let shape = self.size.shape();
            return staging.encode(&mut self.z_blur, |tensors| {
                let latent = [1, tensors.z_blur.len() as i64];
                self.encoder.encode(
                    Input::on_device(tensors.frame, tensors.stream, &shape),
                    Output::on_device(tensors.z_blur, tensors.stream, &latent),
                )
            });
        }
        let (shape, latent) = (self.size.shape(), [1, self.z_blur.len() as i64]);
        let z_blur = Output::floats(&mut self.z_blur, &latent);
        self.encoder.encode(Input::bytes(frame, &shape), z_blur)
    }

    /// The sharp prior z_0 [D] of the frame shown, tight and of this size; given the last one, with a warm start.
    pub fn prior(
        &mut self,
        frame: &[u8],
        last: Option<ArrayView1<'_, f32>>,
        steps: usize,
    ) -> Result<ArrayView1<'_, f32>, Error> {
        let steps = if steps == 0 { self.default_steps } else { steps };
        self.encode(frame)?;
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

    /// D: how many values a prior has.
    pub fn dim(&self) -> usize {
        self.z_blur.len()
    }

    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// T: the largest value of `steps`.
    pub fn max_steps(&self) -> usize {
        self.sampler.schedule().steps()
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
    let (shape, latent) = (size.shape(), [1, prior.len() as i64]);
    backbone.restore(
        Input::on_device(frame, stream, &shape),
        Input::on_device(prior, stream, &latent),
        Output::on_device(restored, stream, &shape),
    )
}
