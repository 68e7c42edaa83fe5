// SPDX-License-Identifier: MPL-2.0

//! Models without a prior: bundles, and files with a network of any convention.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod conventions;
mod networks;
mod refused;
mod without_prior;
