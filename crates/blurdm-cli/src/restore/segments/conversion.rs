// SPDX-License-Identifier: MPL-2.0

//! Converting decoded frames to the format that they are encoded in, without a change of range or matrix.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

use crate::media::{
    coded_format::{CodedFormat, closest},
    colour::{Colour, is_rgb},
};

/// Returns an element that converts formats. It does not dither, so that values that fit into a format stay what they are.
///
/// # Errors
/// It is missing.
pub fn videoconvert() -> Result<gst::Element, gst::glib::BoolError> {
    gst::ElementFactory::make("videoconvert")
        .property_from_str("dither", "none")
        .build()
}

/// Creates the elements from decoded frames to the one that restores them. They keep the bits and the chroma of frames that it cannot take as they are.
///
/// # Errors
/// One of them is missing.
pub fn for_element(element: &gst::Element) -> Result<[gst::Element; 2], gst::glib::BoolError> {
    let convert = videoconvert()?;
    let filter = gst::ElementFactory::make("capsfilter").build()?;
    let takes = element.pad_template("sink").map(|template| template.caps().clone());
    let chosen = filter.downgrade();
    if let (Some(pad), Some(takes)) = (convert.static_pad("sink"), takes) {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(gst::EventView::Caps(event)) = info.event().map(|event| event.view())
                && let Some(filter) = chosen.upgrade()
            {
                filter.set_property("caps", taken(event.caps(), &takes));
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok([convert, filter])
}

/// Returns the caps that frames with `caps` are converted to for an element that takes frames with `takes`.
fn taken(caps: &gst::CapsRef, takes: &gst::Caps) -> gst::Caps {
    let accepts = |format: VideoFormat| {
        let caps = gst::Caps::builder("video/x-raw").field("format", format.to_str());
        takes.can_intersect(&caps.build())
    };
    match VideoInfo::from_caps(caps) {
        Ok(frames) if !is_rgb(frames.format()) => {
            let format = match accepts(frames.format()) {
                true => frames.format(),
                false => closest(&frames, &accepts),
            };
            gst::Caps::builder("video/x-raw")
                .field("format", format.to_str())
                .field("colorimetry", frames.colorimetry().to_string())
                .field_if_some("chroma-site", chroma_site(&frames))
                .build()
        }
        _ => gst::Caps::new_any(),
    }
}

/// Returns the place of chroma, which has no name where it is not known.
fn chroma_site(frames: &VideoInfo) -> Option<String> {
    let site = frames.chroma_site();
    (!site.is_empty() && !is_rgb(frames.format())).then(|| site.to_string())
}

/// Creates the elements from frames with this info to the encoder. `colour` is that of the encoded video.
///
/// # Errors
/// One of them is missing.
pub fn elements(
    frames: &VideoInfo,
    coded: CodedFormat,
    colour: &Colour,
) -> Result<Vec<gst::Element>, gst::glib::BoolError> {
    let colorimetry = match is_rgb(frames.format()) {
        false => frames.colorimetry(),
        true => colour.coded.assumed_colorimetry(frames.width(), frames.height()),
    };
    let mut caps = gst::Caps::builder("video/x-raw").field("format", coded.format.to_str());
    if coded.format == coded.told {
        caps = caps
            .field("colorimetry", colorimetry.to_string())
            .field_if_some("chroma-site", chroma_site(frames));
    }
    let filter = gst::ElementFactory::make("capsfilter")
        .property("caps", caps.build())
        .build()?;
    let mut chain = vec![videoconvert()?, filter];
    if coded.format != coded.told {
        chain.push(renamed(coded)?);
    }
    Ok(chain)
}

/// Returns an element that tells the encoder another format with the same layout. What the planes mean is stated in the stream.
fn renamed(coded: CodedFormat) -> Result<gst::Element, gst::glib::BoolError> {
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", coded.told.to_str())
        .field("colorimetry", "bt709")
        .field("chroma-site", "mpeg2")
        .build();
    let setter = gst::ElementFactory::make("capssetter").property("caps", caps).build()?;
    if let Some(pad) = setter.static_pad("sink") {
        // The encoder would offer buffers of the format that it is told.
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
            match info.query().map(|query| query.type_()) {
                Some(gst::QueryType::Allocation) => gst::PadProbeReturn::Drop,
                _ => gst::PadProbeReturn::Ok,
            }
        });
    }
    if let Some(pad) = setter.static_pad("src") {
        pad.add_probe(gst::PadProbeType::BUFFER, |_, info| {
            if let Some(buffer) = info.buffer_mut() {
                // Without its video meta, which has the old format and is locked in a pool's buffer. Rows lie as they do without it.
                let parts =
                    gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS | gst::BufferCopyFlags::MEMORY;
                if let Ok(bare) = buffer.copy_region(parts, ..) {
                    *buffer = bare;
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(setter)
}
