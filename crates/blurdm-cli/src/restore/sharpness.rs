// SPDX-License-Identifier: MPL-2.0

//! How blurred a frame is, by itself.
//!
//! An edge of height h that rises over w pixels has w steps of h / w: their squares add up to h² / w. Over a distance of k pixels the
//! same edge is seen k times whole, as long as w is less than k: these squares add up to k h². The second sum is k w times the first,
//! whatever the height of edges and their number, which gives their width. Motion widens edges across its direction only, so that widths
//! are taken in four directions, and the widest counts. They are taken tile by tile, and the middle one of the busier tiles counts, so
//! that neither the date that a camera writes into a corner nor a single car decides.

use gst_video::{VideoFrameRef, prelude::*};

/// Edges up to this width are sharp: there is nothing for the element to do.
///
/// It was chosen by the 108 validation exposures of `models/training`, 640x360 (a test remakes the figures). Of the 18 frames among them
/// in which nothing moved 15 are taken for sharp; the others are soft by their optics or by compression. Of those with motion, wrongly, 5
/// of 18 with 4 px, 2 of 18 with 7 px, and none of 54 with 10, 13 and 16 px. In 94.6% of all pairs of a frame with motion and one without
/// the first has the wider edges; the measure of Crete et al. 2007 ("The blur effect"), which was tried with filters of 5 to 17
/// pixels, tells them right in 88% at best.
pub const SHARP: f32 = 2.2;

/// Side of the tiles in pixels.
const TILE: usize = 80;
/// Distance over which an edge is seen whole. What is wider is told from what is narrower, but not how much it is wider.
const REACH: usize = 4;
/// Widths of more pixels are not told from each other.
const WIDEST: f64 = REACH as f64;
/// One in this many tiles is looked at: those with the most to see.
const BUSY: usize = 3;
/// Mean square of steps over the reach, in grey levels, below which a tile has nothing to see.
const NOTHING: f64 = 9.0;
/// One in this many tiles has no steps but those of noise.
const QUIET: usize = 10;
/// Mean square of steps, in grey levels, beyond which even the quietest tiles have something to see: of noise it is twice the variance.
const MOST_NOISE: f64 = 2.0 * 6.0 * 6.0;
/// Of frames with more rows than this only one row in two, three and so on begins differences.
const ROWS: usize = 720;

/// Rows down and columns to the right, and how far apart, for a distance near one pixel and one near the reach.
struct Direction {
    down: usize,
    right: isize,
    /// Length of one step in pixels.
    step: f64,
    reach: usize,
}

const DIRECTIONS: [Direction; 4] = [
    Direction::straight(0, 1),
    Direction::straight(1, 0),
    Direction::diagonal(1),
    Direction::diagonal(-1),
];

impl Direction {
    const fn straight(down: usize, right: isize) -> Self {
        Self {
            down,
            right,
            step: 1.0,
            reach: REACH,
        }
    }

    const fn diagonal(right: isize) -> Self {
        Self {
            down: 1,
            right,
            step: std::f64::consts::SQRT_2,
            reach: 3,
        }
    }
}

/// The luma of a frame of eight bits: of more, the high bytes.
#[derive(Clone, Copy)]
pub struct Luma<'a> {
    pub bytes: &'a [u8],
    /// Bytes from one row to the next, at least `width`.
    pub stride: usize,
    pub width: usize,
    pub height: usize,
}

impl<'a> Luma<'a> {
    fn row(&self, row: usize) -> &'a [u8] {
        let start = row * self.stride;
        self.bytes.get(start..start + self.width).unwrap_or_default()
    }
}

/// Whether there is nothing to restore in a frame with edges of this width.
pub fn is_sharp(edge_width: f32) -> bool {
    edge_width <= SHARP
}

/// As [`edge_width`], of a frame of any layout that has samples of 8 bits or of up to 16: of RGB by its green, which is most of luma.
pub fn of_frame(frame: &VideoFrameRef<&gst::BufferRef>) -> Option<f32> {
    let info = frame.format_info();
    let component = u32::from(info.is_rgb());
    let (depth, shift) = (
        *info.depth().get(component as usize)?,
        *info.shift().get(component as usize)?,
    );
    let (step, stride) = (
        usize::try_from(frame.comp_pstride(component)).ok()?,
        usize::try_from(frame.comp_stride(component)).ok()?,
    );
    let (width, height) = (
        frame.comp_width(component) as usize,
        frame.comp_height(component) as usize,
    );
    let data = frame.comp_data(component).ok()?;
    if (step, depth) == (1, 8) {
        return edge_width(Luma {
            bytes: data,
            stride,
            width,
            height,
        });
    }
    let high_byte = |sample: &[u8]| match (depth, sample) {
        (8, [byte, ..]) => *byte,
        (9..=16, [low, high, ..]) => (u16::from_le_bytes([*low, *high]) >> shift >> (depth - 8)) as u8,
        _ => 0,
    };
    let rows = data.chunks(stride.max(1)).take(height);
    let bytes: Vec<u8> = rows
        .flat_map(|row| row.chunks(step.max(1)).take(width).map(high_byte))
        .collect();
    edge_width(Luma {
        bytes: &bytes,
        stride: width,
        width,
        height,
    })
}

/// The width of edges in the direction in which they are widest: from about 1 pixel in sharp frames to 4, which stands for all that
/// is wider. `None` where there is nothing to see, as in a dark frame, or less than that.
pub fn edge_width(luma: Luma) -> Option<f32> {
    if luma.width <= 2 * REACH || luma.height <= REACH {
        return None;
    }
    let widths = DIRECTIONS.iter().filter_map(|direction| width_along(direction, luma));
    widths.max_by(f64::total_cmp).map(|width| width as f32)
}

/// Sums of squared steps in a tile: over one step and over the reach, and how many each.
#[derive(Clone, Copy, Default)]
struct Steps {
    near: f64,
    far: f64,
    count: f64,
}

fn width_along(direction: &Direction, luma: Luma) -> Option<f64> {
    let mut tiles = steps(direction, luma);
    let noise = noise(&tiles);
    for tile in &mut tiles {
        tile.near = (tile.near - noise * tile.count).max(0.0);
        tile.far = (tile.far - noise * tile.count).max(0.0);
    }
    tiles.retain(|tile| tile.far > NOTHING * tile.count);
    tiles.sort_unstable_by(|a, b| b.far.total_cmp(&a.far));
    tiles.truncate(tiles.len().div_ceil(BUSY));
    let reach = direction.reach as f64;
    let width = |tile: &Steps| (tile.far / (tile.near * reach) * direction.step).min(WIDEST);
    let mut widths: Vec<f64> = tiles.iter().map(width).collect();
    widths.sort_unstable_by(f64::total_cmp);
    widths.get(widths.len() / 2).copied()
}

/// The mean square of steps that are noise: none of frames too small to have a quiet tile.
fn noise(tiles: &[Steps]) -> f64 {
    let mut means: Vec<f64> = tiles.iter().map(|tile| tile.near / tile.count.max(1.0)).collect();
    means.sort_unstable_by(f64::total_cmp);
    match tiles.len() / QUIET {
        0 => 0.0,
        quiet => means.get(quiet).map_or(0.0, |noise| noise.min(MOST_NOISE)),
    }
}

fn steps(direction: &Direction, luma: Luma) -> Vec<Steps> {
    let (across, down) = ((luma.width / TILE).max(1), (luma.height / TILE).max(1));
    let mut tiles = vec![Steps::default(); across * down];
    // Far enough from all borders for the reach.
    let (first, columns) = (REACH, luma.width - 2 * REACH);
    let rows = luma.height - REACH;
    let shifted = |steps: usize| first.saturating_add_signed(direction.right * steps as isize);
    for row in (0..rows).step_by(luma.height.div_ceil(ROWS)) {
        let here = luma.row(row).get(first..first + columns);
        let line = |steps: usize| luma.row(row + direction.down * steps).get(shifted(steps)..);
        let (Some(here), Some(near), Some(far)) = (here, line(1), line(direction.reach)) else {
            continue;
        };
        let tiles = tiles.iter_mut().skip(row * down / rows * across);
        let side = columns.div_ceil(across);
        for ((tile, here), (near, far)) in tiles
            .zip(here.chunks(side))
            .zip(near.chunks(side).zip(far.chunks(side)))
        {
            tile.near += squares(here, near);
            tile.far += squares(here, far);
            tile.count += here.len() as f64;
        }
    }
    tiles
}

/// The sum over a row of one tile, which fits into 32 bits.
fn squares(a: &[u8], b: &[u8]) -> f64 {
    let square = |(a, b): (&u8, &u8)| {
        let step = i32::from(i16::from(*a) - i16::from(*b));
        (step * step) as u32
    };
    f64::from(a.iter().zip(b).map(square).sum::<u32>())
}

#[cfg(test)]
mod tests;
