// SPDX-License-Identifier: MPL-2.0

//! Both eyes in one picture, as the container states it. The pictures are restored as they are coded, and the output states the same.

use std::path::Path;

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo, VideoMultiviewFlags, VideoMultiviewMode};
use mp4_splice::Movie;

const FIELDS: [&str; 2] = ["multiview-mode", "multiview-flags"];
const MONO: &str = "mono";
const PIXEL_SHAPE: &str = "pixel-aspect-ratio";

/// Takes what `stored`, the caps of the coded video, state about both eyes out of all caps of decoded frames that pass this pad. Of pictures side by side
/// `avdec_h264` of GStreamer 1.22 doubles the width of the pixels, and encoders and muxers change the rest.
pub fn hide_in_caps(pad: &gst::Pad, stored: &gst::CapsRef) {
    if !is_stereo(stored) {
        return;
    }
    let first = stored.structure(0);
    let shape = first.and_then(|first| first.get::<gst::Fraction>(PIXEL_SHAPE).ok());
    let shape = shape.unwrap_or_else(|| gst::Fraction::new(1, 1));
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let mut caps = match info.event().map(|event| event.view()) {
            Some(gst::EventView::Caps(event)) => event.caps_owned(),
            _ => return gst::PadProbeReturn::Ok,
        };
        for structure in caps.make_mut().iter_mut() {
            structure.remove_fields(FIELDS);
            structure.set(PIXEL_SHAPE, shape);
        }
        info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&caps)));
        gst::PadProbeReturn::Ok
    });
}

/// Returns the caps of restored video with what `stored`, those of the original, state about both eyes.
pub fn stated(caps: &gst::Caps, stored: &gst::CapsRef) -> gst::Caps {
    let Some(first) = stored.structure(0).filter(|_| is_stereo(stored)) else {
        return caps.clone();
    };
    let mut caps = caps.clone();
    for structure in caps.make_mut().iter_mut() {
        for name in FIELDS {
            if let Ok(value) = first.value(name) {
                structure.set_value(name, value.clone());
            }
        }
    }
    caps
}

/// Returns the caps of a video with what `st3d` of an MP4 states about both eyes, which `qtdemux` of GStreamer 1.22 does not read. `None` where that is nothing
/// that caps can state. `id` is that of its track.
pub fn of_movie(path: &Path, id: &str, caps: &gst::Caps) -> Option<gst::Caps> {
    let movie = Movie::open(path).ok()?;
    let video = movie.video_with_id(id.parse().ok()?).ok()?;
    let (mode, right_first) = match movie.tracks().get(video.index())?.entries.first()?.stereo_mode()? {
        1 => (VideoMultiviewMode::TopBottom, false),
        2 => (VideoMultiviewMode::SideBySide, false),
        4 => (VideoMultiviewMode::SideBySide, true),
        _ => return None,
    };
    with(caps, mode, right_first)
}

/// Returns caps with this arrangement of both eyes.
pub fn with(caps: &gst::Caps, mode: VideoMultiviewMode, right_first: bool) -> Option<gst::Caps> {
    let flags = match right_first {
        true => VideoMultiviewFlags::RIGHT_VIEW_FIRST,
        false => VideoMultiviewFlags::empty(),
    };
    let info = VideoInfo::builder(VideoFormat::I420, 16, 16);
    let info = info.multiview_mode(mode).multiview_flags(flags).build().ok()?;
    Some(stated(caps, info.to_caps().ok()?.as_ref()))
}

/// Whether the muxer of GStreamer 1.22 for Matroska writes what caps state about both eyes. It has no mode for interleaved rows and columns.
pub fn is_written_into_matroska(caps: &gst::CapsRef) -> bool {
    let mode = mode(caps).unwrap_or_default();
    !["row-interleaved", "column-interleaved"].contains(&mode.as_str())
}

/// Whether caps state that both eyes are in one picture.
pub fn is_stereo(caps: &gst::CapsRef) -> bool {
    mode(caps).is_some_and(|mode| mode != MONO)
}

fn mode(caps: &gst::CapsRef) -> Option<String> {
    let mode = caps.structure(0)?.value(FIELDS[0]).ok()?.serialize().ok()?;
    Some(mode.trim_matches('"').to_owned())
}
