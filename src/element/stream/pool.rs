// SPDX-License-Identifier: MPL-2.0

//! The memory of frames: proposed upstream and decided with downstream so that the runtime reads and writes frames in place.

use gst::prelude::*;

#[cfg(feature = "cuda-memory")]
use super::cuda_memory;
use super::{context::Context, state::State};
use crate::element::messages::CAT;

/// Frames start at multiples of 64 bytes, the widest vectors that the runtime uses. GStreamer takes the mask of the bits that are 0.
const ALIGNMENT: usize = 63;

/// Proposes a pool whose rows have no padding, as a tensor has none. The element keeps `held` of its frames.
///
/// # Errors
/// If the query has no caps, or caps of no frame.
pub fn propose(query: &mut gst::query::Allocation, held: u32) -> Result<(), gst::LoggableError> {
    let (Some(caps), wants_pool) = query.get_owned() else {
        return Err(gst::loggable_error!(CAT, "an allocation query without caps"));
    };
    // Frames in the GPU's memory come from the pools of the elements that upload them.
    #[cfg(feature = "cuda-memory")]
    if cuda_memory::is_in(&caps) {
        remove_pools(query);
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        return Ok(());
    }
    let info = gst_video::VideoInfo::from_caps(&caps)
        .map_err(|error| gst::loggable_error!(CAT, "an allocation query for {caps}: {error}"))?;
    let size = u32::try_from(info.size())
        .map_err(|_| gst::loggable_error!(CAT, "a frame of {} bytes is too large for a pool", info.size()))?;
    let pool = wants_pool.then(|| tight_pool(&caps, size)).transpose()?;
    remove_pools(query);
    query.add_allocation_pool(pool.as_ref(), size, held, 0);
    align(query);
    if query.find_allocation_meta::<gst_video::VideoMeta>().is_none() {
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
    }
    Ok(())
}

/// Chooses downstream's first pool that can hold these frames. Without one the base class makes its own.
///
/// # Errors
/// If the caps are refused: frames in the GPU's memory need a pool of downstream.
pub fn decide(
    state: &mut State,
    context: Context<'_>,
    query: &mut gst::query::Allocation,
) -> Result<(), gst::LoggableError> {
    let held = state.held_frames();
    while let Some((Some(pool), size, min, max)) = query.allocation_pools().next() {
        let caps = query.get_owned().0;
        // The next frame must not wait for the frames that the element holds.
        let min = min + held;
        let max = if max == 0 { 0 } else { max.max(min) };
        let mut config = pool.config();
        config.set_params(caps.as_ref(), size, min, max);
        // The configuration of an active pool cannot be changed. The base class finds out whether it will do.
        if pool.is_active() || pool.set_config(config).is_ok() {
            query.set_nth_allocation_pool(0, Some(&pool), size, min, max);
            break;
        }
        gst::debug!(CAT, obj = context.element, "{} cannot hold {caps:?}", pool.name());
        query.remove_nth_allocation_pool(0);
    }
    #[cfg(feature = "cuda-memory")]
    if let Some(caps) = query.get_owned().0
        && cuda_memory::is_in(&caps)
    {
        if query.allocation_pools().next().is_some_and(|(pool, ..)| pool.is_some()) {
            return Ok(());
        }
        let message = gst::error_msg!(
            gst::CoreError::Negotiation,
            ("no element downstream has a pool of CUDA memory for the restored frames; put cudadownload after blurdm")
        );
        return Err(state.refuse(context, &caps, message));
    }
    align(query);
    Ok(())
}

fn remove_pools(query: &mut gst::query::Allocation) {
    while query.allocation_pools().len() > 0 {
        query.remove_nth_allocation_pool(0);
    }
}

fn tight_pool(caps: &gst::Caps, size: u32) -> Result<gst_video::VideoBufferPool, gst::LoggableError> {
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(caps), size, 0, 0);
    config.set_allocator(
        None::<&gst::Allocator>,
        Some(&aligned(&gst::AllocationParams::default())),
    );
    config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
    pool.set_config(config)
        .map_err(|error| gst::loggable_error!(CAT, "a pool for {caps}: {error}"))?;
    Ok(pool)
}

/// Asks the first allocator, which is the one that is used, for aligned memory.
fn align(query: &mut gst::query::Allocation) {
    let first = query.allocation_params().next();
    match first {
        Some((allocator, params)) => query.set_nth_allocation_param(0, allocator.as_ref(), aligned(&params)),
        None => query.add_allocation_param(None::<&gst::Allocator>, aligned(&gst::AllocationParams::default())),
    }
}

fn aligned(params: &gst::AllocationParams) -> gst::AllocationParams {
    gst::AllocationParams::new(
        params.flags(),
        params.align() | ALIGNMENT,
        params.prefix(),
        params.padding(),
    )
}
