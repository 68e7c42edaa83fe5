// SPDX-License-Identifier: MPL-2.0

//! Frames restored at a smaller working scale. What the network changed in the reduced frame is enlarged and added to
//! the full frame, which keeps its fine detail.

use std::collections::TryReserveError;

use super::{
    buffers::zeroed,
    error::Error,
    frame_size::{FrameSize, MINIMUM_SIDE},
};
use crate::frame::{REDUCTIONS, add_change, reduce, reduced_side};

/// The buffers for frames of one size, reduced by one factor.
pub(super) struct WorkingScale {
    factor: usize,
    width: usize,
    reduced: Vec<u8>,
    restored: Vec<u8>,
}

impl WorkingScale {
    /// # Errors
    /// They do not fit in memory.
    pub fn new(frame: FrameSize, factor: usize) -> Result<Self, TryReserveError> {
        let bytes = size(frame, factor).bytes();
        Ok(Self {
            factor,
            width: frame.width,
            reduced: zeroed(bytes)?,
            restored: zeroed(bytes)?,
        })
    }

    /// Restores a frame without row padding. `restore_reduced` is called with the reduced frame and the slice for its
    /// restored pixels.
    ///
    /// # Errors
    /// Those of `restore_reduced`.
    pub fn restore<T, E>(
        &mut self,
        frame: &[u8],
        restored: &mut [u8],
        restore_reduced: impl FnOnce(&[u8], &mut [u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        reduce(frame, self.width, self.factor, &mut self.reduced);
        let result = restore_reduced(&self.reduced, &mut self.restored)?;
        add_change(frame, self.width, self.factor, &self.reduced, &self.restored, restored);
        Ok(result)
    }
}

/// Returns the size of frames of `frame` reduced by `factor`.
pub(super) fn size(frame: FrameSize, factor: usize) -> FrameSize {
    FrameSize {
        width: reduced_side(frame.width, factor),
        height: reduced_side(frame.height, factor),
    }
}

/// Checks that frames of this size can be reduced by `factor`.
///
/// # Errors
/// [`Error::Size`] for a factor that is neither 1 nor one of [`REDUCTIONS`], and for a reduced frame that is too small.
pub(super) fn check(frame: FrameSize, factor: usize) -> Result<(), Error> {
    let refuse = |reason| {
        Err(Error::Size {
            width: frame.width,
            height: frame.height,
            reason,
        })
    };
    if factor != 1 && !REDUCTIONS.contains(&factor) {
        let (least, most) = (REDUCTIONS.start(), REDUCTIONS.end());
        return refuse(format!(
            "they cannot be reduced by {factor}, only by {least} to {most}, or 1 for not at all"
        ));
    }
    let reduced = size(frame, factor);
    if reduced.width.min(reduced.height) < MINIMUM_SIDE {
        return refuse(format!(
            "reduced by {factor}, a side has less than {MINIMUM_SIDE} pixels"
        ));
    }
    Ok(())
}
