// SPDX-License-Identifier: MPL-2.0

//! The element from one file to the next, so that its model is loaded once: it keeps that while it is in READY.

use std::cell::RefCell;

use gst::prelude::*;

use super::treatment::Treatment;

pub struct Kept {
    treatment: Treatment,
    /// While nobody has it.
    idle: RefCell<Option<Lent>>,
}

/// The element, in the hands of one pipeline.
#[derive(Debug)]
pub struct Lent {
    pub element: gst::Element,
    /// What runs the model, once that is known: the element says it when it loads.
    pub provider: String,
}

impl Kept {
    pub fn new(treatment: &Treatment) -> Self {
        Self {
            treatment: treatment.clone(),
            idle: RefCell::new(None),
        }
    }

    pub fn treatment(&self) -> &Treatment {
        &self.treatment
    }

    /// # Errors
    /// Where the element is not registered.
    pub fn lend(&self) -> Result<Lent, gst::glib::BoolError> {
        match self.idle.take() {
            Some(lent) => Ok(lent),
            None => Ok(Lent {
                element: self.treatment.element()?,
                provider: String::new(),
            }),
        }
    }

    /// Takes it out of the pipeline that had it. One that cannot be had back is made anew for the next.
    pub fn take_back(&self, lent: Lent, pipeline: &gst::Pipeline) {
        let stopped = pipeline.set_state(gst::State::Ready).is_ok();
        if stopped && pipeline.remove(&lent.element).is_ok() {
            self.idle.replace(Some(lent));
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Nothing could be done about one that does not stop.
        self.element.set_state(gst::State::Null).ok();
    }
}
