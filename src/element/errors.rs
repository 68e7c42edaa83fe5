// SPDX-License-Identifier: MPL-2.0

//! The engine's errors in GStreamer's domains.

use crate::engine::Error;

/// The error with the code that applications tell errors apart by. The text is the engine's: thing, reason, what to do.
pub(super) fn to_message(error: &Error) -> gst::ErrorMessage {
    match error {
        Error::RuntimeMissing { .. } | Error::RuntimeUnusable { .. } => {
            gst::error_msg!(gst::LibraryError::Init, ["{error}"])
        }
        Error::Provider { .. } => gst::error_msg!(gst::LibraryError::Settings, ["{error}"]),
        Error::BundleMissing { .. } => gst::error_msg!(gst::ResourceError::NotFound, ["{error}"]),
        Error::BundleInvalid { .. } | Error::Schedule { .. } => gst::error_msg!(gst::ResourceError::Read, ["{error}"]),
        Error::Size { .. } => gst::error_msg!(gst::CoreError::Negotiation, ["{error}"]),
        Error::Steps { .. } => gst::error_msg!(gst::ResourceError::Settings, ["{error}"]),
        Error::Inference { .. } | Error::NotAPicture { .. } => gst::error_msg!(gst::StreamError::Failed, ["{error}"]),
    }
}
