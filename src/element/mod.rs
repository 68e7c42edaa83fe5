// SPDX-License-Identifier: MPL-2.0

//! The element `blurdm`, a filter that removes motion blur from video.
//!
//! ```text
//! gst-launch-1.0 v4l2src ! videoconvert ! blurdm ! queue max-size-bytes=0 ! videoconvert ! autovideosink
//! gst-launch-1.0 filesrc location=drive.mp4 ! decodebin ! videoconvert ! blurdm compare=split ! videoconvert ! autovideosink
//! ```
//!
//! # Formats
//!
//! RGBx, RGBA, BGRx, BGRA, xRGB, RGB, BGR, GRAY8, NV12, P010_10LE, and planar 4:2:0, 4:2:2 and 4:4:4 with 8, 10 and 12 bits (I420 to
//! Y444_12LE), progressive, from 16x16 on. Caps, timestamps, flags and metas pass unchanged. RGBx and RGBA without row padding need no
//! conversion. To YCbCr and grey frames the element adds
//! the change that the network made, so that pixels which the network left alone keep their bits.
//!
//! # Large frames
//!
//! Frames larger than `tile-size` are restored in overlapping tiles of that size, which are blended without a seam. Memory then
//! grows with the tile and hardly with the frame. Each tile has its own prior, so the result differs slightly from that of a whole frame.
//!
//! # Too little time
//!
//! With `adaptive`, frames are restored at a smaller scale where there is not enough time for all the work. With a live source this is
//! found out before the first frame: an application waits for the PROGRESS messages before it plays one.
//!
//! The element answers the LATENCY query with the cost of a frame, and posts a LATENCY message when that changes. A frame that is late
//! nevertheless is passed through unchanged if the source is live, and restored otherwise; `deadline` changes that.
//!
//! The queue in the first line lets another thread wait until frames are shown. Without it, every frame but the first is late where
//! restoring takes longer than a frame is shown. The element warns of that.
//!
//! `GstVideoFilter` turns QoS on, with which a model slower than the frame rate silently loses most frames. `blurdm` turns it off;
//! `qos=true` turns it on again.

pub mod builtin_model;
mod enums;
mod errors;
mod imp;
mod messages;
mod settings;
mod shared;
mod stream;
mod timing;

use gst::{glib, prelude::*};

pub use enums::{Compare, ExecutionProvider, LateFrame, OnError, Precision};

glib::wrapper! {
    /// The element, as an object. Its factory is `blurdm`.
    pub struct BlurDm(ObjectSubclass<imp::BlurDm>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element with a plugin.
///
/// # Errors
/// If GStreamer refuses it.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    for values in [
        ExecutionProvider::static_type(),
        Precision::static_type(),
        OnError::static_type(),
        LateFrame::static_type(),
        Compare::static_type(),
    ] {
        values.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "blurdm", gst::Rank::NONE, BlurDm::static_type())
}
