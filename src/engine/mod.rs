// SPDX-License-Identifier: MPL-2.0

//! Frame in, frame out: bundles, ONNX Runtime and the three graphs. Knows no GStreamer.
//!
//! ```no_run
//! use gstblurdm::engine::{Bundle, Choice, Deblurrer, FrameSize, Options, Search};
//!
//! # fn main() -> Result<(), gstblurdm::engine::Error> {
//! let size = FrameSize { width: 640, height: 360 };
//! let mut deblurrer = Deblurrer::new(&Bundle::builtin()?, &Options::default(), &Search::default(), size)?;
//! let frame = vec![128; size.bytes()]; // RGBx, rows without padding
//! let mut restored = vec![0; size.bytes()];
//! deblurrer.restore(&frame, &mut restored, 0)?;
//! # Ok(())
//! # }
//! ```

mod builtin;
mod bundle;
mod error;
mod graph;
pub mod log;
mod provider;
mod runtime;

use std::time::{Duration, Instant};

use ndarray::{Array1, ArrayView1};

pub use bundle::{BackboneSection, Bundle, EncoderInput, Manifest, PriorSection, ScheduleSection, TrainingSection};
pub use error::Error;
pub use graph::{FrameSize, PIXEL_BYTES};
pub use provider::{Choice, Provider, Settings};
pub use runtime::{MINIMUM_MINOR, Runtime, Search, runtime};

use crate::diffusion::{SampleError, Sampler};
use graph::{Backbone, Context, PriorEncoder, ResidualGraph};

/// The smallest side of a frame, in pixels: below it the reflected padding inside the graphs has nothing to reflect.
pub const MINIMUM_SIDE: usize = 16;

/// The largest side of a frame, in pixels: beyond it a mistake in the caps is likelier than a camera, and costs gigabytes.
pub const MAXIMUM_SIDE: usize = 16384;

/// How to run a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    pub provider: Choice,
    pub settings: Settings,
}

/// How long the stages of one frame took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// Blur encoder and sampler.
    pub prior: Duration,
    pub backbone: Duration,
}

/// A bundle loaded for frames of one size on one provider.
pub struct Deblurrer {
    encoder: PriorEncoder,
    residuals: ResidualGraph,
    backbone: Backbone,
    sampler: Sampler,
    z_blur: Vec<f32>,
    default_steps: usize,
    size: FrameSize,
    provider: Provider,
    refused: Vec<(Provider, String)>,
}

impl Deblurrer {
    /// Loads the graphs for frames of `size`, on the chosen provider or the best that really runs, and runs them once: the
    /// first frame is then not slow, and a model that computes nonsense is found out here.
    ///
    /// # Errors
    /// The runtime's ([`runtime()`]), [`Error::Size`] outside 16x16 to 16384x16384, [`Error::Provider`] when the named provider
    /// (or, for auto, every one) cannot be had, [`Error::BundleInvalid`] for graphs that break the contract,
    /// [`Error::NotAPicture`].
    pub fn new(bundle: &Bundle, options: &Options, search: &Search, size: FrameSize) -> Result<Self, Error> {
        let sides = MINIMUM_SIDE..=MAXIMUM_SIDE;
        if !sides.contains(&size.width) || !sides.contains(&size.height) {
            return Err(Error::Size {
                width: size.width,
                height: size.height,
                reason: format!("a side must have {MINIMUM_SIDE} to {MAXIMUM_SIDE} pixels"),
            });
        }
        let context = Context {
            runtime: runtime(search)?,
            bundle: bundle.label(),
            settings: options.settings,
        };
        let mut refused = Vec::new();
        let (better, last) = options.provider.candidates();
        for &provider in better {
            match Self::on(bundle, context, provider, size) {
                Ok(deblurrer) => return Ok(Self { refused, ..deblurrer }),
                Err(Error::Provider { reason, .. }) => refused.push((provider, reason)),
                Err(error) => return Err(error),
            }
        }
        let deblurrer = Self::on(bundle, context, last, size)?;
        Ok(Self { refused, ..deblurrer })
    }

    fn on(bundle: &Bundle, context: Context<'_>, provider: Provider, size: FrameSize) -> Result<Self, Error> {
        let dim = bundle.manifest().prior.dim;
        let mut deblurrer = Self {
            encoder: PriorEncoder::load(context, provider, &bundle.encoder, size, dim)?,
            residuals: ResidualGraph::load(context, &bundle.residuals, dim)?,
            backbone: Backbone::load(context, provider, &bundle.backbone, size, dim)?,
            sampler: Sampler::new(bundle.schedule().clone(), dim),
            z_blur: vec![0.0; dim],
            default_steps: bundle.manifest().prior.default_steps,
            size,
            provider,
            refused: Vec::new(),
        };
        deblurrer.try_out()?;
        Ok(deblurrer)
    }

    /// Restores a plain grey frame, which every deblurring network must leave about as it is.
    ///
    /// The restored frame is made of bytes, in which a NaN is just black: this is where it shows.
    fn try_out(&mut self) -> Result<(), Error> {
        const GREY: u8 = 128;
        const TOLERANCE: u8 = 64;
        let grey = vec![GREY; self.size.bytes()];
        let mut restored = vec![0; self.size.bytes()];
        self.restore(&grey, &mut restored, 0)?;
        let sum: u64 = restored.iter().map(|&v| u64::from(v.abs_diff(GREY))).sum();
        let mean = sum as f64 / restored.len() as f64;
        if mean > f64::from(TOLERANCE) {
            let reason =
                format!("a grey frame came back {mean:.0} grey levels off, as from weights that are not numbers");
            return Err(Error::NotAPicture { reason });
        }
        Ok(())
    }

    /// Restores one frame. `frame` and `restored` are RGBx, `size().bytes()` long, rows without padding; the fourth byte is
    /// copied through. `steps` is 1..=T, or 0 for the bundle's choice.
    ///
    /// # Errors
    /// [`Error::Size`] for slices of another length, [`Error::Steps`], [`Error::Inference`], [`Error::NotAPicture`] when the
    /// prior is not finite.
    pub fn restore(&mut self, frame: &[u8], restored: &mut [u8], steps: usize) -> Result<Timing, Error> {
        for length in [frame.len(), restored.len()] {
            if length != self.size.bytes() {
                return Err(Error::Size {
                    width: self.size.width,
                    height: self.size.height,
                    reason: format!("{length} bytes were given, and they have {}", self.size.bytes()),
                });
            }
        }
        let started = Instant::now();
        let prior = self.prior(frame, steps)?;
        let between = Instant::now();
        self.backbone.restore(frame, prior.view(), restored)?;
        Ok(Timing {
            prior: between - started,
            backbone: between.elapsed(),
        })
    }

    /// The sharp prior z_0 [D] of a frame, which [`Deblurrer::restore`] fuses into the backbone.
    ///
    /// # Errors
    /// As [`Deblurrer::restore`].
    pub fn prior(&mut self, frame: &[u8], steps: usize) -> Result<Array1<f32>, Error> {
        let steps = if steps == 0 { self.default_steps } else { steps };
        self.encoder.encode(frame, &mut self.z_blur)?;
        self.sampler
            .run(ArrayView1::from(&self.z_blur), None, steps, &mut self.residuals)
            .map_err(|error| match error {
                SampleError::Estimator(error) => error,
                SampleError::Steps { steps, max } => Error::Steps { steps, max },
                other => Error::NotAPicture {
                    reason: other.to_string(),
                },
            })
    }

    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// What really runs.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The better providers that auto tried first, with the reasons why they cannot run here.
    pub fn refused(&self) -> &[(Provider, String)] {
        &self.refused
    }

    /// T: the largest value of `steps`.
    pub fn max_steps(&self) -> usize {
        self.sampler.schedule().steps()
    }
}
