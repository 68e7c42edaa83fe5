// SPDX-License-Identifier: MPL-2.0

//! The graphs of a bundle as sessions of ONNX Runtime, and the network that they form.

mod binding;
mod canceler;
mod context;
mod graph;
mod network;
mod trial;

pub use canceler::Canceler;
pub(super) use context::{Context, Staged};
pub(super) use graph::try_graph;
pub(super) use network::Network;
pub(super) use trial::{Computed, Trial};
