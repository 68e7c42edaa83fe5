// SPDX-License-Identifier: MPL-2.0

//! What a caller chooses: how a bundle is loaded, and how each frame's prior is sampled.

use std::time::Duration;

use super::{precision::Precision, provider::Choice};
use crate::diffusion::TemporalPolicy;

/// The default of [`Options::tile_overlap`], in pixels.
pub const DEFAULT_TILE_OVERLAP: usize = 32;

/// How to load a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub provider: Choice,
    pub settings: Settings,
    /// The precision of the backbone. `None` chooses the fastest one that loses next to nothing on this machine.
    pub precision: Option<Precision>,
    /// The side of the tiles in which larger frames are restored, in pixels: one of [`TILE_SIDES`](super::TILE_SIDES)
    /// and a multiple of the bundle's `multiple`. 0 means the side to which the bundle's graphs are fixed, or whole
    /// frames.
    pub tile_size: usize,
    /// The least number of pixels by which neighbouring tiles overlap. Must be smaller than the side of a tile.
    pub tile_overlap: usize,
    /// The factor by which both sides of a frame are divided before it is restored: 1, or one of
    /// [`REDUCTIONS`](super::REDUCTIONS). The change is enlarged and added to the frame. A reduced frame costs less,
    /// and less fine detail is restored.
    pub reduction: usize,
    /// How long loading may take, the runs of the warm-up included. `None` means 5 minutes, and an hour where TensorRT
    /// may build engines.
    pub load_limit: Option<Duration>,
}

/// What [`Options::load_limit`] is by default, and where engines may be built.
const LOAD_LIMIT: Duration = Duration::from_secs(5 * 60);
const ENGINE_LIMIT: Duration = Duration::from_secs(60 * 60);

impl Options {
    /// Returns how long loading may take. `builds_engines`: whether a provider that may be tried builds some.
    pub(super) fn loading_limit(&self, builds_engines: bool) -> Duration {
        let default = if builds_engines { ENGINE_LIMIT } else { LOAD_LIMIT };
        self.load_limit.unwrap_or(default)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            provider: Choice::default(),
            settings: Settings::default(),
            precision: None,
            tile_size: 0,
            tile_overlap: DEFAULT_TILE_OVERLAP,
            reduction: 1,
            load_limit: None,
        }
    }
}

/// How a provider is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// The number of the GPU to use.
    pub device_id: i32,
    /// The number of CPU threads of a graph; 0 means one per core.
    pub threads: usize,
    /// Whether a GPU provider may search long for the fastest algorithms. Suits files; with live video somebody waits
    /// for the first picture.
    pub thorough: bool,
    /// The device memory that a GPU provider may allocate, in MiB; 0 means no limit.
    pub memory_limit_mib: u32,
}

impl Settings {
    /// Returns the memory limit in bytes, or `None` for no limit.
    pub(super) fn memory_limit(self) -> Option<u64> {
        (self.memory_limit_mib > 0).then(|| u64::from(self.memory_limit_mib) << 20)
    }
}

/// How the prior of a frame is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling {
    /// The number of sampler steps, 1..=T; 0 means the bundle's default.
    pub steps: usize,
    /// How priors of earlier frames are reused. By default they are not.
    pub temporal: TemporalPolicy,
}

impl From<usize> for Sampling {
    /// That many steps, and every frame with a prior of its own.
    fn from(steps: usize) -> Self {
        Self {
            steps,
            ..Self::default()
        }
    }
}
