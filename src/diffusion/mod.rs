// SPDX-License-Identifier: MPL-2.0

//! BlurDM's blur diffusion in latent space: pure arithmetic, no graph runtime and no GStreamer.

mod sampler;
mod schedule;
mod temporal;

pub use sampler::{ResidualEstimator, Residuals, SampleError, Sampler, even_times};
pub use schedule::{Schedule, ScheduleError};
pub use temporal::{Due, TemporalPolicy, TemporalPrior};
