// SPDX-License-Identifier: MPL-2.0

//! Frames restored at a smaller working scale: what the network changed in a reduced frame is enlarged and added to the full one, which
//! keeps its fine detail.

use super::frame_size::{FrameSize, MINIMUM_SIDE};
use crate::frame::{REDUCTIONS, add_change, reduce, reduced_side};

/// The buffers for frames of one size, reduced by one factor.
pub(super) struct WorkingScale {
    factor: usize,
    width: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl WorkingScale {
    pub fn new(frame: FrameSize, factor: usize) -> Self {
        let bytes = size(frame, factor).bytes();
        Self {
            factor,
            width: frame.width,
            before: vec![0; bytes],
            after: vec![0; bytes],
        }
    }

    /// Restores a tight frame with `restore_reduced`, which is given the reduced frame and the room for its restored pixels.
    ///
    /// # Errors
    /// Those of `restore_reduced`.
    pub fn restore<T, E>(
        &mut self,
        frame: &[u8],
        restored: &mut [u8],
        restore_reduced: impl FnOnce(&[u8], &mut [u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        reduce(frame, self.width, self.factor, &mut self.before);
        let result = restore_reduced(&self.before, &mut self.after)?;
        add_change(frame, self.width, self.factor, &self.before, &self.after, restored);
        Ok(result)
    }
}

/// The size of frames of `frame` reduced by `factor`.
pub(super) fn size(frame: FrameSize, factor: usize) -> FrameSize {
    FrameSize {
        width: reduced_side(frame.width, factor),
        height: reduced_side(frame.height, factor),
    }
}

/// Why frames cannot be reduced so; none if they can.
pub(super) fn refusal(frame: FrameSize, factor: usize) -> Option<String> {
    let reduced = size(frame, factor.max(1));
    if factor != 1 && !REDUCTIONS.contains(&factor) {
        let (least, most) = (REDUCTIONS.start(), REDUCTIONS.end());
        return Some(format!(
            "they cannot be reduced by {factor}, only by {least} to {most}, or 1 for not at all"
        ));
    }
    (reduced.width.min(reduced.height) < MINIMUM_SIDE)
        .then(|| format!("reduced by {factor}, a side has less than {MINIMUM_SIDE} pixels"))
}
