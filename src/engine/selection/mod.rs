// SPDX-License-Identifier: MPL-2.0

//! Selects what a bundle runs on by trying the best first: the execution provider, the precision, the window and how
//! frames are transferred.

mod engines;
mod int8_check;
mod precision;
mod transfer;
mod window;

use std::path::Path;

use super::{
    bundle::Bundle,
    error::Error,
    frame_size::FrameSize,
    gpu::gpus,
    options::{Options, Settings},
    precision::Precision,
    provider::{Choice, Provider},
    runtime::{Runtime, log, refusal},
    session::{Context, Network},
};

/// A loaded network, and what it runs on.
pub(super) struct Selected {
    /// Its size is the window: the frame's, or that of a tile.
    pub network: Network,
    pub provider: Provider,
    pub precision: Precision,
    /// The better providers, with the reasons why they cannot be used.
    pub rejected: Vec<(Provider, String)>,
}

/// Whether a provider that may be tried builds engines, which takes long.
pub(super) fn may_build_engines(choice: Choice, runtime: &Runtime) -> bool {
    let (better, last) = choice.candidates();
    let mut candidates = better.iter().chain([&last]);
    candidates.any(|&provider| provider.engine_builder().is_some() && refusal(provider, runtime).is_none())
}

/// Loads a bundle for frames of size `frame`. Where they do not fit in memory, smaller and smaller tiles are tried.
pub(super) fn load(
    bundle: &Bundle,
    context: Context<'_>,
    options: &Options,
    cache: Option<&Path>,
    frame: FrameSize,
) -> Result<Selected, Error> {
    let overlap = options.tile_overlap;
    let mut tile_size = options.tile_size;
    loop {
        let window = window::window(frame, bundle, tile_size, overlap)?;
        let error = match load_window(bundle, context, options, cache, window) {
            Ok(selected) => return Ok(selected),
            Err(error) => error,
        };
        tile_size = match (&error, window::smaller(window, bundle, overlap)) {
            (Error::Memory { .. }, Some(side)) => side,
            _ => return Err(error),
        };
        log::warn(&format!("{error}; trying tiles of {tile_size} pixels"));
    }
}

/// Loads a bundle for one size of window, on the chosen provider or the best one that runs.
fn load_window(
    bundle: &Bundle,
    context: Context<'_>,
    options: &Options,
    cache: Option<&Path>,
    window: FrameSize,
) -> Result<Selected, Error> {
    let mut rejected = Vec::new();
    let (better, last) = options.provider.candidates();
    let load = |provider| {
        load_on(bundle, context, provider, options.precision, cache, window)
            .map_err(|error| or_out_of_memory(error, provider, window, context.settings))
    };
    for &provider in better {
        match load(provider) {
            Ok((network, precision)) => {
                return Ok(Selected {
                    network,
                    provider,
                    precision,
                    rejected,
                });
            }
            // A precision that this provider does not compute in, another one may.
            Err(Error::Provider { reason, .. } | Error::Precision { reason, .. }) => rejected.push((provider, reason)),
            Err(error) => return Err(error),
        }
    }
    let (network, precision) = load(last)?;
    Ok(Selected {
        network,
        provider: last,
        precision,
        rejected,
    })
}

/// Turns an error that says that memory ran out into [`Error::Memory`], with what the device has. Such an error does
/// not reject the provider: the next one would be slower without a word, and a smaller tile may fit.
fn or_out_of_memory(error: Error, provider: Provider, window: FrameSize, settings: Settings) -> Error {
    let Some(reason) = error.out_of_memory().map(str::to_owned) else {
        return error;
    };
    Error::Memory {
        width: window.width,
        height: window.height,
        provider,
        reason,
        figures: device_memory(provider, settings.device_id).unwrap_or_default(),
    }
}

/// Returns what memory the device of a GPU provider has, for [`Error::Memory`].
fn device_memory(provider: Provider, device_id: i32) -> Option<String> {
    let gpus = provider.on_gpu().then(gpus)?.ok()?;
    let gpu = gpus.get(usize::try_from(device_id).ok()?)?;
    let (free, total) = gpu.memory?;
    Some(format!("{} has {} of {} MiB free; ", gpu.name, free >> 20, total >> 20))
}

/// Loads a bundle on one provider, in the precision that was asked for or the best one that runs there.
fn load_on(
    bundle: &Bundle,
    context: Context<'_>,
    provider: Provider,
    asked: Option<Precision>,
    cache: Option<&Path>,
    window: FrameSize,
) -> Result<(Network, Precision), Error> {
    let (better, last) = precision::candidates(asked, provider, &bundle.manifest().backbone)?;
    let load = |precision| {
        if precision == Precision::Int8 {
            int8_check::check(bundle, context, precision)?;
        }
        engines::with_engines(
            bundle,
            Context { precision, ..context },
            provider,
            cache,
            window,
            |context| transfer::load(bundle, context, provider, window),
        )
    };
    for precision in better {
        match load(precision) {
            Ok(network) => return Ok((network, precision)),
            // For example a runtime that is too old for this precision.
            Err(error @ Error::Provider { .. }) if error.out_of_memory().is_none() => {}
            Err(error @ Error::Precision { .. }) => log::warn(&error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok((load(last)?, last))
}
