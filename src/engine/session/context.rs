// SPDX-License-Identifier: MPL-2.0

//! What sessions are created with.

use std::path::Path;

use super::canceler::Canceler;
use crate::engine::{gpu::Device, options::Settings, precision::Precision, runtime::Runtime};

/// What the sessions of one network are created with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub canceler: &'a Canceler,
    pub runtime: &'static Runtime,
    /// The bundle's label, for errors.
    pub bundle: &'a str,
    pub settings: Settings,
    /// The precision of the backbone.
    pub precision: Precision,
    /// The side that the manifest fixes the graphs to.
    pub tile: Option<usize>,
    /// The folder in which built engines are stored.
    pub cache: Option<&'a Path>,
    /// `Some` where frames lie on a device while graphs run.
    pub staged: Option<Staged<'a>>,
}

/// How graphs run on frames that lie on a device.
#[derive(Clone, Copy)]
pub(crate) struct Staged<'a> {
    pub device: &'a Device,
    /// Whether the provider captures a graph's work once and replays it, as a CUDA graph.
    pub captured: bool,
}
