// SPDX-License-Identifier: MPL-2.0

//! Frames of other elements in GPU memory. They are copied to and from the tensors of the graphs within the GPU.

use cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DriverError,
    sys::{CUDA_MEMCPY2D, CUdeviceptr, CUmemorytype_enum::CU_MEMORYTYPE_UNIFIED, cuMemcpy2DAsync_v2},
};

use crate::engine::frame_size::FrameSize;

/// An RGBx frame in the memory of an NVIDIA GPU.
#[derive(Debug, Clone, Copy)]
pub struct DeviceFrame {
    address: CUdeviceptr,
    stride: usize,
}

impl DeviceFrame {
    /// Creates a frame from the address of its first row and the distance of its rows in bytes.
    ///
    /// # Safety
    /// As long as the frame is used, `address` must point at `stride` times the height of bytes that were allocated
    /// with CUDA, in any context of this process. Nobody else may write them, nor read them if the frame is written.
    pub unsafe fn new(address: usize, stride: usize) -> Self {
        Self {
            address: address as CUdeviceptr,
            stride,
        }
    }

    /// Copies the frame to a tensor.
    pub(super) fn copy_to(
        self,
        tensor: &mut CudaSlice<u8>,
        size: FrameSize,
        stream: &CudaStream,
    ) -> Result<(), DriverError> {
        assert_eq!(tensor.len(), size.bytes(), "a tensor of another size");
        let (to, _order) = tensor.device_ptr_mut(stream);
        self.copy(size, stream, |copy, frame| {
            (copy.srcDevice, copy.srcPitch) = frame;
            (copy.dstDevice, copy.dstPitch) = (to, size.row());
        })
    }

    /// Copies a tensor to the frame.
    pub(super) fn copy_from(
        self,
        tensor: &CudaSlice<u8>,
        size: FrameSize,
        stream: &CudaStream,
    ) -> Result<(), DriverError> {
        assert_eq!(tensor.len(), size.bytes(), "a tensor of another size");
        let (from, _order) = tensor.device_ptr(stream);
        self.copy(size, stream, |copy, frame| {
            (copy.srcDevice, copy.srcPitch) = (from, size.row());
            (copy.dstDevice, copy.dstPitch) = frame;
        })
    }

    fn copy(
        self,
        size: FrameSize,
        stream: &CudaStream,
        between: impl FnOnce(&mut CUDA_MEMCPY2D, (CUdeviceptr, usize)),
    ) -> Result<(), DriverError> {
        stream.context().bind_to_thread()?;
        let mut copy = CUDA_MEMCPY2D {
            srcXInBytes: 0,
            srcY: 0,
            // Unified: the driver finds the context of the memory by its address. Other elements have contexts of their
            // own.
            srcMemoryType: CU_MEMORYTYPE_UNIFIED,
            srcHost: std::ptr::null(),
            srcDevice: 0,
            srcArray: std::ptr::null_mut(),
            srcPitch: 0,
            dstXInBytes: 0,
            dstY: 0,
            dstMemoryType: CU_MEMORYTYPE_UNIFIED,
            dstHost: std::ptr::null_mut(),
            dstDevice: 0,
            dstArray: std::ptr::null_mut(),
            dstPitch: 0,
            WidthInBytes: size.row(),
            Height: size.height,
        };
        between(&mut copy, (self.address, self.stride));
        // SAFETY: one side is a tensor of this size, which is borrowed and ordered on the stream; the caller of `new`
        // vouches for the other side.
        unsafe { cuMemcpy2DAsync_v2(&copy, stream.cu_stream()) }.result()
    }
}
