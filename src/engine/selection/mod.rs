// SPDX-License-Identifier: MPL-2.0

//! Which provider a bundle runs on, and in what precision: by trying, best first.

mod engines;
mod int8_check;
mod precision;
mod transfer;

use std::path::Path;

use super::{
    bundle::Bundle,
    error::Error,
    frame_size::FrameSize,
    gpu::gpus,
    options::{Options, Settings},
    precision::Precision,
    provider::Provider,
    runtime::log,
    session::{Context, Network},
};

/// A bundle on the chosen provider or the best that really runs, in what precision, and the better ones with the reasons why they do not.
pub(super) type Loaded = (Network, Provider, Precision, Vec<(Provider, String)>);

pub(super) fn load(
    bundle: &Bundle,
    context: Context<'_>,
    options: &Options,
    cache: Option<&Path>,
    size: FrameSize,
) -> Result<Loaded, Error> {
    let mut refused = Vec::new();
    let (better, last) = options.provider.candidates();
    let on = |provider| {
        load_on(bundle, context, provider, options.precision, cache, size)
            .map_err(|error| or_short_of_memory(error, provider, size, context.settings))
    };
    for &provider in better {
        match on(provider) {
            Ok((network, precision)) => return Ok((network, provider, precision, refused)),
            // What this provider does not compute in, another may.
            Err(Error::Provider { reason, .. } | Error::Precision { reason, .. }) => refused.push((provider, reason)),
            Err(error) => return Err(error),
        }
    }
    let (network, precision) = on(last)?;
    Ok((network, last, precision, refused))
}

/// Where memory ran out, that, with what the device has: another provider would be slower without a word, and a smaller tile may fit.
fn or_short_of_memory(error: Error, provider: Provider, size: FrameSize, settings: Settings) -> Error {
    let Some(reason) = error.out_of_memory().map(str::to_owned) else {
        return error;
    };
    let known = if provider.on_gpu() {
        gpus().unwrap_or_default()
    } else {
        Vec::new()
    };
    let gpu = usize::try_from(settings.device_id)
        .ok()
        .and_then(|number| known.get(number));
    let figures = gpu.and_then(|gpu| {
        let (free, total) = gpu.memory?;
        Some(format!("{} has {} of {} MiB free; ", gpu.name, free >> 20, total >> 20))
    });
    Error::Memory {
        width: size.width,
        height: size.height,
        provider,
        reason,
        figures: figures.unwrap_or_default(),
    }
}

/// On a provider, in the precision asked for or the best that it can run.
fn load_on(
    bundle: &Bundle,
    context: Context<'_>,
    provider: Provider,
    asked: Option<Precision>,
    cache: Option<&Path>,
    size: FrameSize,
) -> Result<(Network, Precision), Error> {
    let (better, last) = precision::candidates(asked, provider, &bundle.manifest().backbone)?;
    let on = |precision| {
        if precision == Precision::Int8 {
            int8_check::check(bundle, context, precision)?;
        }
        engines::with_engines(
            bundle,
            Context { precision, ..context },
            provider,
            cache,
            size,
            |context| transfer::load(bundle, context, provider, size),
        )
    };
    for precision in better {
        match on(precision) {
            Ok(network) => return Ok((network, precision)),
            // A runtime too old for it, say.
            Err(error @ Error::Provider { .. }) if error.out_of_memory().is_none() => {}
            Err(error @ Error::Precision { .. }) => log::warn(&error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok((on(last)?, last))
}
