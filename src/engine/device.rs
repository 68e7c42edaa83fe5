// SPDX-License-Identifier: MPL-2.0

//! An NVIDIA GPU as frames see it: its memory, and the streams on which copies and graphs follow each other.

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use cudarc::driver::{CudaContext, CudaStream, DriverError, sys::is_culib_present};

use super::Error;

/// What brings a frame to the device, restores it there and takes it back, each beside the other two.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub context: Arc<CudaContext>,
    /// Frames go up and their priors are sampled: the CPU waits for this one.
    pub prior: Arc<CudaStream>,
    /// Backbones run, one frame after the other.
    pub backbone: Arc<CudaStream>,
    /// Restored frames come down.
    pub down: Arc<CudaStream>,
}

impl Device {
    /// GPU number `id`, in the context that ONNX Runtime uses too.
    ///
    /// # Errors
    /// Why the driver cannot be used, in a sentence part.
    pub fn open(id: i32) -> Result<Self, String> {
        let ordinal = usize::try_from(id).map_err(|_| format!("{id} is no number of a GPU"))?;
        // SAFETY: loading NVIDIA's driver runs its initialisers, as loading the provider does.
        if !unsafe { is_culib_present() } {
            return Err("no NVIDIA driver can be loaded".into());
        }
        // A driver so old that it lacks a function of CUDA 11.4 is a panic there.
        catch_unwind(AssertUnwindSafe(|| Self::make(ordinal)))
            .map_err(|_| "the NVIDIA driver is too old".to_owned())?
            .map_err(|error| said(&error))
    }

    fn make(ordinal: usize) -> Result<Self, DriverError> {
        let context = CudaContext::new(ordinal)?;
        Ok(Self {
            prior: context.new_stream()?,
            backbone: context.new_stream()?,
            down: context.new_stream()?,
            context,
        })
    }
}

/// A stream as ONNX Runtime is told of it: its address.
pub(super) fn address(stream: &CudaStream) -> Option<NonZeroUsize> {
    NonZeroUsize::new(stream.cu_stream() as usize)
}

/// What the driver says, in a sentence part.
pub(super) fn said(error: &DriverError) -> String {
    let name = format!("{:?}", error.0);
    match error.error_string() {
        Ok(text) => format!("{} ({name})", text.to_string_lossy()),
        Err(_) => name,
    }
}

/// A copy or a wait that failed while `graph` was fed or read.
pub(super) fn failed(graph: &'static str) -> impl Fn(DriverError) -> Error {
    move |error| Error::Inference {
        graph,
        reason: format!("the GPU says: {}", said(&error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::fake_driver::beside;

    fn refusal() -> String {
        Device::open(0).unwrap_err()
    }

    #[test]
    fn a_machine_without_a_driver_says_so() {
        let name = "engine::device::tests::a_machine_without_a_driver_says_so";
        beside(name, None, || {
            // The system's own cannot be hidden.
            if let Err(reason) = Device::open(0) {
                assert!(reason.contains("driver"), "{reason}");
            }
        });
    }

    #[test]
    fn a_driver_that_does_not_work_says_why() {
        // CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        let name = "engine::device::tests::a_driver_that_does_not_work_says_why";
        beside(name, Some(&["INIT=803"]), || {
            assert!(refusal().contains("DRIVER_MISMATCH"), "{}", refusal());
        });
    }

    #[test]
    fn a_driver_that_lacks_a_function_is_too_old() {
        let name = "engine::device::tests::a_driver_that_lacks_a_function_is_too_old";
        beside(name, Some(&["WITHOUT_STREAMS"]), || {
            assert!(refusal().contains("too old"), "{}", refusal());
        });
    }

    #[test]
    fn a_driver_that_works_has_a_stream_for_each_way() {
        let name = "engine::device::tests::a_driver_that_works_has_a_stream_for_each_way";
        beside(name, Some(&[]), || {
            let device = Device::open(0).unwrap();
            let streams = [&device.prior, &device.backbone, &device.down].map(|stream| address(stream).unwrap());
            assert!(streams[0] != streams[1] && streams[1] != streams[2] && streams[0] != streams[2]);
        });
    }
}
