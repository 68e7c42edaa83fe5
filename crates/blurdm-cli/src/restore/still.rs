// SPDX-License-Identifier: MPL-2.0

//! Frames as PNG pictures.

use super::Error;

/// Longest that a frame may take to become a picture.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(30);

/// A frame as a PNG file's content.
///
/// # Errors
/// [`Error::Failed`] with what to install where GStreamer has no PNG encoder.
pub fn png(frame: &gst::Sample) -> Result<Vec<u8>, Error> {
    let caps = gst::Caps::new_empty_simple("image/png");
    let picture = gst_video::convert_sample(frame, &caps, Some(PATIENCE)).map_err(|error| {
        Error::Failed(format!(
            "a frame cannot be made a PNG picture: {error}; the package gstreamer1.0-plugins-good has pngenc"
        ))
    })?;
    let map = picture.buffer().and_then(|buffer| buffer.map_readable().ok());
    map.map(|data| data.to_vec())
        .ok_or_else(|| Error::Failed("a frame has no picture".into()))
}
