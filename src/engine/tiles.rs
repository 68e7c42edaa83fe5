// SPDX-License-Identifier: MPL-2.0

//! A frame as overlapping tiles: where they lie, how they are cut out, and how they are blended into a frame without
//! seams. Arithmetic on RGBx rows without padding; the caller restores the tiles.

use std::{collections::TryReserveError, ops::Range};

use super::{
    buffers::zeroed,
    frame_size::{FrameSize, PIXEL_BYTES},
};

/// The bytes of a pixel that are blended: all but the fourth.
const COLOURS: usize = 3;

/// The sum of a pixel's weights along each axis. Its sum of weighted bytes is thus at most 255 ONE², which fits 32 bits
/// together with the half that rounds it.
const ONE: u32 = 1 << 12;

/// The tiles along one axis.
struct Axis {
    /// The number of pixels of the frame.
    length: usize,
    /// The number of pixels of a tile.
    tile: usize,
    /// The first pixel of each tile.
    origins: Vec<usize>,
    /// For each tile, the weights of its pixels that lie in the frame.
    weights: Vec<Vec<u32>>,
}

impl Axis {
    /// Lays out the least number of evenly spaced tiles that overlap by `overlap` pixels or more. `overlap` is less
    /// than `tile`. An axis that is shorter than a tile has one.
    fn new(length: usize, tile: usize, overlap: usize) -> Self {
        let free = length.saturating_sub(tile);
        let gaps = free.div_ceil(tile - overlap);
        let origins: Vec<usize> = (0..=gaps).map(|number| number * free / gaps.max(1)).collect();
        let weights = weights(&origins, length, tile);
        Self {
            length,
            tile,
            origins,
            weights,
        }
    }

    /// Returns the number of pixels of a tile that lie in the frame.
    fn inside(&self) -> usize {
        self.tile.min(self.length)
    }

    /// Returns the pixels of a tile that no later tile overlaps.
    fn finished_by(&self, number: usize) -> Range<usize> {
        let end = self.origins.get(number + 1).copied().unwrap_or(self.length);
        self.origins[number]..end
    }

    /// Returns the pixel of the frame that is shown at `at`. Beyond the frame it is the one that the frame's edges
    /// reflect, repeatedly if needed.
    fn source(&self, at: usize) -> usize {
        let last = self.length - 1;
        let around = at % (2 * last);
        around.min(2 * last - around)
    }
}

/// Returns the weight of each pixel of each tile, in units of 1/ONE. The weights of a pixel of the frame sum to exactly
/// ONE.
///
/// A tile's share of a pixel is the pixel's distance to the nearer of those edges of the tile that have a neighbour.
/// Where two tiles overlap, the sum of the shares is the same everywhere, and the weights are linear ramps over the
/// whole overlap. Where even spacing makes three tiles overlap, no weight changes faster than over the least overlap,
/// if that is a third of the tile or less.
fn weights(origins: &[usize], length: usize, tile: usize) -> Vec<Vec<u32>> {
    let share = |number: usize, at: usize| {
        let after_start = if number == 0 { tile } else { at - origins[number] + 1 };
        let to_end = if number + 1 == origins.len() {
            tile
        } else {
            origins[number] + tile - at
        };
        after_start.min(to_end)
    };
    let mut weights = vec![Vec::with_capacity(tile.min(length)); origins.len()];
    for at in 0..length {
        let first = origins.partition_point(|origin| origin + tile <= at);
        let end = origins.partition_point(|&origin| origin <= at);
        let total: usize = (first..end).map(|number| share(number, at)).sum();
        // Differences of a rounded running sum add up to ONE exactly.
        let rounded = |sum: usize| ((ONE as usize * sum + total / 2) / total) as u32;
        let mut sum = 0;
        for (number, weights) in (first..end).zip(&mut weights[first..end]) {
            let before = rounded(sum);
            sum += share(number, at);
            weights.push(rounded(sum) - before);
        }
    }
    weights
}

/// Where the tiles of a frame lie. On each axis the first tile begins and the last one ends at the frame's edge. A tile
/// that is larger than the frame is filled with the frame's reflection.
pub(super) struct Tiling {
    across: Axis,
    down: Axis,
}

impl Tiling {
    /// Lays out tiles of the size of the window over a frame whose sides have two pixels or more.
    pub fn new(frame: FrameSize, tile: FrameSize, overlap: usize) -> Self {
        // On an axis with a single tile the overlap has no meaning, and may be larger than the tile.
        let axis = |length: usize, tile: usize| Axis::new(length, tile, overlap.min(tile - 1));
        Self {
            across: axis(frame.width, tile.width),
            down: axis(frame.height, tile.height),
        }
    }

    fn cut_out(&self, frame: &[u8], row: usize, column: usize, tile: &mut [u8]) {
        let (top, left) = (self.down.origins[row], self.across.origins[column]);
        let (stride, inside) = (self.across.length * PIXEL_BYTES, self.across.inside());
        for (y, line) in (top..).zip(tile.chunks_exact_mut(self.across.tile * PIXEL_BYTES)) {
            let source = &frame[self.down.source(y) * stride..][..stride];
            let (copied, reflected) = line.split_at_mut(inside * PIXEL_BYTES);
            copied.copy_from_slice(&source[left * PIXEL_BYTES..][..inside * PIXEL_BYTES]);
            for (x, pixel) in (left + inside..).zip(reflected.chunks_exact_mut(PIXEL_BYTES)) {
                pixel.copy_from_slice(&source[self.across.source(x) * PIXEL_BYTES..][..PIXEL_BYTES]);
            }
        }
    }
}

/// The buffers in which frames of one size are restored tile by tile.
pub(super) struct Tiles {
    tiling: Tiling,
    /// One tile before and after it is restored.
    input: Vec<u8>,
    restored: Vec<u8>,
    /// The sums of the weighted colours, for the rows of the frame that one row of tiles covers.
    sums: Vec<u32>,
}

impl Tiles {
    /// # Errors
    /// They do not fit in memory.
    pub fn new(tiling: Tiling) -> Result<Self, TryReserveError> {
        let tile = tiling.across.tile * tiling.down.tile * PIXEL_BYTES;
        Ok(Self {
            input: zeroed(tile)?,
            restored: zeroed(tile)?,
            sums: zeroed(tiling.down.inside() * tiling.across.length * COLOURS)?,
            tiling,
        })
    }

    /// Returns the number of tiles of a frame.
    pub fn count(&self) -> usize {
        self.tiling.across.origins.len() * self.tiling.down.origins.len()
    }

    /// Restores a frame without row padding. `restore_tile` is called for each tile, row by row, with the number of the
    /// tile from 0 on, the tile, and the slice for its restored pixels. The fourth bytes are the frame's, whatever
    /// those of the tiles are.
    ///
    /// # Errors
    /// The first error of `restore_tile`.
    pub fn restore<E>(
        &mut self,
        frame: &[u8],
        restored: &mut [u8],
        mut restore_tile: impl FnMut(usize, &[u8], &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        // A frame that failed has left its sums.
        self.sums.fill(0);
        let columns = self.tiling.across.origins.len();
        for row in 0..self.tiling.down.origins.len() {
            for column in 0..columns {
                self.tiling.cut_out(frame, row, column, &mut self.input);
                restore_tile(row * columns + column, &self.input, &mut self.restored)?;
                self.add(row, column);
            }
            self.write_finished(row, frame, restored);
        }
        Ok(())
    }

    /// Adds the restored tile to the sums, whose first row is that of its row of tiles.
    fn add(&mut self, row: usize, column: usize) {
        let Tiling { across, down } = &self.tiling;
        let left = across.origins[column] * COLOURS;
        let sums = self.sums.chunks_exact_mut(across.length * COLOURS);
        let lines = self.restored.chunks_exact(across.tile * PIXEL_BYTES);
        for ((sums, line), vertical) in sums.zip(lines).zip(&down.weights[row]) {
            let sums = sums[left..].as_chunks_mut::<COLOURS>().0;
            let pixels = line.as_chunks::<PIXEL_BYTES>().0;
            for ((sums, pixel), horizontal) in sums.iter_mut().zip(pixels).zip(&across.weights[column]) {
                let weight = vertical * horizontal;
                for (sum, &colour) in sums.iter_mut().zip(pixel) {
                    *sum += weight * u32::from(colour);
                }
            }
        }
    }

    /// Writes the rows of the frame that no later tile overlaps, and moves the sums on to the next row of tiles.
    fn write_finished(&mut self, row: usize, frame: &[u8], restored: &mut [u8]) {
        const SQUARE: u32 = ONE * ONE;
        let finished = self.tiling.down.finished_by(row);
        let width = self.tiling.across.length;
        let bytes = finished.start * width * PIXEL_BYTES..finished.end * width * PIXEL_BYTES;
        let pixels = restored[bytes.clone()].as_chunks_mut::<PIXEL_BYTES>().0;
        let sources = frame[bytes].as_chunks::<PIXEL_BYTES>().0;
        let sums = self.sums.as_chunks::<COLOURS>().0;
        for ((to, &[.., fourth]), sums) in pixels.iter_mut().zip(sources).zip(sums) {
            let [red, green, blue] = sums.map(|sum| ((sum + SQUARE / 2) / SQUARE) as u8);
            *to = [red, green, blue, fourth];
        }
        let done = finished.len() * width * COLOURS;
        let left = self.sums.len() - done;
        self.sums.copy_within(done.., 0);
        self.sums[left..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Returns axes shorter than a tile, as long as one, a pixel longer, and much longer, each with every kind of
    /// overlap.
    fn axes() -> impl Iterator<Item = (Axis, usize)> {
        const TILE: usize = 64;
        let lengths = [16, 63, 64, 65, 96, 97, 113, 128, 200, 641, 1920];
        let overlaps = [0, 1, 16, 21, 31, 32, 33, 48, 62, 63];
        lengths
            .into_iter()
            .flat_map(move |length| overlaps.map(|overlap| (Axis::new(length, TILE, overlap), overlap)))
    }

    #[test]
    fn tiles_are_spaced_evenly_from_edge_to_edge_and_overlap_by_what_was_asked_for_or_more() {
        for (axis, overlap) in axes() {
            let Axis {
                length, tile, origins, ..
            } = &axis;
            assert_eq!(origins[0], 0);
            if length <= tile {
                assert_eq!(origins.len(), 1, "{length} pixels need one tile");
                continue;
            }
            assert_eq!(origins[origins.len() - 1] + tile, *length);
            let steps: Vec<usize> = origins.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (least, most) = (steps.iter().min().unwrap(), steps.iter().max().unwrap());
            assert!(*least > 0 && most - least <= 1, "{length}, {overlap}: {steps:?}");
            assert!(tile - most >= overlap, "{length}, {overlap}: {steps:?}");
            // One tile fewer would not cover the axis.
            assert!(
                (origins.len() - 2) * (tile - overlap) + tile < *length,
                "{length}, {overlap}"
            );
        }
    }

    #[test]
    fn the_weights_of_every_pixel_sum_to_one_exactly() {
        for (axis, overlap) in axes() {
            let mut sums = vec![0; axis.length];
            for (origin, weights) in axis.origins.iter().zip(&axis.weights) {
                assert_eq!(weights.len(), axis.inside());
                for (sum, weight) in sums[*origin..].iter_mut().zip(weights) {
                    *sum += weight;
                }
            }
            assert!(
                sums.iter().all(|sum| *sum == ONE),
                "{}, {overlap}: {sums:?}",
                axis.length
            );
        }
    }

    #[test]
    fn weights_are_no_steeper_than_a_ramp_over_the_least_overlap_if_that_is_a_third_of_the_tile_or_less() {
        let narrow = axes().filter(|(axis, overlap)| 3 * overlap <= axis.tile);
        for (axis, overlap) in narrow {
            for weights in &axis.weights {
                // The ramp has overlap + 1 steps, and both of its ends are rounded.
                let steepest = ONE / (overlap as u32 + 1) + 2;
                let largest = weights.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
                assert!(largest <= steepest, "{}, {overlap}: {largest}", axis.length);
            }
        }
    }

    #[test]
    fn a_frame_that_failed_does_not_affect_the_next_one() {
        let (frame, tile) = (
            FrameSize { width: 100, height: 80 },
            FrameSize { width: 64, height: 64 },
        );
        let bytes: Vec<u8> = (0..frame.bytes()).map(|at| (at % 251) as u8).collect();
        let mut tiles = Tiles::new(Tiling::new(frame, tile, 16)).unwrap();
        let mut restored = vec![0; frame.bytes()];
        for failing in 0..4 {
            let mut number = 0;
            let failed = tiles.restore(&bytes, &mut restored, |_, from, to| {
                to.copy_from_slice(from);
                number += 1;
                if number > failing { Err(failing) } else { Ok(()) }
            });
            assert_eq!(failed, Err(failing));
            let whole: Result<(), ()> = tiles.restore(&bytes, &mut restored, |_, from, to| {
                to.copy_from_slice(from);
                Ok(())
            });
            assert!(
                whole == Ok(()) && restored == bytes,
                "after a failure at tile {failing}"
            );
        }
    }
}
