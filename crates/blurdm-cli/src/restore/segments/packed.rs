// SPDX-License-Identifier: MPL-2.0

//! Uncompressed frames without padding, as Matroska and others store them. GStreamer takes rows for padded to four bytes where nothing else is said.

use gst::prelude::*;
use gst_video::{VideoFormatFlags, VideoFrameFlags, VideoInfo, VideoMeta};

use crate::media::CAT;

/// How the planes of a frame lie in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    offsets: Vec<usize>,
    strides: Vec<i32>,
    size: usize,
}

/// States how the rows of frames lie in memory where they have no padding. Frames that are too short even then are dropped: elements would take what lies
/// behind them for pixels.
pub fn state_layout(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        // Decoders state how their frames lie.
        let Some(buffer) = info.buffer_mut().filter(|buffer| buffer.meta::<VideoMeta>().is_none()) else {
            return gst::PadProbeReturn::Ok;
        };
        let frames = pad.current_caps().and_then(|caps| VideoInfo::from_caps(&caps).ok());
        let Some(frames) = frames.filter(|frames| buffer.size() < frames.size()) else {
            return gst::PadProbeReturn::Ok;
        };
        let layout = unpadded(&frames).filter(|layout| layout.size == buffer.size());
        let added = layout.map(|layout| {
            VideoMeta::add_full(
                buffer.make_mut(),
                VideoFrameFlags::empty(),
                frames.format(),
                frames.width(),
                frames.height(),
                &layout.offsets,
                &layout.strides,
            )
            .map(drop)
        });
        match added {
            Some(Ok(())) => gst::PadProbeReturn::Ok,
            Some(Err(error)) => {
                gst::info!(CAT, obj = pad, "the layout of frames cannot be stated: {error}");
                gst::PadProbeReturn::Drop
            }
            None => {
                let (has, needs) = (buffer.size(), frames.size());
                gst::info!(
                    CAT,
                    obj = pad,
                    "a frame of {has} bytes is dropped, since it needs {needs}"
                );
                gst::PadProbeReturn::Drop
            }
        }
    });
}

/// Returns the layout without padding. `None` for formats whose rows are not made of whole pixels.
fn unpadded(frames: &VideoInfo) -> Option<Layout> {
    let format = frames.format_info();
    if format
        .flags()
        .intersects(VideoFormatFlags::COMPLEX | VideoFormatFlags::TILED)
    {
        return None;
    }
    let scaled = |side: u32, shift: u32| side.div_ceil(1 << shift);
    let (mut offsets, mut strides, mut size) = (Vec::new(), Vec::new(), 0);
    for plane in 0..format.n_planes() {
        let component = format.plane().iter().position(|&of| of == plane)?;
        let pixels = scaled(frames.width(), *format.w_sub().get(component)?);
        let rows = scaled(frames.height(), *format.h_sub().get(component)?);
        let stride = pixels.checked_mul(u32::try_from(*format.pixel_stride().get(component)?).ok()?)?;
        offsets.push(size);
        strides.push(i32::try_from(stride).ok()?);
        size += stride as usize * rows as usize;
    }
    Some(Layout { offsets, strides, size })
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use gst_video::VideoFormat;

    use super::*;

    #[test]
    fn rows_without_padding_follow_each_other() {
        gst::init().unwrap();
        for (format, strides, size) in [
            (VideoFormat::I420, &[97, 49, 49][..], 97 * 65 + 2 * 49 * 33),
            (VideoFormat::Nv12, &[97, 98], 97 * 65 + 98 * 33),
            (VideoFormat::Rgb, &[291], 291 * 65),
            (VideoFormat::Gray8, &[97], 97 * 65),
            (VideoFormat::I42210le, &[194, 98, 98], 194 * 65 + 2 * 98 * 65),
        ] {
            let frames = VideoInfo::builder(format, 97, 65).build().unwrap();
            let layout = unpadded(&frames).unwrap();
            assert_eq!((&layout.strides[..], layout.size), (strides, size), "{format}");
        }
        let complex = VideoInfo::builder(VideoFormat::V210, 96, 64).build().unwrap();
        assert_eq!(unpadded(&complex), None);
    }
}
