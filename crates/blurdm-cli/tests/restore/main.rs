// SPDX-License-Identifier: MPL-2.0

//! What `blurdm restore` promises to whoever has a folder of clips.

// A test may fail at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod choices;
mod clips;
#[path = "../common/mod.rs"]
mod common;
mod kept;
mod refused;
mod resumed;
