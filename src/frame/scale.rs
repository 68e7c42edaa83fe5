// SPDX-License-Identifier: MPL-2.0

//! Tight RGBx frames reduced by a whole factor, and what was changed in a reduced frame brought back to the full one.

/// Bytes of a pixel of tight RGBx.
const PIXEL_BYTES: usize = 4;

/// The factors that frames can be reduced by, 1 aside.
pub const REDUCTIONS: std::ops::RangeInclusive<usize> = 2..=4;

/// The side of a frame reduced by `factor`: pixels that do not fill a block make one more.
pub fn reduced_side(side: usize, factor: usize) -> usize {
    side.div_ceil(factor)
}

/// Each pixel of `reduced` becomes the mean of a block of `factor` x `factor` pixels of `frame`, which is `width` pixels wide; at the
/// right and at the bottom of those that there are.
///
/// # Panics
/// If the factor is not one of [`REDUCTIONS`].
pub fn reduce(frame: &[u8], width: usize, factor: usize, reduced: &mut [u8]) {
    let arch = pulp::Arch::new();
    match factor {
        2 => arch.dispatch(|| reduce_by::<2>(frame, width, reduced)),
        3 => arch.dispatch(|| reduce_by::<3>(frame, width, reduced)),
        4 => arch.dispatch(|| reduce_by::<4>(frame, width, reduced)),
        _ => unreachable!("frames are reduced by {REDUCTIONS:?}, not by {factor}"),
    }
}

/// Adds to `frame`, which is `width` pixels wide, what lies between `before` ([`reduce`]'s result) and `after`, enlarged bilinearly,
/// and writes the sum to `out`. The fourth byte is the frame's; where nothing changed, so are the colours.
///
/// # Panics
/// As [`reduce`].
pub fn add_change(frame: &[u8], width: usize, factor: usize, before: &[u8], after: &[u8], out: &mut [u8]) {
    let arch = pulp::Arch::new();
    match factor {
        2 => arch.dispatch(|| add_change_by::<2>(frame, width, before, after, out)),
        3 => arch.dispatch(|| add_change_by::<3>(frame, width, before, after, out)),
        4 => arch.dispatch(|| add_change_by::<4>(frame, width, before, after, out)),
        _ => unreachable!("frames are reduced by {REDUCTIONS:?}, not by {factor}"),
    }
}

#[inline(always)]
fn reduce_by<const F: usize>(frame: &[u8], width: usize, reduced: &mut [u8]) {
    let (stride, reduced_stride) = (width * PIXEL_BYTES, reduced_side(width, F) * PIXEL_BYTES);
    for (rows, target) in frame.chunks(F * stride).zip(reduced.chunks_exact_mut(reduced_stride)) {
        let height = rows.len() / stride;
        let whole = if height == F { width / F } else { 0 };
        for (block, to) in target.as_chunks_mut::<PIXEL_BYTES>().0.iter_mut().enumerate() {
            let first = block * F;
            let columns = F.min(width - first);
            *to = if block < whole {
                mean::<F>(rows, stride, first)
            } else {
                mean_of_some(rows, stride, first, columns, height)
            };
        }
    }
}

#[inline(always)]
fn mean<const F: usize>(rows: &[u8], stride: usize, first: usize) -> [u8; PIXEL_BYTES] {
    let mut sums = [0u16; PIXEL_BYTES];
    for row in 0..F {
        let line = &rows[row * stride + first * PIXEL_BYTES..][..F * PIXEL_BYTES];
        for pixel in line.as_chunks::<PIXEL_BYTES>().0 {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += u16::from(value);
            }
        }
    }
    let count = (F * F) as u16;
    sums.map(|sum| ((sum + count / 2) / count) as u8)
}

/// Of a block that the frame's edge cuts off.
fn mean_of_some(rows: &[u8], stride: usize, first: usize, columns: usize, height: usize) -> [u8; PIXEL_BYTES] {
    let mut sums = [0u16; PIXEL_BYTES];
    for line in rows.chunks_exact(stride) {
        for pixel in line[first * PIXEL_BYTES..]
            .as_chunks::<PIXEL_BYTES>()
            .0
            .iter()
            .take(columns)
        {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += u16::from(value);
            }
        }
    }
    let count = (columns * height) as u16;
    sums.map(|sum| ((sum + count / 2) / count) as u8)
}

/// Where position `at` of a side lies in the side reduced by F: between which two of its `count` pixels, and how near the second,
/// in units of 1/(2 F).
#[inline(always)]
fn between<const F: usize>(at: usize, count: usize) -> (usize, usize, i32) {
    // The middles of the F pixels of a block lie at (2 j + 1 - F) / (2 F) from the block's own.
    let (block, offset) = (at / F, 2 * (at % F) as i32 + 1 - F as i32);
    if offset < 0 {
        (block.saturating_sub(1), block, 2 * F as i32 + offset)
    } else {
        (block, (block + 1).min(count - 1), offset)
    }
}

#[inline(always)]
fn add_change_by<const F: usize>(frame: &[u8], width: usize, before: &[u8], after: &[u8], out: &mut [u8]) {
    /// Pixels of the full width that are computed at once: their changes stay in the nearest cache.
    const BLOCK: usize = 64;
    let (stride, reduced_width) = (width * PIXEL_BYTES, reduced_side(width, F));
    let reduced_stride = reduced_width * PIXEL_BYTES;
    let reduced_height = before.len() / reduced_stride;
    let lines = frame.chunks_exact(stride).zip(out.chunks_exact_mut(stride));
    for (y, (line, target)) in lines.enumerate() {
        let (above, below, near) = between::<F>(y, reduced_height);
        let row = |frame: &'_ [u8], number: usize| -> std::ops::Range<usize> {
            let start = number * reduced_stride;
            start..frame.len().min(start + reduced_stride)
        };
        let upper = (&before[row(before, above)], &after[row(after, above)]);
        let lower = (&before[row(before, below)], &after[row(after, below)]);
        for first in (0..reduced_width).step_by(BLOCK) {
            // One pixel more on either side, for what lies between blocks.
            let mut changes = [[0i16; PIXEL_BYTES]; BLOCK + 2];
            for (at, change) in changes.iter_mut().enumerate() {
                let pixel = (first + at).saturating_sub(1).min(reduced_width - 1) * PIXEL_BYTES;
                for channel in 0..PIXEL_BYTES - 1 {
                    let of = |(before, after): (&[u8], &[u8])| {
                        i16::from(after[pixel + channel]) - i16::from(before[pixel + channel])
                    };
                    change[channel] = (2 * F as i16 - near as i16) * of(upper) + near as i16 * of(lower);
                }
            }
            let range = first * F * PIXEL_BYTES..((first + BLOCK) * F).min(width) * PIXEL_BYTES;
            add_blocks::<F>(&changes, &line[range.clone()], &mut target[range]);
        }
    }
}

/// `changes`, weighted by 2 F: those of the blocks that the lines begin with, after that of the block before them.
#[inline(always)]
fn add_blocks<const F: usize>(changes: &[[i16; PIXEL_BYTES]], line: &[u8], target: &mut [u8]) {
    let blocks = line.chunks(F * PIXEL_BYTES).zip(target.chunks_mut(F * PIXEL_BYTES));
    for (number, (from, to)) in blocks.enumerate() {
        let pixels = from
            .as_chunks::<PIXEL_BYTES>()
            .0
            .iter()
            .zip(to.as_chunks_mut::<PIXEL_BYTES>().0);
        for (at, (from, to)) in pixels.enumerate() {
            let (left, right, near) = between::<F>(F + at, 3);
            let (left, right) = (changes[number + left], changes[number + right]);
            let whole = 4 * (F * F) as i32;
            for channel in 0..PIXEL_BYTES - 1 {
                let change = (2 * F as i32 - near) * i32::from(left[channel]) + near * i32::from(right[channel]);
                let rounded = (change + whole / 2).div_euclid(whole);
                to[channel] = (i32::from(from[channel]) + rounded).clamp(0, 255) as u8;
            }
            to[PIXEL_BYTES - 1] = from[PIXEL_BYTES - 1];
        }
    }
}
