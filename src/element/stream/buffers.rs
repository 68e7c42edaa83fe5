// SPDX-License-Identifier: MPL-2.0

//! The two buffers of a frame: checked, and mapped to where the deblurrers use them.

use gst_video::{VideoFrame, VideoFrameRef, VideoInfo};

#[cfg(feature = "cuda-memory")]
use super::cuda_memory;
use super::{
    buffer_check::{BufferError, check},
    deblurrers::FrameOptions,
    formats::{picture, picture_mut},
};
#[cfg(feature = "cuda-memory")]
use crate::engine::DeviceFrame;
use crate::{
    engine::Error,
    frame::{Picture, PictureMut},
};

/// The original and the output frame of a frame in flight.
pub struct FrameBuffers {
    /// `None` after they could not be mapped to the CPU.
    mapped: Option<Mapped>,
    info: VideoInfo,
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
}

/// Why a frame is not restored.
#[derive(Debug, thiserror::Error)]
pub enum FrameFailure {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error("a buffer does not hold a frame: {0}")]
    Input(BufferError),
    #[error("a buffer for restored frames, from the pool of downstream, does not hold one: {0}")]
    Output(BufferError),
}

/// Calls `run` with the frame in `original` and the one in `out`, both mapped to the CPU.
///
/// # Errors
/// [`FrameFailure::Input`] and [`FrameFailure::Output`].
pub fn with_pictures<T>(
    original: &gst::BufferRef,
    out: &mut gst::BufferRef,
    info: &VideoInfo,
    run: impl FnOnce(&Picture<'_>, &mut PictureMut<'_>) -> T,
) -> Result<T, FrameFailure> {
    check_both(original, out, info)?;
    let original = VideoFrameRef::from_buffer_ref_readable(original, info)
        .map_err(|_| FrameFailure::Input(BufferError::Unreadable))?;
    let mut out = VideoFrameRef::from_buffer_ref_writable(out, info)
        .map_err(|_| FrameFailure::Output(BufferError::Unwritable))?;
    run_with_pictures(&original, &mut out, info, run)
}

fn run_with_pictures<T>(
    original: &VideoFrameRef<&gst::BufferRef>,
    out: &mut VideoFrameRef<&mut gst::BufferRef>,
    info: &VideoInfo,
    run: impl FnOnce(&Picture<'_>, &mut PictureMut<'_>) -> T,
) -> Result<T, FrameFailure> {
    let original = picture(original, info).map_err(|error| FrameFailure::Input(error.into()))?;
    let mut out = picture_mut(out, info).map_err(|error| FrameFailure::Output(error.into()))?;
    Ok(run(&original, &mut out))
}

fn check_both(original: &gst::BufferRef, out: &gst::BufferRef, info: &VideoInfo) -> Result<(), FrameFailure> {
    check(original, info).map_err(FrameFailure::Input)?;
    check(out, info).map_err(FrameFailure::Output)
}

impl FrameBuffers {
    /// Maps `original` to be read and `out` to be written: to the GPU if both are there and the model can use them as they are, otherwise
    /// to the CPU.
    ///
    /// # Errors
    /// [`FrameFailure::Input`] and [`FrameFailure::Output`].
    pub fn map(
        original: gst::Buffer,
        out: gst::Buffer,
        info: &VideoInfo,
        options: FrameOptions,
    ) -> Result<Self, FrameFailure> {
        check_both(&original, &out, info)?;
        let info = info.clone();
        #[cfg(feature = "cuda-memory")]
        if cuda_memory::holds(&original)
            && cuda_memory::holds(&out)
            && options.finish.is_plain()
            && options.reduction == 1
        {
            let buffers = DeviceBuffers {
                original: cuda_memory::Mapped::readable(original, &info)
                    .map_err(|_| FrameFailure::Input(BufferError::Unreadable))?,
                out: cuda_memory::Mapped::writable(out, &info)
                    .map_err(|_| FrameFailure::Output(BufferError::Unwritable))?,
            };
            let mapped = Some(Mapped::Device(Box::new(buffers)));
            return Ok(Self { mapped, info });
        }
        #[cfg(not(feature = "cuda-memory"))]
        let _ = options;
        let mapped = Some(Mapped::to_cpu(original, out, &info)?);
        Ok(Self { mapped, info })
    }

    /// Calls `run` with both frames, which are mapped to the CPU for it.
    ///
    /// # Errors
    /// [`FrameFailure::Input`] and [`FrameFailure::Output`].
    pub fn with_pictures<T>(
        &mut self,
        run: impl FnOnce(&Picture<'_>, &mut PictureMut<'_>) -> T,
    ) -> Result<T, FrameFailure> {
        #[cfg(feature = "cuda-memory")]
        self.map_to_cpu()?;
        let Some(Mapped::Cpu(buffers)) = &mut self.mapped else {
            return Err(FrameFailure::Input(BufferError::Unreadable));
        };
        let original = buffers.original.as_video_frame_ref();
        let mut out = buffers.out.as_mut_video_frame_ref();
        run_with_pictures(&original, &mut out, &self.info, run)
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

    /// Unmaps both frames, and returns the output buffer; `None` if it is lost, because it could not be mapped to the CPU.
    pub fn into_output(self) -> Option<gst::Buffer> {
        match self.mapped? {
            Mapped::Cpu(buffers) => Some(buffers.out.into_buffer()),
            #[cfg(feature = "cuda-memory")]
            Mapped::Device(buffers) => Some(buffers.out.into_buffer()),
        }
    }

    #[cfg(feature = "cuda-memory")]
    fn map_to_cpu(&mut self) -> Result<(), FrameFailure> {
        self.mapped = match self.mapped.take() {
            Some(Mapped::Device(buffers)) => {
                let DeviceBuffers { original, out } = *buffers;
                Some(Mapped::to_cpu(original.into_buffer(), out.into_buffer(), &self.info)?)
            }
            mapped => mapped,
        };
        Ok(())
    }
}

impl Mapped {
    fn to_cpu(original: gst::Buffer, out: gst::Buffer, info: &VideoInfo) -> Result<Self, FrameFailure> {
        let original = VideoFrame::from_buffer_readable(original, info)
            .map_err(|_| FrameFailure::Input(BufferError::Unreadable))?;
        let out =
            VideoFrame::from_buffer_writable(out, info).map_err(|_| FrameFailure::Output(BufferError::Unwritable))?;
        Ok(Self::Cpu(Box::new(CpuBuffers { original, out })))
    }
}
