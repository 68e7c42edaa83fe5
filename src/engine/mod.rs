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

mod buffers;
mod bundle;
mod conventions;
mod error;
mod frame_size;
mod gpu;
mod graph_file;
mod loading;
mod options;
mod precision;
mod prior_history;
mod prior_in_use;
mod provider;
mod regular_file;
mod runtime;
mod selection;
mod session;
mod submission;
mod tiles;
mod timing;
mod working_scale;

use std::collections::TryReserveError;

use ndarray::Array1;

pub use crate::{diffusion::TemporalPolicy, frame::REDUCTIONS};

use bundle::Plain;
pub use bundle::{
    BackboneSection, Bundle, ChannelOrder, EncoderInput, Layout, Manifest, ModelFormat, PriorSection, Range,
    ScalesSection, ScheduleSection, TrainingSection,
};
pub(crate) use bundle::{Origin, builtin};
pub use error::Error;
pub use frame_size::{FrameSize, MAXIMUM_SIDE, MINIMUM_SIDE, PIXEL_BYTES, TILE_SIDES};
#[cfg(feature = "cuda-memory")]
pub use gpu::DeviceFrame;
pub use gpu::{Gpu, default_cache, gpus};
pub use graph_file::GraphFile;
pub(crate) use loading::OnLimit;
pub use options::{DEFAULT_TILE_OVERLAP, Options, Sampling, Settings};
pub use precision::Precision;
pub use prior_in_use::{PriorInUse, ScaleShares};
pub use provider::{Choice, Provider};
pub use runtime::{MINIMUM_MINOR, MissingLibrary, Runtime, Search, log, missing_libraries, runtime};
pub use session::Canceler;
pub use submission::Submission;
pub use timing::Timing;

use prior_history::PriorHistory;
use selection::Selected;
use session::{Context, Network};
use tiles::{Tiles, Tiling};
use working_scale::WorkingScale;

/// A bundle that is loaded for frames of one size on one provider.
///
/// Frames are restored whole, or in tiles: where the bundle's graphs are of fixed size, where [`Options::tile_size`] is
/// smaller than the frame, and where whole frames do not fit in memory. Each tile has a prior of its own, and
/// neighbouring tiles are blended by linear ramps across their overlap. The memory that tiles take grows with the size
/// of a tile, and by twelve bytes for each pixel of the frame in one row of tiles.
pub struct Deblurrer {
    network: Network,
    /// `None` for frames that are restored at their own scale.
    working_scale: Option<WorkingScale>,
    /// `None` for frames that are restored whole.
    tiles: Option<Tiles>,
    /// One for each tile, in their order, or one for whole frames.
    histories: Vec<PriorHistory>,
    canceler: Canceler,
    size: FrameSize,
    provider: Provider,
    precision: Precision,
    rejected: Vec<(Provider, String)>,
    conventions: Option<String>,
}

impl Deblurrer {
    /// Loads the graphs for frames of `size`, on the chosen provider or the best one that runs, and runs them once.
    /// This warm-up makes the first frame as fast as the others, and rejects a model whose output is nonsense.
    ///
    /// All this is done in a thread of its own, for which the caller waits [`Options::load_limit`] at most. A thread
    /// that is still at work then ends when ONNX Runtime is done.
    ///
    /// # Errors
    /// - Those of [`runtime()`].
    /// - [`Error::Size`] for a size outside 16x16 to 16384x16384, and for a reduction that is not possible.
    /// - [`Error::Tile`] for tiles that this bundle does not support.
    /// - [`Error::Precision`] for a precision that this bundle or provider does not support.
    /// - [`Error::Provider`] when the chosen provider, or with [`Choice::Auto`] every one, cannot be used.
    /// - [`Error::Memory`] when not even the smallest tiles fit in memory.
    /// - [`Error::BundleInvalid`] for graphs that break the contract, and files whose network is not one from an image
    ///   to an image of the same size, and [`Error::NotAPicture`] for their output.
    /// - [`Error::LoadTimeout`], and [`Error::Thread`] where no thread can be made.
    pub fn new(bundle: &Bundle, options: &Options, search: &Search, size: FrameSize) -> Result<Self, Error> {
        let canceler = Canceler::new(runtime(search)?)?;
        Self::load(bundle, options, search, size, canceler, OnLimit::Cancel)
    }

    /// As [`Deblurrer::new`], with a canceler that is shared with another `Deblurrer`.
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
        Self::load(bundle, options, search, size, canceler, OnLimit::Leave)
    }

    /// As [`Deblurrer::with_canceler`], with a choice of what becomes of the canceler when the limit is over.
    pub(crate) fn load(
        bundle: &Bundle,
        options: &Options,
        search: &Search,
        size: FrameSize,
        canceler: Canceler,
        on_limit: OnLimit,
    ) -> Result<Self, Error> {
        let limit = options.loading_limit(selection::may_build_engines(options.provider, runtime(search)?));
        let load = {
            let (bundle, options, search, canceler) = (bundle.clone(), *options, search.clone(), canceler.clone());
            move || Self::load_here(&bundle, &options, &search, size, canceler)
        };
        loading::in_own_thread(&canceler, limit, on_limit, load)
    }

    /// Loads in the thread that calls this.
    fn load_here(
        bundle: &Bundle,
        options: &Options,
        search: &Search,
        size: FrameSize,
        canceler: Canceler,
    ) -> Result<Self, Error> {
        size.check()?;
        working_scale::check(size, options.reduction)?;
        let too_large = |provider, error: TryReserveError| Error::Memory {
            width: size.width,
            height: size.height,
            provider,
            reason: error.to_string(),
            figures: String::new(),
        };
        let working_size = working_scale::size(size, options.reduction);
        conventions::settle(bundle, runtime(search)?, &canceler)?;
        let context = Context::new(&canceler, runtime(search)?, bundle, options.settings);
        let Selected {
            network,
            provider,
            precision,
            rejected,
        } = selection::load(bundle, context, options, search.cache.as_deref(), working_size)?;
        let window = network.size();
        let tiling = (window != working_size).then(|| Tiling::new(working_size, window, options.tile_overlap));
        let tiles = tiling.map(Tiles::new).transpose();
        let tiles = tiles.map_err(|error| too_large(provider, error))?;
        let working_scale = (options.reduction > 1).then(|| WorkingScale::new(size, options.reduction));
        let working_scale = working_scale.transpose();
        let working_scale = working_scale.map_err(|error| too_large(provider, error))?;
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
            conventions: bundle.plain().and_then(Plain::description),
        })
    }

    /// Restores the next frame of a video. `frame` and `restored` are RGBx, `size().bytes()` long, rows without
    /// padding. The fourth byte of a pixel is copied through. A frame that equals the last one keeps its prior.
    ///
    /// # Errors
    /// [`Error::Size`] for slices of another length, [`Error::Steps`], [`Error::Inference`], [`Error::NotAPicture`]
    /// when the prior is not finite, [`Error::Cancelled`]. The contents of `restored` are then unspecified.
    pub fn restore(
        &mut self,
        frame: &[u8],
        restored: &mut [u8],
        sampling: impl Into<Sampling>,
    ) -> Result<Timing, Error> {
        self.submit(frame, restored, sampling)?.collect(restored)
    }

    /// Submits the next frame of a video, as [`Deblurrer::restore`] without waiting for the device. The frame is
    /// restored once [`Submission::collect`] has returned, which takes the same `restored`; the next frame may be
    /// submitted before. `frame` may change as soon as this returns.
    ///
    /// Only on a GPU, for whole frames at their own scale, is a frame in flight when this returns. Otherwise it is
    /// restored.
    ///
    /// # Errors
    /// As [`Deblurrer::restore`], and [`Error::Inference`] where two frames are in flight.
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
            submit_at_working_scale(network, tiles.as_mut(), histories, frame, restored, sampling)
        };
        match working_scale {
            Some(working_scale) => working_scale
                .restore(frame, restored, |frame, restored| {
                    submit(frame, restored)?.collect(restored)
                })
                .map(Submission::restored),
            None => submit(frame, restored),
        }
    }

    /// As [`Deblurrer::submit`], for frames in GPU memory: the frame is read from `frame` and restored to `restored`.
    /// Returns `None` where this is not possible: elsewhere than on a GPU, and with tiles or a reduction.
    /// [`Submission::collect`] takes an empty slice. A repeated frame is not recognised.
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

    /// Returns a handle that cancels runs from another thread.
    pub fn canceler(&self) -> Canceler {
        self.canceler.clone()
    }

    /// Forgets the frames so far. Call this where the next frame does not continue the last one: after a cut, a gap in
    /// time, or at the start of another video.
    pub fn reset_history(&mut self) {
        self.histories.iter_mut().for_each(PriorHistory::reset);
    }

    /// Returns the prior that the last frame was restored with. Its shares of scales are the mean of the frame's tiles.
    pub fn prior_in_use(&self) -> PriorInUse {
        let priors = self.histories.iter().map(PriorHistory::prior);
        PriorInUse {
            age: self.histories[0].prior().age,
            scales: ScaleShares::mean(priors.map(|prior| prior.scales)),
        }
    }

    /// Samples the sharp prior z_0 (D values, none for a bundle without a prior) that [`Deblurrer::restore`] fuses into the backbone. `frame` is as there,
    /// but of the size that the graphs see: reduced where frames are restored at a smaller scale, and one tile
    /// ([`Deblurrer::tile`]) where they are restored in tiles.
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

    /// Returns the size of the tiles, or `None` when frames are restored whole.
    pub fn tile(&self) -> Option<FrameSize> {
        self.tiles.is_some().then(|| self.network.size())
    }

    /// Returns the provider that runs.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Returns the precision that the backbone computes in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Returns the better providers that [`Choice::Auto`] tried first, with the reasons why they cannot be used.
    pub fn rejected_providers(&self) -> &[(Provider, String)] {
        &self.rejected
    }

    /// Returns what was told or found of the network of a model that is one ONNX file, in words; `None` for the bundle
    /// of a folder.
    pub fn conventions(&self) -> Option<&str> {
        self.conventions.as_deref()
    }

    /// Returns T, the largest value of `steps`, or `None` for a bundle without a prior, for which `steps` has no effect.
    pub fn max_steps(&self) -> Option<usize> {
        self.network.max_steps()
    }
}

/// Submits a frame of the working scale, whole or in tiles.
fn submit_at_working_scale(
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
    Ok(Submission::restored(timing))
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
