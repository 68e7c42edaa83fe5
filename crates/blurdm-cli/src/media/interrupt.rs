// SPDX-License-Identifier: MPL-2.0

//! Interruption by Ctrl-C or a service manager. Long work checks for it between two frames.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

/// How long a blocking wait may delay the check.
pub const POLL_INTERVAL: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Exit status of an interrupted process, by the convention of shells.
pub const EXIT_STATUS: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Handles SIGINT, SIGTERM and SIGHUP from now on. A second signal ends the process at once.
///
/// # Errors
/// Where the process has a handler for them already.
pub fn handle_signals() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(EXIT_STATUS));
        }
    })
}

/// Requests an interruption, as a signal does.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Whether an interruption has been requested.
pub fn is_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// # Errors
/// [`Error::Interrupted`] once an interruption has been requested.
pub fn check() -> Result<(), Error> {
    if is_requested() {
        Err(Error::Interrupted)
    } else {
        Ok(())
    }
}
