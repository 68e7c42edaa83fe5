// SPDX-License-Identifier: MPL-2.0

//! The graphs of a bundle and the sampler between them, for frames or tiles of one size.

use ndarray::ArrayView1;

use super::{
    Bundle, Error, FrameSize, Provider,
    graph::{Backbone, Context, PriorEncoder, ResidualGraph},
};
use crate::diffusion::{SampleError, Sampler};

pub(super) struct Network {
    encoder: PriorEncoder,
    residuals: ResidualGraph,
    backbone: Backbone,
    sampler: Sampler,
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
        let mut network = Self {
            encoder: PriorEncoder::load(context, provider, &bundle.encoder, size, dim)?,
            residuals: ResidualGraph::load(context, &bundle.residuals, dim)?,
            backbone: Backbone::load(context, provider, backbone, size, dim)?,
            sampler: Sampler::new(bundle.schedule().clone(), dim),
            z_blur: vec![0.0; dim],
            default_steps: bundle.manifest().prior.default_steps,
            size,
        };
        network.try_out()?;
        Ok(network)
    }

    /// Restores a plain grey frame, which every deblurring network must leave about as it is.
    ///
    /// The restored frame is made of bytes, in which a NaN is just black: this is where it shows.
    fn try_out(&mut self) -> Result<(), Error> {
        const GREY: u8 = 128;
        const TOLERANCE: u8 = 64;
        let grey = vec![GREY; self.size.bytes()];
        let mut restored = vec![0; self.size.bytes()];
        let prior = self.prior(&grey, None, 0)?.to_owned();
        self.restore(&grey, prior.view(), &mut restored)?;
        let sum: u64 = restored.iter().map(|&v| u64::from(v.abs_diff(GREY))).sum();
        let mean = sum as f64 / restored.len() as f64;
        if mean > f64::from(TOLERANCE) {
            let reason =
                format!("a grey frame came back {mean:.0} grey levels off, as from weights that are not numbers");
            return Err(Error::NotAPicture { reason });
        }
        Ok(())
    }

    /// Restores a tight frame of this size with the prior [D]; the errors are those of [`super::Deblurrer::restore`].
    pub fn restore(&mut self, frame: &[u8], prior: ArrayView1<'_, f32>, restored: &mut [u8]) -> Result<(), Error> {
        self.backbone.restore(frame, prior, restored)
    }

    /// The sharp prior z_0 [D] of a tight frame of this size; given the last one, with a warm start.
    pub fn prior(
        &mut self,
        frame: &[u8],
        last: Option<ArrayView1<'_, f32>>,
        steps: usize,
    ) -> Result<ArrayView1<'_, f32>, Error> {
        let steps = if steps == 0 { self.default_steps } else { steps };
        self.encoder.encode(frame, &mut self.z_blur)?;
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
