// SPDX-License-Identifier: MPL-2.0

//! Errors that a bin keeps for itself.
//!
//! GStreamer's `parsebin` and `decodebin` drop errors of an element until they have brought it to PAUSED, since they may try another one then.
//! An element with a thread of its own, such as a demuxer, may post its last word within that time. Nobody hears of it, and nothing ever comes, or only the
//! end of those streams that it can read:
//! <https://gitlab.freedesktop.org/gstreamer/gstreamer/-/blob/1.22.0/subprojects/gst-plugins-base/gst/playback/gstparsebin.c>, `connect_pad`.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use gst::prelude::*;

use super::{activity, stillness::Counts};

/// How long nothing moves after an error until it is taken for the end. An error that is not kept arrives at once.
const STILL: Duration = Duration::from_secs(1);

/// Looks for an error that a bin of one pipeline keeps for itself.
#[derive(Debug, Default)]
pub struct KeptErrors {
    /// What had moved, and since when nothing else has.
    still: Cell<Option<(Counts, Instant)>>,
}

impl KeptErrors {
    /// Returns the text of an error of an element that is still in `pipeline`, if nothing has moved for a while since then. It is called where
    /// no message has come.
    pub fn find(&self, pipeline: &gst::Pipeline) -> Option<String> {
        let error = posted_in(pipeline)?;
        let now = activity::counts();
        match self.still.get() {
            Some((then, since)) if then == now => (since.elapsed() >= STILL && !now.is_model_at_work).then_some(error),
            _ => {
                self.still.set(Some((now, Instant::now())));
                None
            }
        }
    }
}

/// Returns the text of an error of an element that is still in `pipeline`. One that was tried in vain is not.
pub fn posted_in(pipeline: &gst::Pipeline) -> Option<String> {
    let mut errors = activity::errors().into_iter();
    let error = errors.find(|error| {
        let source = error.source.upgrade();
        source.is_some_and(|source| source.has_as_ancestor(pipeline))
    });
    Some(error?.text)
}
