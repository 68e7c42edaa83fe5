// SPDX-License-Identifier: MPL-2.0

//! An NVIDIA GPU: its context, and the streams on which copies and graphs are ordered.

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use cudarc::driver::{CudaContext, CudaStream, DriverError, sys::is_culib_present};

use crate::engine::error::Error;

/// A GPU with one stream for each stage of a frame, so that three frames can be in different stages at the same time.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(super) context: Arc<CudaContext>,
    /// Uploads frames and runs the prior encoder. The CPU waits for this stream.
    pub prior: Arc<CudaStream>,
    /// Runs backbones, one frame after the other.
    pub backbone: Arc<CudaStream>,
    /// Downloads restored frames.
    pub(super) download: Arc<CudaStream>,
}

impl Device {
    /// Opens GPU number `id` in its primary context, which ONNX Runtime uses too.
    ///
    /// # Errors
    /// The reason why the driver cannot be used, as a clause without a full stop.
    pub fn open(id: i32) -> Result<Self, String> {
        let ordinal = usize::try_from(id).map_err(|_| format!("{id} is not the number of a GPU"))?;
        // SAFETY: loading NVIDIA's driver runs its initialisers, as loading the execution provider does.
        if !unsafe { is_culib_present() } {
            return Err("no NVIDIA driver can be loaded".into());
        }
        // `cudarc` panics where the driver lacks a function of CUDA 11.4.
        catch_unwind(AssertUnwindSafe(|| Self::create(ordinal)))
            .map_err(|_| "the NVIDIA driver is too old".to_owned())?
            .map_err(|error| describe(&error))
    }

    fn create(ordinal: usize) -> Result<Self, DriverError> {
        let context = CudaContext::new(ordinal)?;
        Ok(Self {
            prior: context.new_stream()?,
            backbone: context.new_stream()?,
            download: context.new_stream()?,
            context,
        })
    }
}

/// Returns the address of a stream, by which ONNX Runtime identifies it.
pub(crate) fn address(stream: &CudaStream) -> Option<NonZeroUsize> {
    NonZeroUsize::new(stream.cu_stream() as usize)
}

fn describe(error: &DriverError) -> String {
    let name = format!("{:?}", error.0);
    match error.error_string() {
        Ok(text) => format!("{} ({name})", text.to_string_lossy()),
        Err(_) => name,
    }
}

/// Returns a function that turns a failed copy or wait into the error of the graph whose tensors were copied.
pub(super) fn failed(graph: &'static str) -> impl Fn(DriverError) -> Error {
    move |error| Error::Inference {
        graph,
        reason: format!("the GPU says: {}", describe(&error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::gpu::fake_driver::with_driver;

    fn reason() -> String {
        Device::open(0).unwrap_err()
    }

    #[test]
    fn a_machine_without_a_driver_says_so() {
        with_driver(None, || {
            // A driver that the system has cannot be hidden.
            if let Err(reason) = Device::open(0) {
                assert!(reason.contains("driver"), "{reason}");
            }
        });
    }

    #[test]
    fn a_driver_that_does_not_work_says_why() {
        // CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        with_driver(Some(&["INIT=803"]), || {
            assert!(reason().contains("DRIVER_MISMATCH"), "{}", reason());
        });
    }

    #[test]
    fn a_driver_that_lacks_a_function_is_too_old() {
        with_driver(Some(&["WITHOUT_STREAMS"]), || {
            assert!(reason().contains("too old"), "{}", reason());
        });
    }

    #[test]
    fn a_driver_that_works_has_a_stream_for_each_stage() {
        with_driver(Some(&[]), || {
            let device = Device::open(0).unwrap();
            let streams = [&device.prior, &device.backbone, &device.download].map(|stream| address(stream).unwrap());
            assert!(streams[0] != streams[1] && streams[1] != streams[2] && streams[0] != streams[2]);
        });
    }
}
