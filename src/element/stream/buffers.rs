// SPDX-License-Identifier: MPL-2.0

//! The two buffers of a frame in flight, mapped to where the deblurrers use them.

use gst_video::{VideoFrame, VideoInfo};

#[cfg(feature = "cuda-memory")]
use super::cuda_memory;
use super::{
    deblurrers::FrameOptions,
    formats::{FrameError, pictures},
};
#[cfg(feature = "cuda-memory")]
use crate::engine::DeviceFrame;
use crate::{
    engine::Error,
    frame::{Picture, PictureMut},
};

/// The original and the output frame.
pub struct FrameBuffers {
    /// `None` after they could not be mapped to the CPU.
    mapped: Option<Mapped>,
}

enum Mapped {
    Cpu(Box<CpuBuffers>),
    #[cfg(feature = "cuda-memory")]
    Device(Box<DeviceBuffers>),
}

struct CpuBuffers {
    original: VideoFrame<gst_video::video_frame::Readable>,
    out: VideoFrame<gst_video::video_frame::Writable>,
}

#[cfg(feature = "cuda-memory")]
struct DeviceBuffers {
    original: cuda_memory::Mapped,
    out: cuda_memory::Mapped,
    info: VideoInfo,
}

/// Why a frame is not restored.
#[derive(Debug, thiserror::Error)]
pub enum FrameFailure {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a buffer does not hold the frame that its caps describe")]
    Unmappable,
}

impl FrameBuffers {
    /// Maps `original` to be read and `out` to be written: to the GPU if both are there and the model can use them as they are, otherwise
    /// to the CPU.
    ///
    /// # Errors
    /// [`FrameFailure::Unmappable`].
    pub fn map(
        original: gst::Buffer,
        out: gst::Buffer,
        info: &VideoInfo,
        options: FrameOptions,
    ) -> Result<Self, FrameFailure> {
        #[cfg(feature = "cuda-memory")]
        if cuda_memory::holds(&original)
            && cuda_memory::holds(&out)
            && options.finish.is_plain()
            && options.reduction == 1
        {
            let buffers = DeviceBuffers {
                original: cuda_memory::Mapped::readable(original, info).map_err(|_| FrameFailure::Unmappable)?,
                out: cuda_memory::Mapped::writable(out, info).map_err(|_| FrameFailure::Unmappable)?,
                info: info.clone(),
            };
            let mapped = Some(Mapped::Device(Box::new(buffers)));
            return Ok(Self { mapped });
        }
        #[cfg(not(feature = "cuda-memory"))]
        let _ = options;
        let mapped = Some(Mapped::to_cpu(original, out, info)?);
        Ok(Self { mapped })
    }

    /// Calls `run` with both frames, which are mapped to the CPU for it.
    ///
    /// # Errors
    /// [`FrameFailure::Unmappable`] and [`FrameFailure::Frame`].
    pub fn with_pictures<T>(
        &mut self,
        run: impl FnOnce(&Picture<'_>, &mut PictureMut<'_>) -> T,
    ) -> Result<T, FrameFailure> {
        #[cfg(feature = "cuda-memory")]
        self.map_to_cpu()?;
        let Some(Mapped::Cpu(buffers)) = &mut self.mapped else {
            return Err(FrameFailure::Unmappable);
        };
        let original = buffers.original.as_video_frame_ref();
        let mut out = buffers.out.as_mut_video_frame_ref();
        let (original, mut out) = pictures(&original, &mut out)?;
        Ok(run(&original, &mut out))
    }

    /// Returns both frames in the GPU's memory; `None` if they are mapped to the CPU.
    #[cfg(feature = "cuda-memory")]
    pub fn device_frames(&self) -> Option<(DeviceFrame, DeviceFrame)> {
        match &self.mapped {
            Some(Mapped::Device(buffers)) => Some((buffers.original.frame(), buffers.out.frame())),
            _ => None,
        }
    }

    /// Returns whether the device writes the output frame itself.
    pub fn is_on_device(&self) -> bool {
        !matches!(self.mapped, Some(Mapped::Cpu(_)))
    }

    /// Unmaps both frames, and returns the output buffer.
    ///
    /// # Errors
    /// [`FrameFailure::Unmappable`] if it is lost, because it could not be mapped to the CPU.
    pub fn into_output(self) -> Result<gst::Buffer, FrameFailure> {
        match self.mapped {
            Some(Mapped::Cpu(buffers)) => Ok(buffers.out.into_buffer()),
            #[cfg(feature = "cuda-memory")]
            Some(Mapped::Device(buffers)) => Ok(buffers.out.into_buffer()),
            None => Err(FrameFailure::Unmappable),
        }
    }

    #[cfg(feature = "cuda-memory")]
    fn map_to_cpu(&mut self) -> Result<(), FrameFailure> {
        self.mapped = match self.mapped.take() {
            Some(Mapped::Device(buffers)) => {
                let DeviceBuffers { original, out, info } = *buffers;
                Some(Mapped::to_cpu(original.into_buffer(), out.into_buffer(), &info)?)
            }
            mapped => mapped,
        };
        Ok(())
    }
}

impl Mapped {
    fn to_cpu(original: gst::Buffer, out: gst::Buffer, info: &VideoInfo) -> Result<Self, FrameFailure> {
        let original = VideoFrame::from_buffer_readable(original, info).map_err(|_| FrameFailure::Unmappable)?;
        let out = VideoFrame::from_buffer_writable(out, info).map_err(|_| FrameFailure::Unmappable)?;
        Ok(Self::Cpu(Box::new(CpuBuffers { original, out })))
    }
}
