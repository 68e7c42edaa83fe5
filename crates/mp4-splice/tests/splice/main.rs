// SPDX-License-Identifier: MPL-2.0

//! What `splice` promises, with files that GStreamer makes and reads.

// A test fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod damaged;
mod kept;
mod memory;
mod recordings;
mod refused;
