// SPDX-License-Identifier: MPL-2.0

//! The caps of the pads, and buffers of them as the pictures that the engine's side knows. A new format is a line of [`FORMATS`].

use gst_video::{VideoCapsBuilder, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo, prelude::*};

#[cfg(feature = "cuda-memory")]
use super::cuda_memory;
use crate::{
    engine::{MAXIMUM_SIDE, MINIMUM_SIDE},
    frame::{
        Coding, Layout, LayoutError, Picture, PictureMut, PlaneError, View, ViewMut, YuvLayout, YuvView, YuvViewMut,
    },
};

/// In the order in which the caps list them: formats that need the least conversion first.
const FORMATS: [(VideoFormat, Family); 19] = [
    (VideoFormat::Rgbx, Family::Packed(Layout::RGBX)),
    (VideoFormat::Rgba, Family::Packed(Layout::RGBX)),
    (VideoFormat::Bgrx, Family::Packed(Layout::BGRX)),
    (VideoFormat::Bgra, Family::Packed(Layout::BGRX)),
    (VideoFormat::Xrgb, Family::Packed(Layout::XRGB)),
    (VideoFormat::Rgb, Family::Packed(Layout::RGB)),
    (VideoFormat::Bgr, Family::Packed(Layout::BGR)),
    (VideoFormat::Nv12, Family::Yuv(YuvLayout::NV12)),
    (VideoFormat::I420, Family::Yuv(YuvLayout::I420)),
    (VideoFormat::P01010le, Family::Yuv(YuvLayout::P010_10LE)),
    (VideoFormat::I42010le, Family::Yuv(YuvLayout::I420_10LE)),
    (VideoFormat::Y42b, Family::Yuv(YuvLayout::Y42B)),
    (VideoFormat::Y444, Family::Yuv(YuvLayout::Y444)),
    (VideoFormat::I42210le, Family::Yuv(YuvLayout::I422_10LE)),
    (VideoFormat::Y44410le, Family::Yuv(YuvLayout::Y444_10LE)),
    (VideoFormat::I42012le, Family::Yuv(YuvLayout::I420_12LE)),
    (VideoFormat::I42212le, Family::Yuv(YuvLayout::I422_12LE)),
    (VideoFormat::Y44412le, Family::Yuv(YuvLayout::Y444_12LE)),
    (VideoFormat::Gray8, Family::Yuv(YuvLayout::GRAY8)),
];

#[derive(Clone, Copy)]
enum Family {
    Packed(Layout),
    Yuv(YuvLayout),
}

/// Returns the caps of both pad templates.
pub fn caps() -> gst::Caps {
    let sides = MINIMUM_SIDE as i32..=MAXIMUM_SIDE as i32;
    let caps = VideoCapsBuilder::new()
        .format_list(FORMATS.map(|(format, _)| format))
        .width_range(sides.clone())
        .height_range(sides.clone())
        .build();
    #[cfg(feature = "cuda-memory")]
    let caps = {
        let mut all = caps;
        let on_device = VideoCapsBuilder::new()
            .features([cuda_memory::FEATURE])
            .format_list(cuda_memory::FORMATS)
            .width_range(sides.clone())
            .height_range(sides);
        all.make_mut().append(on_device.build());
        all
    };
    caps
}

/// Returns the layout of a format. The pad templates admit only those of [`FORMATS`].
fn family(format: VideoFormat) -> Family {
    FORMATS
        .iter()
        .find(|(known, _)| *known == format)
        .map_or(Family::Packed(Layout::RGBX), |(_, family)| *family)
}

/// Returns how caps code YCbCr. A matrix that is not known counts as BT.601: grey has none.
fn coding(info: &VideoInfo) -> Coding {
    let colorimetry = info.colorimetry();
    let (kr, kb) = colorimetry
        .matrix()
        .kr_kb()
        .unwrap_or((Coding::BT601.kr, Coding::BT601.kb));
    Coding {
        kr,
        kb,
        full_range: colorimetry.range() == VideoColorRange::Range0_255,
    }
}

/// Returns the number of bytes of a row, and the number of rows, of a plane of a frame.
pub fn plane_size(format: VideoFormat, plane: usize, width: usize, height: usize) -> (usize, usize) {
    match family(format) {
        Family::Packed(layout) => (width * layout.bytes(), height),
        Family::Yuv(layout) => layout.plane(plane, width, height),
    }
}

/// Why a mapped frame is not one of its caps.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error(transparent)]
    Packed(#[from] LayoutError),
    #[error(transparent)]
    Planes(#[from] PlaneError),
}

/// Returns the frame that `info` describes. `frame` may have been mapped with a GstVideoMeta of a larger one.
///
/// # Errors
/// If the planes are too small, or have strides that no frame of these caps has.
pub fn picture<'a>(frame: &'a VideoFrameRef<&gst::BufferRef>, info: &VideoInfo) -> Result<Picture<'a>, FrameError> {
    let (width, height) = size(info);
    let [s, t, u] = strides(frame.plane_stride());
    let [a, b, c, _] = frame.planes_data();
    Ok(match family(info.format()) {
        Family::Packed(layout) => Picture::Packed(View::new(a, layout, width, height, s)?),
        Family::Yuv(layout) => {
            let planes = [(a, s), (b, t), (c, u)];
            Picture::Yuv(YuvView::new(planes, layout, coding(info), width, height)?)
        }
    })
}

/// As [`picture`], for a frame to be written.
///
/// # Errors
/// As [`picture`].
pub fn picture_mut<'a>(
    frame: &'a mut VideoFrameRef<&mut gst::BufferRef>,
    info: &VideoInfo,
) -> Result<PictureMut<'a>, FrameError> {
    let (width, height) = size(info);
    let [s, t, u] = strides(frame.plane_stride());
    let [a, b, c, _] = frame.planes_data_mut();
    Ok(match family(info.format()) {
        Family::Packed(layout) => PictureMut::Packed(ViewMut::new(a, layout, width, height, s)?),
        Family::Yuv(layout) => {
            let planes = [(a, s), (b, t), (c, u)];
            PictureMut::Yuv(YuvViewMut::new(planes, layout, width, height)?)
        }
    })
}

fn size(info: &VideoInfo) -> (usize, usize) {
    (info.width() as usize, info.height() as usize)
}

fn strides(strides: &[i32]) -> [usize; 3] {
    std::array::from_fn(|plane| {
        strides
            .get(plane)
            .map_or(0, |&stride| usize::try_from(stride).unwrap_or(0))
    })
}
