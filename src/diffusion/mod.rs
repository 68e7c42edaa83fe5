// SPDX-License-Identifier: MPL-2.0

//! BlurDM's blur diffusion in latent space. Pure arithmetic: it knows neither a graph runtime nor GStreamer.

mod sampler;
mod schedule;
mod temporal;

pub use sampler::{ResidualEstimator, Residuals, SampleError, Sampler, even_times};
pub use schedule::{Schedule, ScheduleError};
pub use temporal::{Due, TemporalPolicy, TemporalPrior};
