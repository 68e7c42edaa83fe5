// SPDX-License-Identifier: MPL-2.0

//! NVIDIA GPUs: which ones there are, their memory and streams, frames in their memory, and the engines that are built
//! for them.

mod device;
#[cfg(feature = "cuda-memory")]
mod device_frame;
mod engine_cache;
#[cfg(test)]
pub(super) mod fake_driver;
mod gpus;
mod owned;
mod staging;

pub(super) use device::{Device, address};
#[cfg(feature = "cuda-memory")]
pub use device_frame::DeviceFrame;
pub use engine_cache::default_cache;
pub(super) use engine_cache::{CacheFolder, CacheKey};
pub use gpus::{Gpu, gpus};
pub(super) use staging::{BackboneTensors, EncoderTensors, Pending, Staging};
#[cfg(test)]
mod tests;
