// SPDX-License-Identifier: MPL-2.0

//! Frames that lie in a GPU's memory already, somebody else's: copied to and from where the graphs see them, without leaving the GPU.

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
    /// `address` of the first row, and how many bytes one row begins behind the other.
    ///
    /// # Safety
    /// As long as the frame is used there must lie `stride` times the height of bytes, allocated through CUDA in any context of this process, which
    /// nobody else writes, nor reads if the frame is written.
    pub unsafe fn new(address: usize, stride: usize) -> Self {
        Self {
            address: address as CUdeviceptr,
            stride,
        }
    }

    /// Copies the frame to where a graph reads it.
    pub(super) fn copy_to(
        self,
        graph: &mut CudaSlice<u8>,
        size: FrameSize,
        stream: &CudaStream,
    ) -> Result<(), DriverError> {
        assert_eq!(graph.len(), size.bytes(), "a tensor of another size");
        let (to, _order) = graph.device_ptr_mut(stream);
        self.copy(size, stream, |copy, frame| {
            (copy.srcDevice, copy.srcPitch) = frame;
            (copy.dstDevice, copy.dstPitch) = (to, size.row());
        })
    }

    /// Copies what a graph has written to the frame.
    pub(super) fn copy_from(
        self,
        graph: &CudaSlice<u8>,
        size: FrameSize,
        stream: &CudaStream,
    ) -> Result<(), DriverError> {
        assert_eq!(graph.len(), size.bytes(), "a tensor of another size");
        let (from, _order) = graph.device_ptr(stream);
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
            // The address tells which context the memory is of: other elements have their own.
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
        // SAFETY: the one side is a tensor of this size, borrowed and ordered on the stream; the other side is what `new` was promised.
        unsafe { cuMemcpy2DAsync_v2(&copy, stream.cu_stream()) }.result()
    }
}
