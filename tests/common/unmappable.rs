// SPDX-License-Identifier: MPL-2.0

//! Memory that the CPU can neither read nor write, as a device may have it.

use gst::{ffi, glib, prelude::*, subclass::prelude::*};

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Unmappable;

    #[glib::object_subclass]
    impl ObjectSubclass for Unmappable {
        const NAME: &'static str = "TestUnmappableAllocator";
        type Type = super::Unmappable;
        type ParentType = gst::Allocator;
    }

    impl ObjectImpl for Unmappable {
        fn constructed(&self) {
            self.parent_constructed();
            let allocator: *mut ffi::GstAllocator = self.obj().upcast_ref::<gst::Allocator>().as_ptr();
            // SAFETY: nobody else has the allocator yet.
            unsafe {
                (*allocator).mem_map = Some(map);
                (*allocator).mem_unmap = Some(unmap);
            }
        }
    }

    impl GstObjectImpl for Unmappable {}

    // SAFETY: what `alloc` returns is a memory, and `free` is called with such a memory once.
    unsafe impl AllocatorImpl for Unmappable {
        unsafe fn alloc(&self, size: usize, params: &gst::AllocationParams) -> *mut ffi::GstMemory {
            // SAFETY: a memory is plain data, which `gst_memory_init` fills in.
            unsafe {
                let memory = Box::into_raw(Box::new(std::mem::zeroed::<ffi::GstMemory>()));
                let allocator = self.obj().upcast_ref::<gst::Allocator>().as_ptr();
                let none = std::ptr::null_mut();
                ffi::gst_memory_init(memory, 0, allocator, none, size, params.align(), 0, size);
                memory
            }
        }

        unsafe fn free(&self, memory: *mut ffi::GstMemory) {
            // SAFETY: it comes from `alloc`.
            drop(unsafe { Box::from_raw(memory) });
        }
    }

    unsafe extern "C" fn map(_: *mut ffi::GstMemory, _: usize, _: ffi::GstMapFlags) -> glib::ffi::gpointer {
        std::ptr::null_mut()
    }

    unsafe extern "C" fn unmap(_: *mut ffi::GstMemory) {}
}

glib::wrapper! {
    pub struct Unmappable(ObjectSubclass<imp::Unmappable>) @extends gst::Allocator, gst::Object;
}

/// Returns memory of `size` bytes.
pub fn memory(size: usize) -> gst::Memory {
    glib::Object::new::<Unmappable>().alloc(size, None).unwrap()
}
