// SPDX-License-Identifier: MPL-2.0

//! Pipelines whose bus is polled, so that an interruption is noticed.

use std::{
    cell::{Cell, RefCell},
    path::Path,
};

use gst::prelude::*;

use super::{
    interrupt::{self, POLL_INTERVAL},
    messages::{self, MissingPlugin},
    watchdog::{self, KeptErrors},
};
use crate::error::Error;

/// The messages that are handled.
const MESSAGES: [gst::MessageType; 3] = [
    gst::MessageType::Eos,
    gst::MessageType::Error,
    gst::MessageType::Element,
];

/// How a pipeline has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Eos,
    /// An element has posted an error with this text.
    Failed(String),
    MissingPlugin(MissingPlugin),
}

impl End {
    /// Returns the end of a pipeline that reads `path` as a result: an error unless it is end-of-stream.
    pub fn into_read_result(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Eos => Ok(()),
            Self::Failed(reason) => Err(Error::unreadable(path, reason)),
            Self::MissingPlugin(MissingPlugin { what, hint, .. }) => Err(Error::MissingPlugin {
                path: path.to_owned(),
                what,
                hint,
            }),
        }
    }
}

/// A pipeline that is set to NULL when it is dropped.
#[derive(Debug)]
pub struct Pipeline {
    pub inner: gst::Pipeline,
    /// The last plug-in that was reported missing. An error may follow, or not.
    missing: RefCell<Option<MissingPlugin>>,
    /// The last `blurdm-provider` message.
    provider: RefCell<Option<gst::Structure>>,
    kept_errors: KeptErrors,
    /// Whether an error says that two elements have no format in common.
    unnegotiated: Cell<bool>,
}

impl Pipeline {
    pub fn new(inner: gst::Pipeline) -> Self {
        Self {
            inner,
            missing: RefCell::new(None),
            provider: RefCell::new(None),
            kept_errors: KeptErrors::default(),
            unnegotiated: Cell::new(false),
        }
    }

    /// Returns the pipeline in PLAYING, or on its way there.
    ///
    /// # Errors
    /// How it ended instead.
    pub fn start(inner: gst::Pipeline) -> Result<Self, End> {
        let pipeline = Self::new(inner);
        pipeline.set_state(gst::State::Playing)?;
        Ok(pipeline)
    }

    /// # Errors
    /// How the pipeline ended instead of changing its state.
    pub fn set_state(&self, state: gst::State) -> Result<(), End> {
        let _wait = watchdog::wait();
        match self.inner.set_state(state) {
            Ok(_) => Ok(()),
            Err(failed) => Err(self.poll_end().unwrap_or_else(|| End::Failed(failed.to_string()))),
        }
    }

    /// Returns the provider and precision of the element, as in "openvino in bf16". Empty before the element has posted them.
    pub fn provider(&self) -> String {
        let message = self.provider.borrow();
        let field = |name: &str| message.as_ref().and_then(|message| message.get::<String>(name).ok());
        match (field("provider"), field("precision")) {
            (Some(provider), Some(precision)) => format!("{provider} in {precision}"),
            _ => String::new(),
        }
    }

    /// Whether it has failed because two elements have no format in common.
    pub fn is_unnegotiated(&self) -> bool {
        self.unnegotiated.get()
    }

    /// Returns what was missing for video where the stream went on without it.
    pub fn missing_for_video(&self) -> Option<End> {
        let missing = self.missing.take().filter(|missing| missing.video);
        missing.map(End::MissingPlugin)
    }

    /// Blocks until a state change has completed or failed. Returns how the pipeline ended, if it did.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn wait_state_change(&self) -> Result<Option<End>, Error> {
        let _wait = watchdog::wait();
        loop {
            interrupt::check()?;
            if let Some(end) = self.poll_end() {
                return Ok(Some(end));
            }
            match self.inner.state(POLL_INTERVAL).0 {
                Ok(gst::StateChangeSuccess::Async) => {}
                Ok(_) => return Ok(None),
                Err(failed) => {
                    interrupt::check()?;
                    let end = self.poll_end();
                    return Ok(Some(end.unwrap_or_else(|| End::Failed(failed.to_string()))));
                }
            }
        }
    }

    /// Blocks until the pipeline has ended.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn wait_end(&self) -> Result<End, Error> {
        let _wait = watchdog::wait();
        loop {
            interrupt::check()?;
            let message = self
                .inner
                .bus()
                .and_then(|bus| bus.timed_pop_filtered(POLL_INTERVAL, &MESSAGES));
            let end = message.and_then(|message| self.handle(&message));
            if let Some(end) = end.or_else(|| self.kept_error()) {
                return Ok(end);
            }
        }
    }

    /// Handles all pending messages. Returns how the pipeline ended, if it did.
    pub fn poll_end(&self) -> Option<End> {
        let bus = self.inner.bus()?;
        while let Some(message) = bus.pop_filtered(&MESSAGES) {
            let end = self.handle(&message);
            if end.is_some() {
                return end;
            }
        }
        self.kept_error()
    }

    /// Returns the end that a bin keeps for itself.
    fn kept_error(&self) -> Option<End> {
        self.kept_errors.find(&self.inner).map(End::Failed)
    }

    fn handle(&self, message: &gst::Message) -> Option<End> {
        use gst::MessageView;

        match message.view() {
            // What a demuxer could not read is no end of the file.
            MessageView::Eos(_) => Some(watchdog::posted_in(&self.inner).map_or(End::Eos, End::Failed)),
            // An element that lacks a plug-in reports that first, and then fails.
            MessageView::Error(failed) => {
                let flow = failed
                    .details()
                    .and_then(|details| details.get::<i32>("flow-return").ok());
                self.unnegotiated
                    .set(self.unnegotiated.get() || flow == Some(gst::ffi::GST_FLOW_NOT_NEGOTIATED));
                Some(match self.missing.take() {
                    Some(missing) => End::MissingPlugin(missing),
                    None => End::Failed(messages::error_text(failed)),
                })
            }
            _ => {
                if let Some(missing) = messages::missing_plugin(message) {
                    self.missing.replace(Some(missing));
                } else if let Some(provider) = message.structure().filter(|s| s.name() == "blurdm-provider") {
                    self.provider.replace(Some(provider.to_owned()));
                }
                None
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _wait = watchdog::wait();
        // There is no remedy for one that does not stop.
        self.inner.set_state(gst::State::Null).ok();
    }
}
