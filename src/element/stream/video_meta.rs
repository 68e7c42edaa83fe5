// SPDX-License-Identifier: MPL-2.0

//! The GstVideoMeta of a buffer, which may have several.

use gst_video::VideoMeta;

/// Returns the GstVideoMeta by which GStreamer maps a buffer: the one with the number 0, otherwise the one with the lowest number.
pub fn video_meta(buffer: &gst::BufferRef) -> Option<gst::MetaRef<'_, VideoMeta>> {
    buffer
        .iter_meta::<VideoMeta>()
        .min_by_key(|meta| (meta.id() != 0, meta.id()))
}
