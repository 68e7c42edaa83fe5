// SPDX-License-Identifier: MPL-2.0

//! The element, reused from one file to the next. Its model stays loaded while the element is in READY.

use std::cell::RefCell;

use gst::prelude::*;

use crate::media::{element::ElementSettings, watchdog};

pub struct ReusableElement {
    settings: ElementSettings,
    /// The element while no pipeline has it.
    idle: RefCell<Option<Lease>>,
}

/// The element, while one pipeline has it.
#[derive(Debug)]
pub struct Lease {
    pub element: gst::Element,
    /// Provider and precision. The element posts them only when it loads the model.
    pub provider: String,
}

impl ReusableElement {
    pub fn new(settings: &ElementSettings) -> Self {
        Self {
            settings: settings.clone(),
            idle: RefCell::new(None),
        }
    }

    pub fn settings(&self) -> &ElementSettings {
        &self.settings
    }

    /// Returns the idle element, or a new one.
    ///
    /// # Errors
    /// The element is not registered.
    pub fn acquire(&self) -> Result<Lease, gst::glib::BoolError> {
        match self.idle.take() {
            Some(lease) => Ok(lease),
            None => Ok(Lease {
                element: self.settings.create()?,
                provider: String::new(),
            }),
        }
    }

    /// Takes the element out of its pipeline. If that fails the next pipeline gets a new one.
    pub fn release(&self, lease: Lease, pipeline: &gst::Pipeline) {
        let _wait = watchdog::wait();
        let stopped = pipeline.set_state(gst::State::Ready).is_ok();
        if stopped && pipeline.remove(&lease.element).is_ok() {
            self.idle.replace(Some(lease));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _wait = watchdog::wait();
        // There is no remedy for one that does not stop.
        self.element.set_state(gst::State::Null).ok();
    }
}
