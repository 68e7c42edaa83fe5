// SPDX-License-Identifier: MPL-2.0

//! Starts and stops pipelines. Errors are those that elements have posted, instead of "failed to change state".

use std::error::Error;

use gst::prelude::*;

/// Returns the next error on the bus, if there is one.
pub fn error(pipeline: &gst::Pipeline) -> Option<String> {
    let message = pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    }
}

/// Sets a pipeline to a state, and blocks until it has reached it.
pub fn reach(pipeline: &gst::Pipeline, state: gst::State) -> Result<(), Box<dyn Error>> {
    let changed = pipeline
        .set_state(state)
        .and_then(|_| pipeline.state(gst::ClockTime::NONE).0);
    match changed {
        Ok(_) => Ok(()),
        Err(failed) => Err(error(pipeline).unwrap_or_else(|| failed.to_string()).into()),
    }
}

/// Sets a pipeline to NULL. This does not fail with the elements of the examples; if it did, nothing could be done
/// about it.
pub fn stop(pipeline: &gst::Pipeline) {
    if let Err(failed) = pipeline.set_state(gst::State::Null) {
        eprintln!("warning: a pipeline does not stop: {failed}");
    }
}
