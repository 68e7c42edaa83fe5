// SPDX-License-Identifier: MPL-2.0

//! Loads a bundle with the engines that an earlier start has built, or builds them.

use std::path::Path;

use crate::engine::{
    bundle::Bundle,
    error::Error,
    frame_size::FrameSize,
    gpu::{CacheFolder, CacheKey, Gpu, gpus},
    provider::Provider,
    runtime::{self, log},
    session::Context,
};

/// Calls `load` with a context that names the folder of the provider's engines. Engines that cannot be used are built
/// again. A cache that cannot be used costs time only, and is logged.
pub(super) fn with_engines<T>(
    bundle: &Bundle,
    context: Context<'_>,
    provider: Provider,
    root: Option<&Path>,
    size: FrameSize,
    load: impl Fn(Context<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let key = key(bundle, context, provider, size, &gpus().unwrap_or_default());
    let (Some(root), Some(key)) = (root, key) else {
        return load(context);
    };
    let mut folder = match CacheFolder::open(root, key) {
        Ok(folder) => folder,
        Err(error) => {
            log::warn(&format!("engines cannot be stored in '{}': {error}", root.display()));
            return load(context);
        }
    };
    let load_in = |folder: &CacheFolder| {
        load(Context {
            cache: Some(folder.path()),
            ..context
        })
    };
    let mut loaded = load_in(&folder);
    if folder.is_complete() && matches!(loaded, Err(Error::Provider { .. } | Error::Inference { .. })) {
        log::warn(&format!(
            "the engines in '{}' cannot be used and are built again",
            folder.path().display()
        ));
        match folder.discard() {
            Ok(empty) => folder = empty,
            Err(_) => return load(context),
        }
        loaded = load_in(&folder);
    }
    let loaded = loaded?;
    if let Err(error) = folder.finish() {
        log::warn(&format!("engines cannot be stored in '{}': {error}", root.display()));
    }
    Ok(loaded)
}

/// Returns what the engines are valid for. `None` for a provider that builds none, and where the runtime, the device or
/// the builder cannot be identified.
fn key(bundle: &Bundle, context: Context<'_>, provider: Provider, size: FrameSize, gpus: &[Gpu]) -> Option<CacheKey> {
    let builder = provider.engine_builder()?;
    // Loads the libraries that the provider needs, so that the builder's version is known.
    runtime::missing_libraries(provider, context.runtime);
    let gpu = gpus.get(usize::try_from(context.settings.device_id).ok()?)?;
    Some(CacheKey {
        runtime: context.runtime.version(),
        builder: runtime::loaded_file(builder)?,
        device: format!(
            "{} {} driver {}",
            gpu.name,
            gpu.capability.as_deref().unwrap_or_default(),
            gpu.driver
        ),
        model: bundle.hash().to_owned(),
        ..CacheKey::new(provider, context.precision, size)
    })
}
