// SPDX-License-Identifier: MPL-2.0

//! Whether a buffer holds the frame that its caps describe.
//!
//! GStreamer maps the planes where a buffer's GstVideoMeta states them, and does not compare them with the size of the buffer's memory. So this is
//! done here, before a buffer is mapped.

use gst_video::{VideoFormat, VideoInfo, VideoMeta};

use super::{
    formats::{FrameError, plane_size},
    video_meta::video_meta,
};

/// Why a buffer does not hold the frame that its caps describe.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    #[error("it has {size} bytes, and its caps describe {format} of {width}x{height}, which takes {needed}")]
    Size {
        size: usize,
        format: VideoFormat,
        width: u32,
        height: u32,
        needed: usize,
    },
    #[error(
        "its GstVideoMeta states {format} of {width}x{height} in {planes} planes, and its caps describe {expected} of \
         {caps_width}x{caps_height} in {expected_planes}"
    )]
    Meta {
        format: VideoFormat,
        width: u32,
        height: u32,
        planes: u32,
        expected: VideoFormat,
        caps_width: u32,
        caps_height: u32,
        expected_planes: u32,
    },
    #[error("its GstVideoMeta states a stride of {stride} bytes for plane {plane}, whose rows take {row}")]
    Stride { plane: u32, stride: i32, row: usize },
    #[error(
        "its GstVideoMeta states {rows} rows at a stride of {stride} bytes from offset {offset} for plane {plane}, and the memory there \
         has {room} bytes"
    )]
    Plane {
        plane: u32,
        offset: usize,
        stride: i32,
        rows: usize,
        room: usize,
    },
    #[error("its memory cannot be mapped to be read")]
    Unreadable,
    #[error("its memory cannot be mapped to be written")]
    Unwritable,
    #[error("{0}")]
    Frame(#[from] FrameError),
}

/// Checks that `buffer` holds the frame that `info` describes: with a GstVideoMeta all planes that it states, otherwise those of `info`.
///
/// # Errors
/// What is wrong with the buffer.
pub fn check(buffer: &gst::BufferRef, info: &VideoInfo) -> Result<(), BufferError> {
    match video_meta(buffer) {
        Some(meta) => check_meta(buffer, &meta, info),
        None if buffer.size() < info.size() => Err(BufferError::Size {
            size: buffer.size(),
            format: info.format(),
            width: info.width(),
            height: info.height(),
            needed: info.size(),
        }),
        None => Ok(()),
    }
}

fn check_meta(buffer: &gst::BufferRef, meta: &VideoMeta, info: &VideoInfo) -> Result<(), BufferError> {
    // The frame of the caps may be a part of a larger one, its upper left corner.
    if meta.format() != info.format()
        || meta.n_planes() != info.n_planes()
        || meta.width() < info.width()
        || meta.height() < info.height()
    {
        return Err(BufferError::Meta {
            format: meta.format(),
            width: meta.width(),
            height: meta.height(),
            planes: meta.n_planes(),
            expected: info.format(),
            caps_width: info.width(),
            caps_height: info.height(),
            expected_planes: info.n_planes(),
        });
    }
    for (plane, (&offset, &stride)) in (0..).zip(meta.offset().iter().zip(meta.stride())) {
        let (row, rows) = plane_size(meta.format(), plane, meta.width() as usize, meta.height() as usize);
        let Some(length) = usize::try_from(stride).ok().filter(|stride| *stride >= row) else {
            return Err(BufferError::Stride {
                plane: plane as u32,
                stride,
                row,
            });
        };
        let room = room(buffer, offset);
        // The last row may lack its padding.
        let needed = length
            .checked_mul(rows)
            // The bindings count the bytes of a plane in 32 bits.
            .filter(|bytes| u32::try_from(*bytes).is_ok())
            .map(|bytes| bytes - length + row);
        if needed.is_none_or(|needed| room < needed) {
            return Err(BufferError::Plane {
                plane: plane as u32,
                offset,
                stride,
                rows,
                room,
            });
        }
    }
    Ok(())
}

/// Returns how many bytes there are from `offset` to the end of the memory that it is in. Of a buffer's memories, GStreamer maps that one for a
/// plane.
fn room(buffer: &gst::BufferRef, offset: usize) -> usize {
    let mut begin = 0;
    for memory in buffer.iter_memories() {
        let end = begin + memory.size();
        if offset < end {
            return end - offset;
        }
        begin = end;
    }
    0
}
