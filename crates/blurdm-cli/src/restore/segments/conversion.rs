// SPDX-License-Identifier: MPL-2.0

//! Converting decoded frames to the format that they are encoded in, without a change of range or matrix, and turning them.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoFormatInfo, VideoInfo};

use crate::media::{
    coded_format::{CodedFormat, closest},
    colour::{Colour, is_rgb},
    orientation::Orientation,
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

/// Returns an element that turns frames.
///
/// # Errors
/// It is missing.
pub fn turn(orientation: Orientation) -> Result<gst::Element, gst::glib::BoolError> {
    gst::ElementFactory::make("videoflip")
        .property_from_str("video-direction", orientation.direction())
        .build()
}

/// Creates the elements from decoded frames to the one that restores them, turned. They keep the bits and the chroma of frames that it cannot take as they are.
///
/// # Errors
/// One of them is missing.
pub fn for_element(
    element: &gst::Element,
    orientation: Orientation,
) -> Result<Vec<gst::Element>, gst::glib::BoolError> {
    let convert = videoconvert()?;
    let filter = gst::ElementFactory::make("capsfilter").build()?;
    let mut chain = vec![convert.clone(), filter.clone()];
    let mut takes = element.pad_template("sink").map(|template| template.caps().clone());
    if orientation != Orientation::UPRIGHT {
        let turn = turn(orientation)?;
        takes = takes.map(|takes| takes.intersect(&turnable(&turn, orientation)));
        chain.push(turn);
    }
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
    Ok(chain)
}

/// Returns the caps of frames that an element can turn without a loss. Pictures of 4:2:2 that lie on their side have no format: they become 4:4:4.
fn turnable(turn: &gst::Element, orientation: Orientation) -> gst::Caps {
    let takes = turn.pad_template("sink").map(|template| template.caps().clone());
    let takes = takes.unwrap_or_else(gst::Caps::new_any);
    if !orientation.is_quarter_turn() {
        return takes;
    }
    let keeps_format = |format: &VideoFormat| {
        let info = VideoFormatInfo::from_format(*format);
        info.w_sub().get(1) == info.h_sub().get(1)
    };
    let formats = VideoFormat::iter_raw().filter(keeps_format).map(VideoFormat::to_str);
    let formats = gst::Caps::builder("video/x-raw").field("format", gst::List::new(formats));
    takes.intersect(&formats.build())
}

/// Returns what frames like these are like when they are turned.
///
/// # Errors
/// Such frames cannot be turned.
pub fn turned(frames: &VideoInfo, orientation: Orientation) -> Result<VideoInfo, gst::glib::BoolError> {
    if orientation == Orientation::UPRIGHT {
        return Ok(frames.clone());
    }
    let turn = turn(orientation)?;
    let format = taken_format(frames, &turnable(&turn, orientation));
    let (pixel, size) = (frames.par(), (frames.width(), frames.height()));
    let (pixel, (width, height)) = match orientation.is_quarter_turn() {
        true => (gst::Fraction::new(pixel.denom(), pixel.numer()), (size.1, size.0)),
        false => (pixel, size),
    };
    VideoInfo::builder(format, width, height)
        .par(pixel)
        .colorimetry(&frames.colorimetry())
        .interlace_mode(frames.interlace_mode())
        .build()
}

/// Returns the caps that frames with `caps` are converted to for an element that takes frames with `takes`.
fn taken(caps: &gst::CapsRef, takes: &gst::Caps) -> gst::Caps {
    match VideoInfo::from_caps(caps) {
        Ok(frames) if is_rgb(frames.format()) => rgb_taken(takes),
        Ok(frames) => gst::Caps::builder("video/x-raw")
            .field("format", taken_format(&frames, takes).to_str())
            .field("colorimetry", frames.colorimetry().to_string())
            .field_if_some("chroma-site", chroma_site(&frames))
            .build(),
        Err(_) => gst::Caps::new_any(),
    }
}

/// Returns the caps of red, green and blue that an element takes: of more bits it may take luma and colour differences only, which would be other colours.
fn rgb_taken(takes: &gst::Caps) -> gst::Caps {
    let formats = VideoFormat::iter_raw().filter(|&format| {
        let caps = gst::Caps::builder("video/x-raw").field("format", format.to_str());
        is_rgb(format) && takes.can_intersect(&caps.build())
    });
    let formats = gst::List::new(formats.map(VideoFormat::to_str));
    gst::Caps::builder("video/x-raw").field("format", formats).build()
}

/// Returns the format of frames like these for an element that takes frames with `takes`.
fn taken_format(frames: &VideoInfo, takes: &gst::Caps) -> VideoFormat {
    let accepts = |format: VideoFormat| {
        let caps = gst::Caps::builder("video/x-raw").field("format", format.to_str());
        takes.can_intersect(&caps.build())
    };
    match accepts(frames.format()) || is_rgb(frames.format()) {
        true => frames.format(),
        false => closest(frames, &accepts),
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
