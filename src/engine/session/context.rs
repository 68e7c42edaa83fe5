// SPDX-License-Identifier: MPL-2.0

//! What sessions are created with.

use std::path::Path;

use super::canceler::Canceler;
use crate::engine::{bundle::Bundle, gpu::Device, options::Settings, precision::Precision, runtime::Runtime};

/// What the sessions of one network are created with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub canceler: &'a Canceler,
    pub runtime: &'static Runtime,
    /// The label of the bundle, for errors.
    pub bundle: &'a str,
    pub settings: Settings,
    /// The precision of the backbone.
    pub precision: Precision,
    /// The side that the manifest fixes the graphs to.
    pub tile: Option<usize>,
    /// The folder of the engines that the provider builds.
    pub cache: Option<&'a Path>,
    /// `Some` where frames lie on a device while graphs run.
    pub staged: Option<Staged<'a>>,
}

/// How graphs run on frames that lie on a device.
#[derive(Clone, Copy)]
pub(crate) struct Staged<'a> {
    pub device: &'a Device,
    /// Whether the provider captures what a graph does and replays it, as a CUDA graph.
    pub captured: bool,
}

impl<'a> Context<'a> {
    /// Returns the context of a bundle's fp32 graphs on frames in host memory, without stored engines.
    pub fn new(canceler: &'a Canceler, runtime: &'static Runtime, bundle: &'a Bundle, settings: Settings) -> Self {
        Self {
            canceler,
            runtime,
            bundle: bundle.label(),
            settings,
            precision: Precision::Fp32,
            tile: bundle.manifest().backbone.tile,
            cache: None,
            staged: None,
        }
    }
}
