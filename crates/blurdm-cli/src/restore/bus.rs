// SPDX-License-Identifier: MPL-2.0

//! Waiting for a pipeline without missing Ctrl-C.

use std::{cell::RefCell, path::Path};

use gst::prelude::*;

use super::{
    Error,
    error::{self, Missing},
    interrupt,
};

/// How long an interruption may go unseen.
const GLANCE: gst::ClockTime = gst::ClockTime::from_mseconds(100);

const TELLING: [gst::MessageType; 3] = [
    gst::MessageType::Eos,
    gst::MessageType::Error,
    gst::MessageType::Element,
];

/// What a pipeline has ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Eos,
    /// In the words of the element.
    Failed(String),
    Missing(Missing),
}

impl End {
    /// As an error in reading `path`; none at the end of the stream.
    pub fn reading(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Eos => Ok(()),
            Self::Failed(reason) => Err(Error::unreadable(path, reason)),
            Self::Missing(Missing { what, hint, .. }) => Err(Error::Missing {
                path: path.to_owned(),
                what,
                hint,
            }),
        }
    }
}

/// A pipeline that is taken to NULL when it goes out of scope.
#[derive(Debug)]
pub struct Running {
    pub pipeline: gst::Pipeline,
    /// What an element has missed: an error may follow from it, or nothing.
    missing: RefCell<Option<Missing>>,
    /// What the element `blurdm` has said of what runs.
    provider: RefCell<Option<gst::Structure>>,
}

impl Running {
    pub fn new(pipeline: gst::Pipeline) -> Self {
        Self {
            pipeline,
            missing: RefCell::new(None),
            provider: RefCell::new(None),
        }
    }

    /// The pipeline, in PLAYING or on its way there.
    ///
    /// # Errors
    /// What an element says against it.
    pub fn start(pipeline: gst::Pipeline) -> Result<Self, End> {
        let running = Self::new(pipeline);
        running.change(gst::State::Playing)?;
        Ok(running)
    }

    /// # Errors
    /// As [`Running::start`].
    pub fn change(&self, state: gst::State) -> Result<(), End> {
        match self.pipeline.set_state(state) {
            Ok(_) => Ok(()),
            Err(failed) => Err(self.ended_now().unwrap_or_else(|| End::Failed(failed.to_string()))),
        }
    }

    /// What runs the model, and in which numbers: "openvino in bf16". Empty before the element has said it.
    pub fn provider(&self) -> String {
        let told = self.provider.borrow();
        let field = |name: &str| told.as_ref().and_then(|told| told.get::<String>(name).ok());
        match (field("provider"), field("precision")) {
            (Some(provider), Some(precision)) => format!("{provider} in {precision}"),
            _ => String::new(),
        }
    }

    /// What was missed for video, where the stream went on without it.
    pub fn missed_video(&self) -> Option<End> {
        self.missing.take().filter(|missing| missing.video).map(End::Missing)
    }

    /// Waits until a change of state is through, or is not to be.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; what the pipeline ended with is no error here.
    pub fn settle(&self) -> Result<Option<End>, Error> {
        loop {
            interrupt::check()?;
            if let Some(end) = self.ended_now() {
                return Ok(Some(end));
            }
            match self.pipeline.state(GLANCE).0 {
                Ok(gst::StateChangeSuccess::Async) => {}
                Ok(_) => return Ok(None),
                Err(failed) => {
                    interrupt::check()?;
                    let end = self.ended_now();
                    return Ok(Some(end.unwrap_or_else(|| End::Failed(failed.to_string()))));
                }
            }
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn wait(&self) -> Result<End, Error> {
        loop {
            interrupt::check()?;
            if let Some(end) = self.ended_within(GLANCE) {
                return Ok(end);
            }
        }
    }

    /// What the pipeline has ended with, if it has.
    pub fn ended_now(&self) -> Option<End> {
        let bus = self.pipeline.bus()?;
        while let Some(message) = bus.pop_filtered(&TELLING) {
            let end = self.heard(&message);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    fn ended_within(&self, patience: gst::ClockTime) -> Option<End> {
        let message = self.pipeline.bus()?.timed_pop_filtered(patience, &TELLING)?;
        self.heard(&message)
    }

    fn heard(&self, message: &gst::Message) -> Option<End> {
        use gst::MessageView;

        match message.view() {
            MessageView::Eos(_) => Some(End::Eos),
            // Somebody who lacks a plug-in says so, and fails for it after that.
            MessageView::Error(failed) => Some(match self.missing.take() {
                Some(missing) => End::Missing(missing),
                None => End::Failed(error::words(failed)),
            }),
            _ => {
                if let Some(missing) = error::missing(message) {
                    self.missing.replace(Some(missing));
                } else if let Some(told) = message.structure().filter(|told| told.name() == "blurdm-provider") {
                    self.provider.replace(Some(told.to_owned()));
                }
                None
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing could be done about one that does not stop.
        self.pipeline.set_state(gst::State::Null).ok();
    }
}
