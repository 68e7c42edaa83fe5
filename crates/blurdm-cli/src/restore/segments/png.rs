// SPDX-License-Identifier: MPL-2.0

//! Frames as PNG files.

use gst::prelude::*;
use gst_video::convert_sample;

use super::conversion;
use crate::{
    error::Error,
    media::{orientation::Orientation, pipeline::Pipeline, watchdog},
};

/// How long the conversion of a frame may take.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// Returns a frame as the content of a PNG file, turned.
///
/// # Errors
/// [`Error::Failed`], which names the package of GStreamer's PNG encoder.
pub fn png(frame: &gst::Sample, turn: Orientation) -> Result<Vec<u8>, Error> {
    let turned = (turn != Orientation::UPRIGHT).then(|| turned(frame, turn));
    let caps = gst::Caps::new_empty_simple("image/png");
    let picture = turned
        .transpose()
        .and_then(|turned| convert_sample(turned.as_ref().unwrap_or(frame), &caps, Some(TIMEOUT)).map_err(failed))?;
    let map = picture.buffer().and_then(|buffer| buffer.map_readable().ok());
    map.map(|data| data.to_vec())
        .ok_or_else(|| Error::Failed("the PNG of a frame is empty".into()))
}

fn failed(reason: impl std::fmt::Display) -> Error {
    Error::Failed(format!(
        "a frame cannot be converted to PNG: {reason}; the package gstreamer1.0-plugins-good has pngenc and videoflip"
    ))
}

/// Turns a frame, as RGB.
fn turned(frame: &gst::Sample, turn: Orientation) -> Result<gst::Sample, Error> {
    let formats = gst::List::new(["RGB", "RGBA"]);
    let caps = gst::Caps::builder("video/x-raw").field("format", formats).build();
    let rgb = convert_sample(frame, &caps, Some(TIMEOUT)).map_err(failed)?;
    let input = gst_app::AppSrc::builder().format(gst::Format::Time).build();
    let turn = conversion::turn(turn)?;
    let output = gst_app::AppSink::builder().sync(false).build();
    let chain = [input.upcast_ref(), &turn, output.upcast_ref()];
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(chain)?;
    gst::Element::link_many(chain)?;
    let pipeline = Pipeline::start(pipeline).map_err(|end| failed(format!("{end:?}")))?;
    let _wait = watchdog::wait();
    input.push_sample(&rgb).map_err(failed)?;
    input.end_of_stream().map_err(failed)?;
    let turned = output.try_pull_sample(TIMEOUT);
    turned.ok_or_else(|| failed(format!("{:?}", pipeline.poll_end())))
}
