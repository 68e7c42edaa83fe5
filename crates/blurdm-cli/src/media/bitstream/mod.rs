// SPDX-License-Identifier: MPL-2.0

//! Coded video, as far as it is read here: bits, NAL units, and supplemental enhancement information.

mod access_unit;
mod bits;
pub mod h264;
pub mod h265;
pub mod nal;
mod sei;

pub use access_unit::{AccessUnit, Coding};
pub use bits::{BitReader, BitWriter};

/// Returns the `codec_data` of caps.
pub fn codec_data(caps: &gst::StructureRef) -> Option<gst::MappedBuffer<gst::buffer::Readable>> {
    let buffer = caps.get::<gst::Buffer>("codec_data").ok()?;
    buffer.into_mapped_buffer_readable().ok()
}
