// SPDX-License-Identifier: MPL-2.0

//! The size of a frame tensor, and the sizes that are possible.

use std::ops::RangeInclusive;

use super::error::Error;

/// Bytes of a pixel of a frame tensor: red, green, blue and a fourth byte that is copied through.
pub const PIXEL_BYTES: usize = 4;

/// The smallest side of a frame, in pixels. Below it the reflected padding inside the graphs has nothing to reflect.
pub const MINIMUM_SIDE: usize = 16;

/// The largest side of a frame, in pixels. Beyond it a mistake in the caps is likelier than a camera, and costs
/// gigabytes.
pub const MAXIMUM_SIDE: usize = 16384;

/// The sides that a tile may have, in pixels. A smaller tile is little more than its overlaps, a larger one saves no
/// memory.
pub const TILE_SIDES: RangeInclusive<usize> = 64..=4096;

/// Width and height of the frames, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameSize {
    pub width: usize,
    pub height: usize,
}

impl FrameSize {
    /// # Errors
    /// [`Error::Size`] when a side is outside [`MINIMUM_SIDE`] to [`MAXIMUM_SIDE`].
    pub(super) fn check(self) -> Result<(), Error> {
        let sides = MINIMUM_SIDE..=MAXIMUM_SIDE;
        if sides.contains(&self.width) && sides.contains(&self.height) {
            return Ok(());
        }
        Err(Error::Size {
            width: self.width,
            height: self.height,
            reason: format!("a side must have {MINIMUM_SIDE} to {MAXIMUM_SIDE} pixels"),
        })
    }

    /// Returns the number of bytes of a frame without row padding.
    pub fn bytes(self) -> usize {
        self.width * self.height * PIXEL_BYTES
    }

    /// Returns the number of bytes of a row without padding.
    #[cfg(feature = "cuda-memory")]
    pub(super) fn row(self) -> usize {
        self.width * PIXEL_BYTES
    }

    /// Returns the shape of the frame's tensor, [1, H, W, 4].
    pub(super) fn shape(self) -> [i64; 4] {
        [1, self.height as i64, self.width as i64, PIXEL_BYTES as i64]
    }
}
