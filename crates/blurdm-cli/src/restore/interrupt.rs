// SPDX-License-Identifier: MPL-2.0

//! Ctrl-C, and what a service manager sends: whoever works looks here between two frames.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Error;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Catches SIGINT, SIGTERM and SIGHUP from now on. A second one ends the process as it would have without.
///
/// # Errors
/// Where something else catches them already.
pub fn catch() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
}

/// The exit status of a process that was told to stop, as shells have it.
pub const INTERRUPTED: u8 = 130;

pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// # Errors
/// [`Error::Interrupted`] once somebody has asked to stop.
pub fn check() -> Result<(), Error> {
    if asked() { Err(Error::Interrupted) } else { Ok(()) }
}
