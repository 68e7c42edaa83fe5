// SPDX-License-Identifier: MPL-2.0

//! The colour of a video stream, as its bitstream and its container state it.

use std::path::Path;

use super::{
    av1,
    container::{self, Stated},
    hdr::{ContentLight, Hdr, MasteringDisplay},
    nal_video, others,
    tags::{Tags, assumed_matrix},
    vp9,
};
use crate::media::bitstream::{self, AccessUnit};

/// Bitstream and container may contradict each other, and players differ in what they follow. Both are kept as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Colour {
    /// What the bitstream states, and where it states nothing what the container does. FFmpeg and players on top of it follow this.
    pub coded: Tags,
    /// What the container states, and where it states nothing what the bitstream does.
    pub stated: Tags,
    pub mastering: Option<MasteringDisplay>,
    pub light: Option<ContentLight>,
}

impl Colour {
    /// Reads the colour of the video that the demuxer calls `id`, with these caps, from its container, its first frame, and the messages that
    /// came before that.
    pub fn read(path: &Path, id: &str, caps: &gst::Caps, early: &[Vec<u8>], frame: &[u8]) -> Self {
        let Stated { tags, mastering, light } = container::read(path, id, caps);
        let (coded, in_frame) = coded(caps, early, frame);
        // The parsers pass on what the bitstream says about the display, if the container says nothing. Not all bitstreams go through one.
        let text = |name: &str| caps.structure(0).and_then(|first| first.get::<&str>(name).ok());
        let in_caps = Hdr {
            mastering: text("mastering-display-info").and_then(|text| text.parse().ok()),
            light: text("content-light-level").and_then(|text| text.parse().ok()),
        };
        let Hdr { mastering, light } = Hdr { mastering, light }.or(in_caps).or(in_frame);
        Self {
            coded: coded.or(tags),
            stated: tags.or(coded),
            mastering,
            light,
        }
    }
}

impl Colour {
    /// Returns the colour of the same video with red, green and blue coded, or with luma and colour differences made from them for a picture of this size.
    pub fn made_from_rgb(self, rgb_is_coded: bool, width: u32, height: u32) -> Self {
        let of_rgb = |tags: Tags| {
            let matrix = if rgb_is_coded { 0 } else { assumed_matrix(width, height) };
            Tags {
                full_range: Some(rgb_is_coded),
                matrix: Some(matrix),
                ..tags
            }
        };
        Self {
            coded: of_rgb(self.coded),
            stated: of_rgb(self.stated),
            ..self
        }
    }
}

/// Returns what a first frame with these caps says.
fn coded(caps: &gst::Caps, early: &[Vec<u8>], frame: &[u8]) -> (Tags, Hdr) {
    let Some(first) = caps.structure(0) else {
        return Default::default();
    };
    let codec_data = bitstream::codec_data(first);
    let codec_data = codec_data.as_ref().map(|map| map.as_slice());
    if let Some(unit) = AccessUnit::of(first, codec_data, frame) {
        let unit = unit.after(early);
        return (nal_video::tags(&unit).unwrap_or_default(), nal_video::hdr(&unit));
    }
    let nothing = Hdr::default();
    let (tags, hdr) = match first.name().as_str() {
        "video/x-av1" => (av1::tags(frame, codec_data), av1::hdr(frame, codec_data)),
        "video/x-vp9" => (vp9::tags(frame), nothing),
        "video/x-prores" => (others::of_prores(frame), nothing),
        "image/jpeg" => (Some(others::of_jpeg(frame)), nothing),
        "video/mpeg" if first.get::<i32>("mpegversion") == Ok(4) => {
            let of_mpeg4 = codec_data.and_then(others::of_mpeg4);
            (of_mpeg4.or_else(|| others::of_mpeg4(frame)), nothing)
        }
        "video/mpeg" => (Some(others::of_mpeg2(frame)), nothing),
        _ => (None, nothing),
    };
    (tags.unwrap_or_default(), hdr)
}
