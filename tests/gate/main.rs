// SPDX-License-Identifier: MPL-2.0

//! A model that could crash or block ONNX Runtime, or read other files, is refused before the runtime sees it.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;

mod accepted;
mod files;
mod graphs;
mod mutated;
mod nodes;
mod structure;

use common::bundle::{BACKBONE, Copy, messages::Model};
use gstblurdm::engine::{Bundle, Error};

/// Asserts that a bundle with a changed backbone is refused for a reason that contains each of `parts`.
fn assert_refused(change: impl FnOnce(&mut Model), parts: &[&str]) {
    assert_bundle_refused(&Copy::with_backbone(change), parts);
}

fn assert_bundle_refused(bundle: &Copy, parts: &[&str]) {
    match Bundle::open(bundle.path()) {
        Err(Error::BundleInvalid { file, reason, .. }) => {
            assert_eq!(file, BACKBONE, "{reason}");
            for part in parts {
                assert!(reason.contains(part), "'{part}' is not in: {reason}");
            }
        }
        other => panic!("{parts:?}: {other:?}"),
    }
}
