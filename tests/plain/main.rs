// SPDX-License-Identifier: MPL-2.0

//! Models without a prior.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod without_prior;
