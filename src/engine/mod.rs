// SPDX-License-Identifier: MPL-2.0

//! Frame in, frame out: bundles, ONNX Runtime and the three graphs. Knows no GStreamer.
//!
//! ```no_run
//! use gstblurdm::engine::{Bundle, Choice, Deblurrer, FrameSize, Options, Sampling, Search};
//!
//! # fn main() -> Result<(), gstblurdm::engine::Error> {
//! let size = FrameSize { width: 640, height: 360 };
//! let mut deblurrer = Deblurrer::new(&Bundle::builtin()?, &Options::default(), &Search::default(), size)?;
//! let frame = vec![128; size.bytes()]; // RGBx, rows without padding
//! let mut restored = vec![0; size.bytes()];
//! deblurrer.restore(&frame, &mut restored, Sampling::default())?;
//! # Ok(())
//! # }
//! ```

mod begun;
pub(crate) mod builtin;
mod bundle;
mod cache;
mod cancel;
mod choosing;
mod contract;
mod device;
#[cfg(feature = "cuda-memory")]
mod device_frame;
mod engines;
mod error;
#[cfg(test)]
mod fake_driver;
mod gpus;
mod graph;
mod in_place;
mod libraries;
pub mod log;
mod network;
mod precision;
mod provider;
mod provider_options;
mod quantised;
mod reduced;
mod runtime;
mod staging;
mod stretch;
mod tile;
mod ways;

use std::{ops::AddAssign, time::Duration};

use ndarray::Array1;

pub use crate::{diffusion::TemporalPolicy, frame::REDUCTIONS};

pub use begun::Begun;
pub use bundle::{BackboneSection, Bundle, EncoderInput, Manifest, PriorSection, ScheduleSection, TrainingSection};
pub use cache::default_cache;
pub use cancel::Canceler;
#[cfg(feature = "cuda-memory")]
pub use device_frame::DeviceFrame;
pub use error::Error;
pub use gpus::{Gpu, gpus};
pub use graph::{FrameSize, PIXEL_BYTES};
pub use libraries::{Lack, lacking};
pub use precision::Precision;
pub use provider::{Choice, Provider, Settings};
pub use runtime::{MINIMUM_MINOR, Runtime, Search, runtime};
pub use tile::{DEFAULT_TILE_OVERLAP, TILE_SIDES};

use graph::Context;
use network::Network;
use reduced::Reduced;
use stretch::Stretch;
use tile::{Tiles, Tiling};

/// The smallest side of a frame, in pixels: below it the reflected padding inside the graphs has nothing to reflect.
pub const MINIMUM_SIDE: usize = 16;

/// The largest side of a frame, in pixels: beyond it a mistake in the caps is likelier than a camera, and costs gigabytes.
pub const MAXIMUM_SIDE: usize = 16384;

/// How to run a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    pub provider: Choice,
    pub settings: Settings,
    /// The numbers of the backbone; none for the cheapest that lose next to nothing here.
    pub precision: Option<Precision>,
    /// The side of the tiles in which larger frames are restored, in pixels: one of [`TILE_SIDES`] and a multiple of the
    /// bundle's `multiple`. 0 is the side to which the bundle's graphs are fixed, or whole frames.
    pub tile_size: usize,
    /// The least number of pixels by which neighbouring tiles overlap, less than the side of a tile.
    pub tile_overlap: usize,
    /// What both sides of a frame are divided by before it is restored: 1, or one of [`REDUCTIONS`]. What changed is enlarged and added to
    /// the frame; it costs less and reaches less fine detail.
    pub reduction: usize,
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
        }
    }
}

/// How the prior of a frame is made.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling {
    /// Steps of the sampler, 1..=T; 0 is the bundle's choice.
    pub steps: usize,
    /// What it takes from the frames before; by default nothing.
    pub temporal: TemporalPolicy,
}

impl From<usize> for Sampling {
    /// That many steps, and a prior of its own for every frame.
    fn from(steps: usize) -> Self {
        Self {
            steps,
            ..Self::default()
        }
    }
}

/// How long the stages of one frame took, all its tiles together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// Blur encoder and sampler.
    pub prior: Duration,
    pub backbone: Duration,
}

impl AddAssign for Timing {
    fn add_assign(&mut self, other: Self) {
        self.prior += other.prior;
        self.backbone += other.backbone;
    }
}

/// A bundle loaded for frames of one size on one provider.
///
/// Frames run whole, unless the bundle's graphs are of fixed size or [`Options::tile_size`] is smaller than the frame. They then
/// run tile by tile, as they do where memory does not suffice for whole ones, each with a prior of its own, and go over into each other by linear ramps across the overlaps. The memory
/// that this takes grows with the size of a tile, and with the frame only by twelve bytes for each pixel of one row of tiles.
pub struct Deblurrer {
    network: Network,
    /// None for frames that are restored at their own scale.
    reduced: Option<Reduced>,
    tiles: Option<Tiles>,
    /// What each tile has seen so far, in their order; one for frames that run whole.
    stretches: Vec<Stretch>,
    canceler: Canceler,
    size: FrameSize,
    provider: Provider,
    precision: Precision,
    refused: Vec<(Provider, String)>,
}

impl Deblurrer {
    /// Loads the graphs for frames of `size`, on the chosen provider or the best that really runs, and runs them once: the
    /// first frame is then not slow, and a model that computes nonsense is found out here.
    ///
    /// # Errors
    /// The runtime's ([`runtime()`]), [`Error::Size`] outside 16x16 to 16384x16384 and for a reduction that cannot be had, [`Error::Precision`], [`Error::Tile`] for tiles that this bundle
    /// cannot have, [`Error::Provider`] when the named provider (or, for auto, every one) cannot be had,
    /// [`Error::Memory`] where not even the smallest tiles fit in memory, [`Error::BundleInvalid`] for graphs that break the contract, [`Error::NotAPicture`].
    pub fn new(bundle: &Bundle, options: &Options, search: &Search, size: FrameSize) -> Result<Self, Error> {
        let runtime = runtime(search)?;
        let canceler = Canceler::new().map_err(|error| Error::RuntimeUnusable {
            path: runtime.path().to_owned(),
            reason: error.message().to_owned(),
        })?;
        Self::with_canceler(bundle, options, search, size, canceler)
    }

    /// As [`Deblurrer::new`], to be ended by the canceler of another one.
    ///
    /// # Errors
    /// As [`Deblurrer::new`], and [`Error::Cancelled`].
    pub fn with_canceler(
        bundle: &Bundle,
        options: &Options,
        search: &Search,
        size: FrameSize,
        canceler: Canceler,
    ) -> Result<Self, Error> {
        let sides = MINIMUM_SIDE..=MAXIMUM_SIDE;
        if !sides.contains(&size.width) || !sides.contains(&size.height) {
            return Err(Error::Size {
                width: size.width,
                height: size.height,
                reason: format!("a side must have {MINIMUM_SIDE} to {MAXIMUM_SIDE} pixels"),
            });
        }
        if let Some(reason) = reduced::refusal(size, options.reduction) {
            return Err(Error::Size {
                width: size.width,
                height: size.height,
                reason,
            });
        }
        let reduced = (options.reduction > 1).then(|| Reduced::new(size, options.reduction));
        let working = reduced::size(size, options.reduction);
        let backbone = &bundle.manifest().backbone;
        let runtime = runtime(search)?;
        let context = Context {
            canceler: &canceler,
            runtime,
            bundle: bundle.label(),
            settings: options.settings,
            precision: Precision::Fp32,
            tile: backbone.tile,
            cache: None,
            staged: None,
        };
        let mut options = *options;
        let (window, (network, provider, precision, refused)) = loop {
            let window = tile::window(working, backbone, &options)?;
            let error = match choosing::load(bundle, context, &options, search.cache.as_deref(), window) {
                Ok(loaded) => break (window, loaded),
                Err(error) => error,
            };
            options.tile_size = match (&error, tile::smaller(window, backbone, options.tile_overlap)) {
                (Error::Memory { .. }, Some(side)) => side,
                _ => return Err(error),
            };
            log::warn(&format!("{error}; tried in tiles of {} pixels", options.tile_size));
        };
        let tiles = (window != working).then(|| Tiles::new(Tiling::new(working, window, options.tile_overlap)));
        let stretches = vec![Stretch::new(network.dim()); tiles.as_ref().map_or(1, Tiles::count)];
        Ok(Self {
            network,
            reduced,
            tiles,
            stretches,
            canceler,
            size,
            provider,
            precision,
            refused,
        })
    }

    /// Restores the next frame of a video. `frame` and `restored` are RGBx, `size().bytes()` long, rows without padding; the
    /// fourth byte is copied through. A frame that is the last one once more keeps its prior.
    ///
    /// # Errors
    /// [`Error::Size`] for slices of another length, [`Error::Steps`], [`Error::Inference`], [`Error::NotAPicture`] when the
    /// prior is not finite, [`Error::Cancelled`]. What `restored` holds then is of no use.
    pub fn restore(
        &mut self,
        frame: &[u8],
        restored: &mut [u8],
        sampling: impl Into<Sampling>,
    ) -> Result<Timing, Error> {
        self.begin(frame, restored, sampling)?.finish(restored)
    }

    /// As [`Deblurrer::restore`], without waiting for a device that can do it beside: there the frame is not ready before
    /// [`Begun::finish`] has been called, with the same `restored`, and the next one may begin meanwhile. Elsewhere, and with tiles or a reduction, all
    /// is done when this returns. `frame` may change then.
    ///
    /// # Errors
    /// As [`Deblurrer::restore`], and [`Error::Inference`] where two frames have begun that are not finished.
    pub fn begin(&mut self, frame: &[u8], restored: &mut [u8], sampling: impl Into<Sampling>) -> Result<Begun, Error> {
        let sampling = sampling.into();
        for length in [frame.len(), restored.len()] {
            check_length(length, self.size)?;
        }
        let Self {
            network,
            reduced,
            tiles,
            stretches,
            ..
        } = self;
        let mut begin = |frame: &[u8], restored: &mut [u8]| {
            begin_whole(network, tiles.as_mut(), stretches, frame, restored, sampling)
        };
        match reduced {
            Some(reduced) => reduced
                .restore(frame, restored, |frame, restored| {
                    begin(frame, restored)?.finish(restored)
                })
                .map(Begun::done),
            None => begin(frame, restored),
        }
    }

    /// As [`Deblurrer::begin`], of a frame that lies on the GPU to one that does. None where that cannot be: elsewhere than on a GPU, and with
    /// tiles or a reduction. The frame is not ready before [`Begun::finish`], with an empty slice. A repeated frame is not recognised.
    ///
    /// # Errors
    /// As [`Deblurrer::begin`].
    #[cfg(feature = "cuda-memory")]
    pub fn begin_on_device(
        &mut self,
        frame: DeviceFrame,
        restored: DeviceFrame,
        sampling: impl Into<Sampling>,
    ) -> Option<Result<Begun, Error>> {
        let whole = self.tiles.is_none() && self.reduced.is_none() && self.network.is_staged();
        whole.then(|| self.stretches[0].begin_on_device(&mut self.network, frame, restored, sampling.into()))
    }

    /// Ends runs from another thread.
    pub fn canceler(&self) -> Canceler {
        self.canceler.clone()
    }

    /// The next frame has nothing to do with the last one: another scene, a gap in time, another video.
    pub fn forget(&mut self) {
        self.stretches.iter_mut().for_each(Stretch::forget);
    }

    /// How many frames before the last one its prior was sampled; 0 for its own.
    pub fn prior_age(&self) -> u32 {
        self.stretches[0].prior_age()
    }

    /// The sharp prior z_0 (D long) of what the graphs see at once, which [`Deblurrer::restore`] fuses into the backbone. `frame`
    /// is as there; where frames run reduced it is a reduced one, and where they run in tiles one tile, of the size that
    /// [`Deblurrer::tile`] tells.
    ///
    /// # Errors
    /// As [`Deblurrer::restore`].
    pub fn prior(&mut self, frame: &[u8], steps: usize) -> Result<Array1<f32>, Error> {
        check_length(frame.len(), self.network.size())?;
        self.network.show(frame)?;
        self.network.prior(frame, None, steps).map(|prior| prior.to_owned())
    }

    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The size of the tiles that the graphs run on; none when frames run whole.
    pub fn tile(&self) -> Option<FrameSize> {
        self.tiles.is_some().then(|| self.network.size())
    }

    /// What really runs.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The numbers that the backbone really computes in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The better providers that auto tried first, with the reasons why they cannot run here.
    pub fn refused(&self) -> &[(Provider, String)] {
        &self.refused
    }

    /// T: the largest value of `steps`.
    pub fn max_steps(&self) -> usize {
        self.network.max_steps()
    }
}

/// A frame of the working scale, in one go or in tiles.
fn begin_whole(
    network: &mut Network,
    tiles: Option<&mut Tiles>,
    stretches: &mut [Stretch],
    frame: &[u8],
    restored: &mut [u8],
    sampling: Sampling,
) -> Result<Begun, Error> {
    let Some(tiles) = tiles else {
        return stretches[0].begin(network, frame, restored, sampling);
    };
    let mut timing = Timing::default();
    tiles.restore(frame, restored, |number, tile, restored| -> Result<(), Error> {
        timing += stretches[number]
            .begin(network, tile, restored, sampling)?
            .finish(restored)?;
        Ok(())
    })?;
    Ok(Begun::done(timing))
}

fn check_length(bytes: usize, size: FrameSize) -> Result<(), Error> {
    if bytes == size.bytes() {
        return Ok(());
    }
    Err(Error::Size {
        width: size.width,
        height: size.height,
        reason: format!("{bytes} bytes were given, and they have {}", size.bytes()),
    })
}
