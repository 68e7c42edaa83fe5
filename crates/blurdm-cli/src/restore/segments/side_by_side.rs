// SPDX-License-Identifier: MPL-2.0

//! Joining two frames into one that is twice as wide. GStreamer's `compositor` would impose a frame rate of its own.

use gst_video::prelude::*;

use crate::error::Error;

/// Joins two frames that both have these caps. The result has the metadata of the right one.
///
/// # Errors
/// [`Error::Failed`] for frames that cannot be mapped or allocated.
pub fn side_by_side(left: &gst::BufferRef, right: &gst::BufferRef, caps: &gst::CapsRef) -> Result<gst::Sample, Error> {
    let failed = |error: gst::glib::BoolError| Error::Failed(format!("two frames cannot be put side by side: {error}"));
    let info = gst_video::VideoInfo::from_caps(caps).map_err(failed)?;
    let wide = gst_video::VideoInfo::builder(info.format(), 2 * info.width(), info.height())
        .fps(info.fps())
        .par(info.par())
        .colorimetry(&info.colorimetry())
        .build()
        .map_err(failed)?;
    let mut buffer = gst::Buffer::with_size(wide.size()).map_err(failed)?;
    {
        let buffer = buffer.make_mut();
        right
            .copy_into(
                buffer,
                gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::FLAGS,
                ..,
            )
            .map_err(failed)?;
        let mut out = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &wide).map_err(failed)?;
        for (side, frame) in [left, right].into_iter().enumerate() {
            let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(frame, &info).map_err(failed)?;
            copy(&frame, &mut out, side);
        }
    }
    let caps = wide.to_caps().map_err(failed)?;
    Ok(gst::Sample::builder().buffer(&buffer).caps(&caps).build())
}

/// Copies a frame into the left (0) or right (1) half of one that is twice as wide.
fn copy<'a>(
    frame: &gst_video::VideoFrameRef<&'a gst::BufferRef>,
    out: &mut gst_video::VideoFrameRef<&'a mut gst::BufferRef>,
    side: usize,
) {
    let format = frame.format_info();
    for plane in 0..frame.n_planes() {
        // The first component in this plane gives the width of its rows.
        let Some(component) = (0..format.n_components()).find(|&c| format.plane()[c as usize] == plane) else {
            continue;
        };
        let row = (frame.comp_width(component) as i32 * frame.comp_pstride(component)).unsigned_abs() as usize;
        let rows = frame.comp_height(component) as usize;
        let strides = (frame.plane_stride()[plane as usize], out.plane_stride()[plane as usize]);
        let (Ok(from), Ok(to)) = (usize::try_from(strides.0), usize::try_from(strides.1)) else {
            continue;
        };
        let Ok(source) = frame.plane_data(plane) else { continue };
        let Ok(target) = out.plane_data_mut(plane) else {
            continue;
        };
        for (source, target) in source.chunks(from).zip(target.chunks_mut(to)).take(rows) {
            if let (Some(source), Some(target)) = (source.get(..row), target.get_mut(side * row..(side + 1) * row)) {
                target.copy_from_slice(source);
            }
        }
    }
}
