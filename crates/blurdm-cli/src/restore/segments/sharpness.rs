// SPDX-License-Identifier: MPL-2.0

//! How blurred a frame is, measured by the width of its edges without a reference.
//!
//! An edge of height h that rises over w pixels has w differences of h / w between neighbouring pixels. Their squares add up to h² / w.
//! Between pixels at a distance of k the same edge has k differences of h, as long as w is less than k, and their squares add up to k h².
//! The second sum is k w times the first, whatever the height and number of edges, which gives their width. Motion widens edges across its
//! direction only, so the width is measured in four directions and the greatest counts. It is measured per tile, and the median of the
//! tiles with most detail counts, so that neither a date in the corner nor a single car decides.

use gst_video::{VideoFrameRef, prelude::*};

/// The greatest width of edges, in pixels, with which a frame counts as sharp.
///
/// It was chosen on the 108 validation exposures of `models/training`, 640x360; a test reproduces the figures. 15 of the 18 frames without
/// motion count as sharp; the other three are soft because of their optics or of compression. Of the frames with motion 5 of 18 with 4 px,
/// 2 of 18 with 7 px, and none of 54 with 10, 13 and 16 px wrongly count as sharp. In 94.6% of all pairs of a frame with motion and one without
/// the first has the wider edges. The measure of Crete et al. 2007 ("The blur effect"), with filters of 5 to 17 pixels, orders at most 88% of them
/// correctly.
pub const SHARP: f32 = 2.2;

/// Side of a tile in pixels.
const TILE: usize = 80;
/// The greater distance, in pixels. Edges that are wider than this are not distinguished.
const REACH: usize = 4;
/// The greatest width that is measured.
const MAX_WIDTH: f64 = REACH as f64;
/// One in this many tiles counts: those with the most detail.
const DETAILED: usize = 3;
/// The least mean square of differences over the reach, in grey levels, of a tile with edges.
const MIN_DETAIL: f64 = 9.0;
/// One in this many tiles is assumed to have only noise.
const FLAT: usize = 10;
/// The greatest mean square of differences, in grey levels, that is taken for noise. It is twice the variance of the noise.
const MAX_NOISE: f64 = 2.0 * 6.0 * 6.0;
/// Frames with more rows than this are measured at every second row, third row and so on.
const MAX_ROWS: usize = 720;

/// A direction in which differences are taken: rows down and columns to the right per step.
struct Direction {
    down: usize,
    right: isize,
    /// Length of one step in pixels.
    step: f64,
    /// Number of steps of the greater distance.
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

/// The luma of a frame in 8 bits; of deeper formats the most significant ones.
#[derive(Clone, Copy)]
struct Luma<'a> {
    bytes: &'a [u8],
    /// Bytes from one row to the next, at least `width`.
    stride: usize,
    width: usize,
    height: usize,
}

impl<'a> Luma<'a> {
    fn row(&self, row: usize) -> &'a [u8] {
        let start = row * self.stride;
        self.bytes.get(start..start + self.width).unwrap_or_default()
    }
}

/// Whether a frame with edges of this width is sharp.
pub fn is_sharp(edge_width: f32) -> bool {
    edge_width <= SHARP
}

/// Returns the width of the edges of a frame in pixels. `None` where it has none.
pub fn edge_width_of_frame(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<f32> {
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
    of_frame(&frame)
}

/// As [`edge_width`], for a frame of any format with samples of 8 to 16 bits. Of RGB formats the green component is used, which is most of
/// the luma.
fn of_frame(frame: &VideoFrameRef<&gst::BufferRef>) -> Option<f32> {
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

/// Returns the width of edges in the direction in which they are widest: from about 1 pixel in sharp frames to 4, which stands for all
/// wider ones. `None` where there are no edges, as in a dark frame, or where the frame is too small.
fn edge_width(luma: Luma) -> Option<f32> {
    if luma.width <= 2 * REACH || luma.height <= REACH {
        return None;
    }
    let widths = DIRECTIONS.iter().filter_map(|direction| width_along(direction, luma));
    widths.max_by(f64::total_cmp).map(|width| width as f32)
}

/// Sums of squared differences in a tile, over one step and over the reach, and their number.
#[derive(Clone, Copy, Default)]
struct Differences {
    near: f64,
    far: f64,
    count: f64,
}

fn width_along(direction: &Direction, luma: Luma) -> Option<f64> {
    let mut tiles = differences(direction, luma);
    let noise = noise(&tiles);
    for tile in &mut tiles {
        tile.near = (tile.near - noise * tile.count).max(0.0);
        tile.far = (tile.far - noise * tile.count).max(0.0);
    }
    tiles.retain(|tile| tile.far > MIN_DETAIL * tile.count);
    tiles.sort_unstable_by(|a, b| b.far.total_cmp(&a.far));
    tiles.truncate(tiles.len().div_ceil(DETAILED));
    let reach = direction.reach as f64;
    let width = |tile: &Differences| (tile.far / (tile.near * reach) * direction.step).min(MAX_WIDTH);
    let mut widths: Vec<f64> = tiles.iter().map(width).collect();
    widths.sort_unstable_by(f64::total_cmp);
    widths.get(widths.len() / 2).copied()
}

/// Returns the mean square of differences that is noise. Zero for frames with too few tiles to estimate it.
fn noise(tiles: &[Differences]) -> f64 {
    let mut means: Vec<f64> = tiles.iter().map(|tile| tile.near / tile.count.max(1.0)).collect();
    means.sort_unstable_by(f64::total_cmp);
    match tiles.len() / FLAT {
        0 => 0.0,
        flat => means.get(flat).map_or(0.0, |noise| noise.min(MAX_NOISE)),
    }
}

fn differences(direction: &Direction, luma: Luma) -> Vec<Differences> {
    let (across, down) = ((luma.width / TILE).max(1), (luma.height / TILE).max(1));
    let mut tiles = vec![Differences::default(); across * down];
    // The columns with both neighbours inside of the frame.
    let (first, columns) = (REACH, luma.width - 2 * REACH);
    let rows = luma.height - REACH;
    let shifted = |steps: usize| first.saturating_add_signed(direction.right * steps as isize);
    for row in (0..rows).step_by(luma.height.div_ceil(MAX_ROWS)) {
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

/// Returns the sum of squared differences over a row of one tile, which fits into 32 bits.
fn squares(a: &[u8], b: &[u8]) -> f64 {
    let square = |(a, b): (&u8, &u8)| {
        let difference = i32::from(i16::from(*a) - i16::from(*b));
        (difference * difference) as u32
    };
    f64::from(a.iter().zip(b).map(square).sum::<u32>())
}

#[cfg(test)]
mod tests;
