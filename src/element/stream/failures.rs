// SPDX-License-Identifier: MPL-2.0

//! Frames that cannot be restored: what is posted, and what becomes of them, as `on-error` says.

use gst::prelude::*;

use super::{buffers::FrameFailure, context::Context};
use crate::element::{
    enums::OnError,
    errors::{text, to_message},
    messages::CAT,
};

/// Which failures are posted: of consecutive ones the first. With frames in flight, a buffer is found unusable before the frames that arrived
/// earlier are restored, so the two kinds are counted apart.
#[derive(Debug, Default)]
pub struct Failures {
    /// What `on-error` was when the last frame could not be restored. `None` if it could be.
    unrestored: Option<OnError>,
    /// As `unrestored`, for buffers that did not hold a frame.
    unusable: Option<OnError>,
}

impl Failures {
    /// Takes note of a frame that was restored.
    pub fn restored(&mut self) {
        self.unrestored = None;
    }

    /// Takes note of buffers that hold their frame.
    pub fn usable(&mut self) {
        self.unusable = None;
    }

    /// Posts a failure, if it is the first one of consecutive ones, and does what `on-error` says. If it returns `Ok`, the original goes on.
    ///
    /// # Errors
    /// [`gst::FlowError::Error`], which has been posted.
    pub fn handle(&mut self, context: Context<'_>, failure: &FrameFailure) -> Result<(), gst::FlowError> {
        let on_error = context.frame_settings().on_error;
        let last = match failure {
            FrameFailure::Engine(_) => &mut self.unrestored,
            FrameFailure::Input(_) | FrameFailure::Output(_) => &mut self.unusable,
        };
        if last.replace(on_error) == Some(on_error) {
            gst::debug!(CAT, obj = context.element, "{failure}");
        } else {
            match on_error {
                OnError::Fail => context.element.post_error_message(error_message(failure)),
                OnError::Passthrough => post_warning(context, failure),
            }
        }
        match on_error {
            OnError::Fail => Err(gst::FlowError::Error),
            OnError::Passthrough => {
                context.shared().stats.passed_through();
                Ok(())
            }
        }
    }
}

fn error_message(failure: &FrameFailure) -> gst::ErrorMessage {
    let remedy = match failure {
        FrameFailure::Engine(error) => return to_message(error),
        FrameFailure::Input(_) => "correct the element or the program that makes it",
        FrameFailure::Output(_) => "correct the element after blurdm whose pool it is from",
    };
    gst::error_msg!(
        gst::StreamError::Format,
        ("{failure}; {remedy}, or set on-error=passthrough")
    )
}

fn post_warning(context: Context<'_>, failure: &FrameFailure) {
    const CONSEQUENCE: &str = "frames are passed through unchanged";
    match failure {
        FrameFailure::Engine(error) => {
            let text = text(error);
            gst::element_warning!(context.element, gst::StreamError::Failed, ("{text}; {CONSEQUENCE}"));
        }
        FrameFailure::Input(_) | FrameFailure::Output(_) => {
            gst::element_warning!(context.element, gst::StreamError::Format, ("{failure}; {CONSEQUENCE}"));
        }
    }
}

/// Posts that a frame arrived before caps, unless it is because the element stops while it loads the model for them.
pub fn post_no_caps(context: Context<'_>) -> gst::FlowError {
    if context.shared().stopping {
        return gst::FlowError::Flushing;
    }
    gst::element_error!(
        context.element,
        gst::CoreError::Negotiation,
        ("a frame arrived before its caps")
    );
    gst::FlowError::NotNegotiated
}
