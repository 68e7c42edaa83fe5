// SPDX-License-Identifier: MPL-2.0

//! Restoring in a process of its own, so that a codec that crashes or hangs on one file takes no other with it.
//!
//! ```text
//! blurdm restore ── orders ──▶ blurdm restore --worker
//!                ◀─ reports ──
//! ```
//!
//! Both are lines of JSON through a socket, which is the worker's standard input. The worker restores one file after the other with one model.
//! It ends when the socket is closed, so that it does not outlive a parent that was killed.

mod child;
mod messages;
mod process;
mod supervisor;

pub use child::run;
#[cfg(fuzzing)]
pub use messages::{Order, Report};
pub use supervisor::Supervisor;
