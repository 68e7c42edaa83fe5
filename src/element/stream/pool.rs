// SPDX-License-Identifier: MPL-2.0

//! Which memory frames lie in: offered upstream and taken downstream so that the runtime reads and writes them where they are.

use gst::{prelude::*, subclass::prelude::*};
use gst_base::subclass::prelude::*;

use super::imp::{BlurDm, CAT};

/// Frames begin where vectors of any processor that the runtime knows may begin, less one.
const ALIGNMENT: usize = 63;

impl BlurDm {
    /// Offers a pool whose rows follow each other without padding, which is how a tensor lies.
    pub(super) fn offer_pool(
        &self,
        decided: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        BaseTransformImplExt::parent_propose_allocation(self, decided, query)?;
        // Passthrough: what downstream says has been handed on.
        if decided.is_none() {
            return Ok(());
        }
        let (Some(caps), wants_pool) = query.get_owned() else {
            return Err(gst::loggable_error!(CAT, "an allocation query without caps"));
        };
        // What lies on a GPU comes from the pools of who puts it there.
        #[cfg(feature = "cuda-memory")]
        if super::cuda_memory::is_in(&caps) {
            while query.allocation_pools().len() > 0 {
                query.remove_nth_allocation_pool(0);
            }
            query.add_allocation_meta::<gst_video::VideoMeta>(None);
            return Ok(());
        }
        let info = gst_video::VideoInfo::from_caps(&caps)
            .map_err(|error| gst::loggable_error!(CAT, "an allocation query for {caps}: {error}"))?;
        let size = u32::try_from(info.size())
            .map_err(|_| gst::loggable_error!(CAT, "a frame of {} bytes is too large for a pool", info.size()))?;
        let pool = wants_pool.then(|| tight_pool(&caps, size)).transpose()?;
        while query.allocation_pools().len() > 0 {
            query.remove_nth_allocation_pool(0);
        }
        query.add_allocation_pool(pool.as_ref(), size, self.kept_frames(), 0);
        align(query);
        if query.find_allocation_meta::<gst_video::VideoMeta>().is_none() {
            query.add_allocation_meta::<gst_video::VideoMeta>(None);
        }
        Ok(())
    }

    /// Takes the first pool of downstream that can hold these frames, else one of its own.
    pub(super) fn choose_pool(&self, query: &mut gst::query::Allocation) -> Result<(), gst::LoggableError> {
        while let Some((Some(pool), size, min, max)) = query.allocation_pools().next() {
            let caps = query.get_owned().0;
            // Frames on their way are not to be waited for by those behind them.
            let min = min + self.kept_frames();
            let max = if max == 0 { 0 } else { max.max(min) };
            let mut config = pool.config();
            config.set_params(caps.as_ref(), size, min, max);
            // An active pool of somebody else's has its configuration for good; whether that will do is for the base class to see.
            if pool.is_active() || pool.set_config(config).is_ok() {
                query.set_nth_allocation_pool(0, Some(&pool), size, min, max);
                break;
            }
            gst::debug!(CAT, imp = self, "{} cannot hold {caps:?}", pool.name());
            query.remove_nth_allocation_pool(0);
        }
        #[cfg(feature = "cuda-memory")]
        if let Some(caps) = query.get_owned().0
            && super::cuda_memory::is_in(&caps)
        {
            if query.allocation_pools().next().is_none_or(|(pool, ..)| pool.is_none()) {
                let message = gst::error_msg!(
                    gst::CoreError::Negotiation,
                    ("nobody downstream has a pool of CUDA memory for the restored frames; put cudadownload behind blurdm")
                );
                self.refuse(&caps, message);
                return Err(gst::loggable_error!(CAT, "no pool for {caps}"));
            }
            return BaseTransformImplExt::parent_decide_allocation(self, query);
        }
        align(query);
        BaseTransformImplExt::parent_decide_allocation(self, query)
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
