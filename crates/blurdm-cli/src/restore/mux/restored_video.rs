// SPDX-License-Identifier: MPL-2.0

use std::path::PathBuf;

use crate::restore::{
    plan::{Scan, Turning},
    segments::FrameRecord,
};

/// A video that takes the place of its original.
pub struct RestoredVideo<'a> {
    pub scan: &'a Scan,
    pub turning: Turning,
    /// Videos of the finished segments, in their order.
    pub segments: Vec<PathBuf>,
    /// The frames of all segments.
    pub frames: &'a [FrameRecord],
}

impl RestoredVideo<'_> {
    /// Returns the times of the frames in nanoseconds: stream times, or those of the container.
    pub fn times(&self, of_container: bool) -> Vec<u64> {
        let time = |frame: &FrameRecord| if of_container { frame.pts } else { frame.time };
        self.frames.iter().map(time).collect()
    }
}
