// SPDX-License-Identifier: MPL-2.0

//! `memory:CUDAMemory`: frames that nvcodec's elements keep on the GPU, taken and given there.
//!
//! GStreamer's library for it is not linked with: a buffer is mapped to the device's address by a flag that its memory understands, and the one
//! function that is needed beside is looked up where the library is loaded. Its contexts are not ONNX Runtime's, so that a frame is copied within the GPU
//! on its way in and out. Where the model is not on the GPU, or more is to be done to a frame than to restore it, the memory maps itself to the
//! CPU, as it does for every element.

use std::mem::MaybeUninit;

use gst::{ffi, glib::translate::IntoGlibPtr};
use gst_video::{VideoFormat, VideoInfo, VideoMeta};

use crate::engine::DeviceFrame;

/// Of caps.
pub(super) const FEATURE: &str = "memory:CUDAMemory";

/// What the graphs take as it lies.
pub(super) const FORMATS: [VideoFormat; 2] = [VideoFormat::Rgbx, VideoFormat::Rgba];

/// As `GstCudaMemory` calls itself.
const MEMORY: &str = "gst.cuda.memory";

/// `GST_MAP_CUDA`: map to the device's address.
const MAP_CUDA: ffi::GstMapFlags = ffi::GST_MAP_FLAG_LAST << 1;

pub(super) fn is_in(caps: &gst::CapsRef) -> bool {
    caps.features(0).is_some_and(|features| features.contains(FEATURE))
}

/// Whether a buffer is one memory of this kind.
pub(super) fn holds(buffer: &gst::BufferRef) -> bool {
    buffer.n_memory() == 1 && buffer.peek_memory(0).is_type(MEMORY)
}

/// A buffer that is mapped to the device's address.
pub(super) struct Mapped {
    /// Owned, and unmapped when dropped.
    buffer: *mut ffi::GstBuffer,
    map: ffi::GstMapInfo,
    stride: usize,
}

// SAFETY: a buffer and its mapping may go from one thread to another; this one has them to itself.
unsafe impl Send for Mapped {}

impl Mapped {
    /// To be read.
    pub fn readable(buffer: gst::Buffer, info: &VideoInfo) -> Result<Self, gst::Buffer> {
        Self::new(buffer, info, ffi::GST_MAP_READ)
    }

    /// To be written; the buffer must be writable.
    pub fn writable(buffer: gst::Buffer, info: &VideoInfo) -> Result<Self, gst::Buffer> {
        if !buffer.is_writable() {
            return Err(buffer);
        }
        Self::new(buffer, info, ffi::GST_MAP_WRITE)
    }

    fn new(buffer: gst::Buffer, info: &VideoInfo, access: ffi::GstMapFlags) -> Result<Self, gst::Buffer> {
        let stride = match buffer.meta::<VideoMeta>() {
            Some(meta) => meta.stride()[0],
            None => info.stride()[0],
        };
        let Ok(stride) = usize::try_from(stride) else {
            return Err(buffer);
        };
        sync::memory(buffer.peek_memory(0));
        let buffer: *mut ffi::GstBuffer = buffer.into_glib_ptr();
        let mut map = MaybeUninit::zeroed();
        // SAFETY: the buffer is owned here, writable if it is to be written, and stays until it is unmapped.
        unsafe {
            if ffi::gst_buffer_map(buffer, map.as_mut_ptr(), access | MAP_CUDA) == gst::glib::ffi::GFALSE {
                return Err(gst::glib::translate::from_glib_full(buffer));
            }
            Ok(Self {
                buffer,
                map: map.assume_init(),
                stride,
            })
        }
    }

    /// The frame, as long as this lives.
    pub fn frame(&self) -> DeviceFrame {
        // SAFETY: the memory is mapped, for reading or alone for writing, and has the rows that its meta tells.
        unsafe { DeviceFrame::new(self.map.data as usize, self.stride) }
    }

    pub fn into_buffer(mut self) -> gst::Buffer {
        let buffer = std::mem::replace(&mut self.buffer, std::ptr::null_mut());
        // SAFETY: it was mapped, and was owned here.
        unsafe {
            ffi::gst_buffer_unmap(buffer, &mut self.map);
            gst::glib::translate::from_glib_full(buffer)
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if !self.buffer.is_null() {
            // SAFETY: it was mapped, is owned here, and goes away.
            unsafe {
                ffi::gst_buffer_unmap(self.buffer, &mut self.map);
                ffi::gst_mini_object_unref(self.buffer.cast());
            }
        }
    }
}

/// From 1.24 on GStreamer's elements hand frames on before the GPU has written them.
mod sync {
    use std::sync::LazyLock;

    use gst::ffi::GstMemory;
    use libloading::os::unix::{Library, RTLD_NOW};

    type Sync = unsafe extern "C" fn(*mut GstMemory);

    /// `RTLD_NOLOAD`: who made the memory has loaded it.
    const NOLOAD: std::ffi::c_int = 4;

    static SYNC: LazyLock<Option<Sync>> = LazyLock::new(|| {
        // SAFETY: nothing is loaded by this; the library stays, since its types do.
        unsafe {
            let library = Library::open(Some("libgstcuda-1.0.so.0"), RTLD_NOW | NOLOAD).ok()?;
            let function = *library.get::<Sync>(b"gst_cuda_memory_sync\0").ok()?;
            std::mem::forget(library);
            Some(function)
        }
    });

    /// Waits until what was begun on it is done.
    pub fn memory(memory: &gst::MemoryRef) {
        if memory.is_type(super::MEMORY)
            && let Some(sync) = *SYNC
        {
            // SAFETY: it is the kind of memory that the function takes, and borrowed.
            unsafe { sync(memory.as_ptr().cast_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn info() -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(VideoFormat::Rgbx, 32, 16).build().unwrap()
    }

    #[test]
    fn a_mapped_buffer_comes_back_with_what_was_written_and_can_be_mapped_again() {
        let info = info();
        let mut data = vec![7; info.size()];
        let address = data.as_mut_ptr() as usize;
        let buffer = gst::Buffer::from_mut_slice(data);
        // The CPU's memory does not know the flag, and maps to its own address.
        let mapped = Mapped::writable(buffer, &info).unwrap();
        assert_eq!((mapped.map.data as usize, mapped.stride), (address, 32 * 4));
        let buffer = mapped.into_buffer();
        assert!(buffer.is_writable());
        let read = Mapped::readable(buffer.clone(), &info).unwrap();
        assert!(Mapped::writable(buffer, &info).is_err(), "it is read meanwhile");
        drop(read);
    }

    #[test]
    fn rows_are_where_the_meta_says() {
        let info = info();
        let mut buffer = gst::Buffer::with_size(160 * 16).unwrap();
        VideoMeta::add_full(
            buffer.make_mut(),
            gst_video::VideoFrameFlags::empty(),
            VideoFormat::Rgbx,
            32,
            16,
            &[0],
            &[160],
        )
        .unwrap();
        assert_eq!(Mapped::readable(buffer, &info).unwrap().stride, 160);
    }

    #[test]
    fn only_its_own_kind_of_memory_and_caps_are_taken_for_it() {
        let info = info();
        assert!(!holds(&gst::Buffer::with_size(info.size()).unwrap()));
        let mut caps = info.to_caps().unwrap();
        assert!(!is_in(&caps));
        caps.make_mut()
            .set_features_simple(Some(gst::CapsFeatures::new([FEATURE])));
        assert!(is_in(&caps));
    }
}
