// SPDX-License-Identifier: MPL-2.0

//! Loading with the engines that an earlier start has built, or building them.

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

/// Has `load` load on a provider, in a context that names the folder of its engines. Engines that it could not use are built again, and a
/// cache that cannot be had costs time and nothing else.
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
            log::warn(&format!("engines cannot be kept in '{}': {error}", root.display()));
            return load(context);
        }
    };
    let in_folder = |folder: &CacheFolder| {
        load(Context {
            cache: Some(folder.path()),
            ..context
        })
    };
    let mut loaded = in_folder(&folder);
    if folder.is_whole() && matches!(loaded, Err(Error::Provider { .. } | Error::Inference { .. })) {
        log::warn(&format!(
            "the engines in '{}' cannot be used and are built again",
            folder.path().display()
        ));
        match folder.discard() {
            Ok(empty) => folder = empty,
            Err(_) => return load(context),
        }
        loaded = in_folder(&folder);
    }
    let loaded = loaded?;
    if let Err(error) = folder.finish() {
        log::warn(&format!("engines cannot be kept in '{}': {error}", root.display()));
    }
    Ok(loaded)
}

/// What the engines are good for; none for a provider that builds none, and where it is not known what they would be good for.
fn key(bundle: &Bundle, context: Context<'_>, provider: Provider, size: FrameSize, gpus: &[Gpu]) -> Option<CacheKey> {
    if provider != Provider::TensorRt {
        return None;
    }
    // Loads what the provider needs.
    runtime::missing_libraries(provider, context.runtime);
    let gpu = gpus.get(usize::try_from(context.settings.device_id).ok()?)?;
    Some(CacheKey {
        runtime: context.runtime.version(),
        builder: runtime::loaded_file("libnvinfer.so")?,
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
