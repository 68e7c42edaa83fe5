// SPDX-License-Identifier: MPL-2.0

//! The engine's errors in GStreamer's domains.

use crate::engine::Error;

/// The engine's text. GLib's strings end at a NUL, which what a bundle says may hold.
pub(super) fn text(error: &Error) -> String {
    error.to_string().replace('\0', "\u{FFFD}")
}

/// The error with the code that applications tell errors apart by. The text is the engine's: thing, reason, what to do.
pub(super) fn to_message(error: &Error) -> gst::ErrorMessage {
    let text = text(error);
    match error {
        Error::RuntimeMissing { .. } | Error::RuntimeUnusable { .. } => {
            gst::error_msg!(gst::LibraryError::Init, ("{text}"))
        }
        Error::Provider { .. } | Error::Precision { .. } => gst::error_msg!(gst::LibraryError::Settings, ("{text}")),
        Error::BundleMissing { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{text}")),
        Error::BundleInvalid { .. } | Error::Schedule { .. } => gst::error_msg!(gst::ResourceError::Read, ("{text}")),
        Error::Memory { .. } => gst::error_msg!(gst::ResourceError::NoSpaceLeft, ("{text}")),
        Error::Size { .. } => gst::error_msg!(gst::CoreError::Negotiation, ("{text}")),
        Error::Steps { .. } | Error::Tile { .. } => gst::error_msg!(gst::ResourceError::Settings, ("{text}")),
        Error::Inference { .. } | Error::NotAPicture { .. } | Error::Cancelled => {
            gst::error_msg!(gst::StreamError::Failed, ("{text}"))
        }
    }
}
