// SPDX-License-Identifier: MPL-2.0

//! GStreamer's formats as the frames that the engine's side knows.

use gst_video::{VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo, prelude::*};

use crate::frame::{
    Coding, Layout, LayoutError, Picture, PictureMut, PlaneError, View, ViewMut, YuvLayout, YuvView, YuvViewMut,
};

/// In the order in which they are offered: those that need the least work first.
pub(super) const FORMATS: [VideoFormat; 12] = [
    VideoFormat::Rgbx,
    VideoFormat::Rgba,
    VideoFormat::Bgrx,
    VideoFormat::Bgra,
    VideoFormat::Xrgb,
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Nv12,
    VideoFormat::I420,
    VideoFormat::P01010le,
    VideoFormat::I42010le,
    VideoFormat::Gray8,
];

enum Family {
    Packed(Layout),
    Yuv(YuvLayout),
}

/// Of one of [`FORMATS`]; the pad templates let no other one in.
fn family(format: VideoFormat) -> Family {
    match format {
        VideoFormat::Bgrx | VideoFormat::Bgra => Family::Packed(Layout::BGRX),
        VideoFormat::Xrgb => Family::Packed(Layout::XRGB),
        VideoFormat::Rgb => Family::Packed(Layout::RGB),
        VideoFormat::Bgr => Family::Packed(Layout::BGR),
        VideoFormat::Nv12 => Family::Yuv(YuvLayout::NV12),
        VideoFormat::I420 => Family::Yuv(YuvLayout::I420),
        VideoFormat::P01010le => Family::Yuv(YuvLayout::P010_10LE),
        VideoFormat::I42010le => Family::Yuv(YuvLayout::I420_10LE),
        VideoFormat::Gray8 => Family::Yuv(YuvLayout::GRAY8),
        _ => Family::Packed(Layout::RGBX),
    }
}

/// What the caps say about the numbers of a YCbCr frame. A matrix that says nothing (grey has none) counts as BT.601.
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

/// Why a buffer does not hold the frame that its caps promise.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error(transparent)]
    Packed(#[from] LayoutError),
    #[error(transparent)]
    Planes(#[from] PlaneError),
}

/// Both frames, which are of the same caps.
pub(super) fn pictures<'a>(
    inframe: &'a VideoFrameRef<&gst::BufferRef>,
    outframe: &'a mut VideoFrameRef<&mut gst::BufferRef>,
) -> Result<(Picture<'a>, PictureMut<'a>), FrameError> {
    let (width, height) = (inframe.width() as usize, inframe.height() as usize);
    let strides = |strides: &[i32]| -> [usize; 3] {
        std::array::from_fn(|i| strides.get(i).map_or(0, |&s| usize::try_from(s).unwrap_or(0)))
    };
    let (in_strides, out_strides) = (strides(inframe.plane_stride()), strides(outframe.plane_stride()));
    let [a, b, c, _] = inframe.planes_data();
    let [x, y, z, _] = outframe.planes_data_mut();
    Ok(match family(inframe.format()) {
        Family::Packed(layout) => (
            Picture::Packed(View::new(a, layout, width, height, in_strides[0])?),
            PictureMut::Packed(ViewMut::new(x, layout, width, height, out_strides[0])?),
        ),
        Family::Yuv(layout) => {
            let [s, t, u] = in_strides;
            let planes = [(a, s), (b, t), (c, u)];
            let [s, t, u] = out_strides;
            (
                Picture::Yuv(YuvView::new(planes, layout, coding(inframe.info()), width, height)?),
                PictureMut::Yuv(YuvViewMut::new([(x, s), (y, t), (z, u)], layout, width, height)?),
            )
        }
    })
}
