// SPDX-License-Identifier: MPL-2.0

//! How frames get to a provider and back: the shortest way that works here.

use crate::engine::{
    bundle::Bundle,
    error::Error,
    frame_size::FrameSize,
    gpu::Device,
    provider::Provider,
    runtime::{self, log},
    session::{Context, Network, Staged},
};

/// Loads a bundle on a provider. On a GPU frames are staged on the device and graphs are captured, if that runs; what a runtime or a driver cannot
/// do of this costs speed, and the log says so.
pub(super) fn load(
    bundle: &Bundle,
    context: Context<'_>,
    provider: Provider,
    size: FrameSize,
) -> Result<Network, Error> {
    // A provider that cannot run at all says so once.
    if !provider.on_gpu() || runtime::refusal(provider, context.runtime).is_some() {
        return Network::load(bundle, context, provider, size);
    }
    match Device::open(context.settings.device_id) {
        Ok(device) => on_device(bundle, context, provider, size, &device),
        Err(reason) => {
            log::warn(&format!("every frame is copied by {provider} itself: {reason}"));
            Network::load(bundle, context, provider, size)
        }
    }
}

fn on_device(
    bundle: &Bundle,
    context: Context<'_>,
    provider: Provider,
    size: FrameSize,
    device: &Device,
) -> Result<Network, Error> {
    // TensorRT takes minutes for every try, and launches little.
    let tries: &[bool] = if provider == Provider::Cuda {
        &[true, false]
    } else {
        &[false]
    };
    for &captured in tries {
        let staged = Context {
            staged: Some(Staged { device, captured }),
            ..context
        };
        match Network::load(bundle, staged, provider, size) {
            Err(error) if is_of_the_way(&error) => {
                let with = if captured { "with CUDA graphs" } else { "staged" };
                log::warn(&format!("frames cannot be restored {with} on {provider}: {error}"));
            }
            decided => return decided,
        }
    }
    Network::load(bundle, context, provider, size)
}

/// Whether another way may have another outcome.
fn is_of_the_way(error: &Error) -> bool {
    let may = matches!(
        error,
        Error::Provider { .. } | Error::Inference { .. } | Error::NotAPicture { .. }
    );
    may && error.out_of_memory().is_none()
}
