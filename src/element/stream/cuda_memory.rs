// SPDX-License-Identifier: MPL-2.0

//! `memory:CUDAMemory`: frames in the GPU's memory, as the elements of GStreamer's nvcodec plugin have them.
//!
//! The element does not link GStreamer's CUDA library. A buffer is mapped to an address of the GPU by a flag that its memory understands, and
//! the only function that is needed besides is looked up where the library is already loaded. The library's CUDA contexts are not those of
//! ONNX Runtime, so a frame is copied within the GPU before and after the graphs run. Where the model does not run on the GPU, or where more
//! is asked for than restoring, the buffer is mapped to the CPU, as for any other element.

use std::mem::MaybeUninit;

use gst::{ffi, glib::translate::IntoGlibPtr};
use gst_video::{VideoFormat, VideoInfo};

use super::video_meta::video_meta;
use crate::engine::DeviceFrame;

/// The caps feature.
pub const FEATURE: &str = "memory:CUDAMemory";

/// The formats that graphs read and write in place.
pub const FORMATS: [VideoFormat; 2] = [VideoFormat::Rgbx, VideoFormat::Rgba];

/// `GST_CUDA_MEMORY_TYPE_NAME`.
const MEMORY: &str = "gst.cuda.memory";

/// `GST_MAP_CUDA`: maps to an address of the GPU.
const MAP_CUDA: ffi::GstMapFlags = ffi::GST_MAP_FLAG_LAST << 1;

/// Returns whether frames of `caps` are in the GPU's memory.
pub fn is_in(caps: &gst::CapsRef) -> bool {
    caps.features(0).is_some_and(|features| features.contains(FEATURE))
}

/// Returns whether a buffer consists of one CUDA memory.
pub fn holds(buffer: &gst::BufferRef) -> bool {
    buffer.n_memory() == 1 && buffer.peek_memory(0).is_type(MEMORY)
}

/// A buffer that is mapped to an address of the GPU.
pub struct Mapped {
    /// Owned; null after [`Mapped::into_buffer`].
    buffer: *mut ffi::GstBuffer,
    map: ffi::GstMapInfo,
    /// Where the frame begins in the memory.
    offset: usize,
    stride: usize,
}

// SAFETY: GStreamer's buffers and mappings may be used from any thread, by one at a time; this value owns both.
unsafe impl Send for Mapped {}

impl Mapped {
    /// Maps `buffer` to be read.
    ///
    /// # Errors
    /// The buffer, if it cannot be mapped.
    pub fn readable(buffer: gst::Buffer, info: &VideoInfo) -> Result<Self, gst::Buffer> {
        Self::new(buffer, info, ffi::GST_MAP_READ)
    }

    /// Maps `buffer` to be written.
    ///
    /// # Errors
    /// The buffer, if it cannot be mapped or is not writable.
    pub fn writable(buffer: gst::Buffer, info: &VideoInfo) -> Result<Self, gst::Buffer> {
        if !buffer.is_writable() {
            return Err(buffer);
        }
        Self::new(buffer, info, ffi::GST_MAP_WRITE)
    }

    fn new(buffer: gst::Buffer, info: &VideoInfo, access: ffi::GstMapFlags) -> Result<Self, gst::Buffer> {
        // The buffer has been checked: its planes are those of its caps, and are in its memory.
        let (offset, stride) = match video_meta(&buffer) {
            Some(meta) => (meta.offset()[0], meta.stride()[0]),
            None => (info.offset()[0], info.stride()[0]),
        };
        let Ok(stride) = usize::try_from(stride) else {
            return Err(buffer);
        };
        sync::memory(buffer.peek_memory(0));
        let buffer: *mut ffi::GstBuffer = buffer.into_glib_ptr();
        let mut map = MaybeUninit::zeroed();
        // SAFETY: this function owns the buffer, which is writable if it is mapped for writing. `Self` owns it until it is unmapped.
        unsafe {
            if ffi::gst_buffer_map(buffer, map.as_mut_ptr(), access | MAP_CUDA) == gst::glib::ffi::GFALSE {
                return Err(gst::glib::translate::from_glib_full(buffer));
            }
            Ok(Self {
                buffer,
                map: map.assume_init(),
                offset,
                stride,
            })
        }
    }

    /// Returns the frame, which is valid as long as `self` is.
    pub fn frame(&self) -> DeviceFrame {
        // SAFETY: the memory is mapped, exclusively if for writing, and its rows have the offset and the stride of its meta or of its caps, of which
        // `FrameBuffers::map` has checked that they are in the memory.
        unsafe { DeviceFrame::new(self.map.data as usize + self.offset, self.stride) }
    }

    /// Unmaps the buffer and returns it.
    pub fn into_buffer(mut self) -> gst::Buffer {
        let buffer = std::mem::replace(&mut self.buffer, std::ptr::null_mut());
        // SAFETY: the buffer is mapped and owned by `self`, which no longer unmaps it when it is dropped.
        unsafe {
            ffi::gst_buffer_unmap(buffer, &mut self.map);
            gst::glib::translate::from_glib_full(buffer)
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if !self.buffer.is_null() {
            // SAFETY: the buffer is mapped and owned by `self`, which is dropped.
            unsafe {
                ffi::gst_buffer_unmap(self.buffer, &mut self.map);
                ffi::gst_mini_object_unref(self.buffer.cast());
            }
        }
    }
}

/// From GStreamer 1.24 on, elements push frames before the GPU has written them.
mod sync {
    use std::sync::LazyLock;

    use gst::ffi::GstMemory;
    use libloading::os::unix::{Library, RTLD_NOW};

    type Sync = unsafe extern "C" fn(*mut GstMemory);

    /// `RTLD_NOLOAD`: the element that allocated the memory has loaded the library.
    const NOLOAD: std::ffi::c_int = 4;

    static SYNC: LazyLock<Option<Sync>> = LazyLock::new(|| {
        // SAFETY: this loads nothing, so no initialiser runs, and the library is never unloaded, since it has registered types. The function
        // has this signature since it exists.
        unsafe {
            let library = Library::open(Some("libgstcuda-1.0.so.0"), RTLD_NOW | NOLOAD).ok()?;
            let function = *library.get::<Sync>(b"gst_cuda_memory_sync\0").ok()?;
            std::mem::forget(library);
            Some(function)
        }
    });

    /// Blocks until the GPU has done what it was asked to do with `memory`.
    pub fn memory(memory: &gst::MemoryRef) {
        if memory.is_type(super::MEMORY)
            && let Some(sync) = *SYNC
        {
            // SAFETY: `memory` is of the type that the function takes, and is borrowed for the call.
            unsafe { sync(memory.as_ptr().cast_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use gst_video::VideoMeta;

    use super::*;

    fn info() -> VideoInfo {
        gst::init().unwrap();
        VideoInfo::builder(VideoFormat::Rgbx, 32, 16).build().unwrap()
    }

    #[test]
    fn a_mapped_buffer_can_be_unmapped_and_mapped_again() {
        let info = info();
        let mut data = vec![7; info.size()];
        let address = data.as_mut_ptr() as usize;
        let buffer = gst::Buffer::from_mut_slice(data);
        // Memory of the CPU ignores the flag and maps to its own address.
        let mapped = Mapped::writable(buffer, &info).unwrap();
        assert_eq!((mapped.map.data as usize, mapped.stride), (address, 32 * 4));
        let buffer = mapped.into_buffer();
        assert!(buffer.is_writable());
        let read = Mapped::readable(buffer.clone(), &info).unwrap();
        assert!(Mapped::writable(buffer, &info).is_err(), "it is mapped for reading");
        drop(read);
    }

    #[test]
    fn the_offset_and_the_stride_are_those_of_the_meta() {
        let info = info();
        let mut buffer = gst::Buffer::with_size(32 + 160 * 16).unwrap();
        VideoMeta::add_full(
            buffer.make_mut(),
            gst_video::VideoFrameFlags::empty(),
            VideoFormat::Rgbx,
            32,
            16,
            &[32],
            &[160],
        )
        .unwrap();
        let mapped = Mapped::readable(buffer, &info).unwrap();
        assert_eq!((mapped.offset, mapped.stride), (32, 160));
    }

    #[test]
    fn only_cuda_memory_and_its_caps_are_recognised() {
        let info = info();
        assert!(!holds(&gst::Buffer::with_size(info.size()).unwrap()));
        let mut caps = info.to_caps().unwrap();
        assert!(!is_in(&caps));
        caps.make_mut()
            .set_features_simple(Some(gst::CapsFeatures::new([FEATURE])));
        assert!(is_in(&caps));
    }
}
