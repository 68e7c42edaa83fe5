// SPDX-License-Identifier: MPL-2.0

//! Real files, made here with GStreamer, and what becomes of them.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod footage;
mod hostile;
mod kept;
mod refused;
