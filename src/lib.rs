// SPDX-License-Identifier: MPL-2.0

//! `blurdm`: a GStreamer element that removes motion blur from video, and the engine behind it.

pub mod diffusion;
pub mod element;
pub mod engine;
pub mod frame;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    element::register(plugin)
}

gst::plugin_define!(
    blurdm,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MPL",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("BUILD_REL_DATE")
);
