// SPDX-License-Identifier: MPL-2.0

//! How frames are transferred to a provider and back: the fastest way that works here.

use crate::engine::{
    bundle::Bundle,
    error::Error,
    frame_size::FrameSize,
    gpu::Device,
    provider::Provider,
    runtime::{self, log},
    session::{Context, Network, Staged},
};

/// Loads a bundle on a provider. On a GPU frames are staged on the device and graphs are captured, if both work. What a
/// runtime or a driver does not support of this costs speed only, and is logged.
pub(super) fn load(
    bundle: &Bundle,
    context: Context<'_>,
    provider: Provider,
    size: FrameSize,
) -> Result<Network, Error> {
    // A provider that cannot run at all reports that once.
    if !provider.on_gpu() || runtime::refusal(provider, context.runtime).is_some() {
        return Network::load(bundle, context, provider, size);
    }
    match Device::open(context.settings.device_id) {
        Ok(device) => load_staged(bundle, context, provider, size, &device),
        Err(reason) => {
            log::warn(&format!("every frame is copied by {provider} itself: {reason}"));
            Network::load(bundle, context, provider, size)
        }
    }
}

fn load_staged(
    bundle: &Bundle,
    context: Context<'_>,
    provider: Provider,
    size: FrameSize,
    device: &Device,
) -> Result<Network, Error> {
    let attempts: &[bool] = if provider.captures_graphs() {
        &[true, false]
    } else {
        &[false]
    };
    for &captured in attempts {
        let staged = Context {
            staged: Some(Staged { device, captured }),
            ..context
        };
        match Network::load(bundle, staged, provider, size) {
            Err(error) if depends_on_transfer(&error) => {
                let with = if captured { "with CUDA graphs" } else { "staged" };
                log::warn(&format!("frames cannot be restored {with} on {provider}: {error}"));
            }
            result => return result,
        }
    }
    Network::load(bundle, context, provider, size)
}

/// Returns whether loading may succeed where frames are transferred in another way.
fn depends_on_transfer(error: &Error) -> bool {
    let may = matches!(
        error,
        Error::Provider { .. } | Error::Inference { .. } | Error::NotAPicture { .. }
    );
    may && error.out_of_memory().is_none()
}
