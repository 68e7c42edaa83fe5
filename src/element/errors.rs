// SPDX-License-Identifier: MPL-2.0

//! The engine's errors in GStreamer's error domains.

use crate::engine::Error;

/// Returns the engine's text. A bundle's part of it may contain a NUL, at which GLib's strings end.
pub fn text(error: &Error) -> String {
    error.to_string().replace('\0', "\u{FFFD}")
}

/// Returns the error with the domain and code by which applications tell errors apart.
pub fn to_message(error: &Error) -> gst::ErrorMessage {
    let text = text(error);
    match error {
        Error::RuntimeMissing { .. } | Error::RuntimeUnusable { .. } => {
            gst::error_msg!(gst::LibraryError::Init, ("{text}"))
        }
        Error::Provider { .. } | Error::Precision { .. } => gst::error_msg!(gst::LibraryError::Settings, ("{text}")),
        Error::BundleMissing { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{text}")),
        Error::BundleInvalid { .. } | Error::Schedule { .. } => gst::error_msg!(gst::ResourceError::Read, ("{text}")),
        Error::LoadTimeout { .. } => gst::error_msg!(gst::ResourceError::Failed, ("{text}")),
        Error::Memory { .. } | Error::Thread { .. } => gst::error_msg!(gst::ResourceError::NoSpaceLeft, ("{text}")),
        Error::Size { .. } => gst::error_msg!(gst::CoreError::Negotiation, ("{text}")),
        Error::Steps { .. } | Error::Tile { .. } | Error::ModelFormat { .. } => {
            gst::error_msg!(gst::ResourceError::Settings, ("{text}"))
        }
        Error::Inference { .. } | Error::NotAPicture { .. } | Error::Cancelled => {
            gst::error_msg!(gst::StreamError::Failed, ("{text}"))
        }
    }
}
