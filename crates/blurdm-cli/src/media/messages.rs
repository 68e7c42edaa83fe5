// SPDX-License-Identifier: MPL-2.0

//! What messages on the bus say.

use std::io;

use gst::prelude::*;

use crate::error::{NO_MEMORY, file_too_large};

/// A plug-in that a pipeline needs and this GStreamer lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is missing; {hint}")]
pub struct MissingPlugin {
    /// As in "H.265 (Main Profile) decoder".
    pub what: String,
    /// What to install.
    pub hint: &'static str,
    /// Whether it is needed for video.
    pub video: bool,
}

/// Returns what a `missing-plugin` message says is missing. `None` for any other message.
pub fn missing_plugin(message: &gst::MessageRef) -> Option<MissingPlugin> {
    let structure = message.structure().filter(|s| s.name() == "missing-plugin")?;
    let coded = structure.get::<gst::Caps>("detail").ok();
    let media = coded.as_ref().and_then(|coded| coded.structure(0));
    Some(MissingPlugin {
        what: structure.get("name").ok()?,
        hint: "install the packages gstreamer1.0-libav and gstreamer1.0-plugins-bad",
        video: media.is_some_and(|media| media.name().starts_with("video/")),
    })
}

/// Whether a sink cannot write more into its file. It says that only in the text for developers, in the system's words.
fn is_file_too_large(message: &gst::message::Error) -> bool {
    let text = io::Error::from(rustix::io::Errno::FBIG).to_string();
    // Behind the words is the number.
    let words = text.split(" (").next().unwrap_or_default();
    let said = message.debug().is_some_and(|debug| debug.contains(words));
    said && message.src().is_some_and(is_sink)
}

/// Returns the text of an error message, followed by the name of the element that posted it.
pub fn error_text(message: &gst::message::Error) -> String {
    let error = message.error();
    if is_file_too_large(message) {
        return file_too_large();
    }
    let text = if error.matches(gst::ResourceError::NoSpaceLeft) {
        if message.src().is_some_and(is_sink) {
            return "the disk is full".into();
        }
        // Elements that write nothing say this where they get no buffer.
        NO_MEMORY.to_owned()
    } else {
        error.to_string().trim_end_matches('.').to_owned()
    };
    match message.src() {
        Some(source) => format!("{text} ({})", source.name()),
        None => text,
    }
}

fn is_sink(source: &gst::Object) -> bool {
    let element = source.downcast_ref::<gst::Element>();
    element.is_some_and(|element| element.element_flags().contains(gst::ElementFlags::SINK))
}
