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

mod bundle;
mod error;
mod frame_size;
mod gpu;
mod options;
mod precision;
mod prior_history;
mod provider;
mod runtime;
mod selection;
mod session;
mod submission;
mod tiles;
mod timing;
mod window;
mod working_scale;

use ndarray::Array1;

pub use crate::{diffusion::TemporalPolicy, frame::REDUCTIONS};

pub(crate) use bundle::builtin;
pub use bundle::{BackboneSection, Bundle, EncoderInput, Manifest, PriorSection, ScheduleSection, TrainingSection};
pub use error::Error;
pub use frame_size::{FrameSize, MAXIMUM_SIDE, MINIMUM_SIDE, PIXEL_BYTES, TILE_SIDES};
#[cfg(feature = "cuda-memory")]
pub use gpu::DeviceFrame;
pub use gpu::{Gpu, default_cache, gpus};
pub use options::{DEFAULT_TILE_OVERLAP, Options, Sampling, Settings};
pub use precision::Precision;
pub use provider::{Choice, Provider};
pub use runtime::{MINIMUM_MINOR, MissingLibrary, Runtime, Search, log, missing_libraries, runtime};
pub use session::Canceler;
pub use submission::Submission;
pub use timing::Timing;

use prior_history::PriorHistory;
use session::{Context, Network};
use tiles::{Tiles, Tiling};
use working_scale::WorkingScale;

/// A bundle loaded for frames of one size on one provider.
///
/// Frames run whole, unless the bundle's graphs are of fixed size or [`Options::tile_size`] is smaller than the frame. They then
/// run tile by tile, as they do where memory does not suffice for whole ones, each with a prior of its own, and go over into each other by linear ramps across the overlaps. The memory
/// that this takes grows with the size of a tile, and with the frame only by twelve bytes for each pixel of one row of tiles.
pub struct Deblurrer {
    network: Network,
    /// None for frames that are restored at their own scale.
    working_scale: Option<WorkingScale>,
    tiles: Option<Tiles>,
    /// What each tile has seen so far, in their order; one for frames that run whole.
    histories: Vec<PriorHistory>,
    canceler: Canceler,
    size: FrameSize,
    provider: Provider,
    precision: Precision,
    rejected: Vec<(Provider, String)>,
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
        if let Some(reason) = working_scale::refusal(size, options.reduction) {
            return Err(Error::Size {
                width: size.width,
                height: size.height,
                reason,
            });
        }
        let working_scale = (options.reduction > 1).then(|| WorkingScale::new(size, options.reduction));
        let working = working_scale::size(size, options.reduction);
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
        let (window, (network, provider, precision, rejected)) = loop {
            let window = window::window(working, backbone, &options)?;
            let error = match selection::load(bundle, context, &options, search.cache.as_deref(), window) {
                Ok(loaded) => break (window, loaded),
                Err(error) => error,
            };
            options.tile_size = match (&error, window::smaller(window, backbone, options.tile_overlap)) {
                (Error::Memory { .. }, Some(side)) => side,
                _ => return Err(error),
            };
            log::warn(&format!("{error}; tried in tiles of {} pixels", options.tile_size));
        };
        let tiles = (window != working).then(|| Tiles::new(Tiling::new(working, window, options.tile_overlap)));
        let histories = vec![PriorHistory::new(network.dim()); tiles.as_ref().map_or(1, Tiles::count)];
        Ok(Self {
            network,
            working_scale,
            tiles,
            histories,
            canceler,
            size,
            provider,
            precision,
            rejected,
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
        self.submit(frame, restored, sampling)?.collect(restored)
    }

    /// As [`Deblurrer::restore`], without waiting for a device that can do it beside: there the frame is not ready before
    /// [`Submission::collect`] has been called, with the same `restored`, and the next one may begin meanwhile. Elsewhere, and with tiles or a reduction, all
    /// is done when this returns. `frame` may change then.
    ///
    /// # Errors
    /// As [`Deblurrer::restore`], and [`Error::Inference`] where two frames have begun that are not finished.
    pub fn submit(
        &mut self,
        frame: &[u8],
        restored: &mut [u8],
        sampling: impl Into<Sampling>,
    ) -> Result<Submission, Error> {
        let sampling = sampling.into();
        for length in [frame.len(), restored.len()] {
            check_length(length, self.size)?;
        }
        let Self {
            network,
            working_scale,
            tiles,
            histories,
            ..
        } = self;
        let mut submit = |frame: &[u8], restored: &mut [u8]| {
            submit_window(network, tiles.as_mut(), histories, frame, restored, sampling)
        };
        match working_scale {
            Some(working_scale) => working_scale
                .restore(frame, restored, |frame, restored| {
                    submit(frame, restored)?.collect(restored)
                })
                .map(Submission::done),
            None => submit(frame, restored),
        }
    }

    /// As [`Deblurrer::submit`], of a frame that lies on the GPU to one that does. None where that cannot be: elsewhere than on a GPU, and with
    /// tiles or a reduction. The frame is not ready before [`Submission::collect`], with an empty slice. A repeated frame is not recognised.
    ///
    /// # Errors
    /// As [`Deblurrer::submit`].
    #[cfg(feature = "cuda-memory")]
    pub fn submit_on_device(
        &mut self,
        frame: DeviceFrame,
        restored: DeviceFrame,
        sampling: impl Into<Sampling>,
    ) -> Option<Result<Submission, Error>> {
        let whole = self.tiles.is_none() && self.working_scale.is_none() && self.network.is_staged();
        whole.then(|| self.histories[0].submit_on_device(&mut self.network, frame, restored, sampling.into()))
    }

    /// Ends runs from another thread.
    pub fn canceler(&self) -> Canceler {
        self.canceler.clone()
    }

    /// The next frame has nothing to do with the last one: another scene, a gap in time, another video.
    pub fn reset_history(&mut self) {
        self.histories.iter_mut().for_each(PriorHistory::reset);
    }

    /// How many frames before the last one its prior was sampled; 0 for its own.
    pub fn prior_age(&self) -> u32 {
        self.histories[0].prior_age()
    }

    /// The sharp prior z_0 (D long) of what the graphs see at once, which [`Deblurrer::restore`] fuses into the backbone. `frame`
    /// is as there; where frames run reduced it is a reduced one, and where they run in tiles one tile, of the size that
    /// [`Deblurrer::tile`] tells.
    ///
    /// # Errors
    /// As [`Deblurrer::restore`].
    pub fn prior(&mut self, frame: &[u8], steps: usize) -> Result<Array1<f32>, Error> {
        check_length(frame.len(), self.network.size())?;
        self.network.set_frame(frame)?;
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
    pub fn rejected_providers(&self) -> &[(Provider, String)] {
        &self.rejected
    }

    /// T: the largest value of `steps`.
    pub fn max_steps(&self) -> usize {
        self.network.max_steps()
    }
}

/// A frame of the working scale, in one go or in tiles.
fn submit_window(
    network: &mut Network,
    tiles: Option<&mut Tiles>,
    histories: &mut [PriorHistory],
    frame: &[u8],
    restored: &mut [u8],
    sampling: Sampling,
) -> Result<Submission, Error> {
    let Some(tiles) = tiles else {
        return histories[0].submit(network, frame, restored, sampling);
    };
    let mut timing = Timing::default();
    tiles.restore(frame, restored, |number, tile, restored| -> Result<(), Error> {
        timing += histories[number]
            .submit(network, tile, restored, sampling)?
            .collect(restored)?;
        Ok(())
    })?;
    Ok(Submission::done(timing))
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
