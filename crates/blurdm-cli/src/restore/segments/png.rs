// SPDX-License-Identifier: MPL-2.0

//! Frames as PNG files.

use crate::error::Error;

/// How long the conversion of a frame may take.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// Returns a frame as the content of a PNG file.
///
/// # Errors
/// [`Error::Failed`], which names the package of GStreamer's PNG encoder.
pub fn png(frame: &gst::Sample) -> Result<Vec<u8>, Error> {
    let caps = gst::Caps::new_empty_simple("image/png");
    let picture = gst_video::convert_sample(frame, &caps, Some(TIMEOUT)).map_err(|error| {
        Error::Failed(format!(
            "a frame cannot be converted to PNG: {error}; the package gstreamer1.0-plugins-good has pngenc"
        ))
    })?;
    let map = picture.buffer().and_then(|buffer| buffer.map_readable().ok());
    map.map(|data| data.to_vec())
        .ok_or_else(|| Error::Failed("the PNG of a frame is empty".into()))
}
