// SPDX-License-Identifier: MPL-2.0

//! Starting and stopping pipelines, with the error that an element has posted instead of "failed to change state".

use std::error::Error;

use gst::prelude::*;

/// The first error on the bus that has not been read yet.
pub fn error(pipeline: &gst::Pipeline) -> Option<String> {
    let message = pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    }
}

/// Takes a pipeline to a state and waits until it is there.
pub fn reach(pipeline: &gst::Pipeline, state: gst::State) -> Result<(), Box<dyn Error>> {
    let changed = pipeline
        .set_state(state)
        .and_then(|_| pipeline.state(gst::ClockTime::NONE).0);
    match changed {
        Ok(_) => Ok(()),
        Err(failed) => Err(error(pipeline).unwrap_or_else(|| failed.to_string()).into()),
    }
}

/// Going to NULL cannot fail for the elements that the examples use, and nothing could be done about it at the end.
pub fn stop(pipeline: &gst::Pipeline) {
    if let Err(failed) = pipeline.set_state(gst::State::Null) {
        eprintln!("warning: a pipeline does not stop: {failed}");
    }
}
