// SPDX-License-Identifier: MPL-2.0

//! Reduces RGBx frames by an integer factor, and adds the change of a reduced frame to the full one. Rows have no
//! padding.

use pulp::NullaryFnOnce;

/// Bytes of a pixel.
const PIXEL_BYTES: usize = 4;

/// The factors that frames can be reduced by, other than 1.
pub const REDUCTIONS: std::ops::RangeInclusive<usize> = 2..=4;

/// Returns the side of a frame reduced by `factor`. Pixels that do not fill a block make one more pixel.
pub fn reduced_side(side: usize, factor: usize) -> usize {
    side.div_ceil(factor)
}

/// Reduces `frame`, which is `width` pixels wide. Each pixel of `reduced` becomes the mean of a block of `factor` x
/// `factor` pixels, at the right and bottom edges of those that there are.
///
/// # Panics
/// If the factor is not one of [`REDUCTIONS`].
pub fn reduce(frame: &[u8], width: usize, factor: usize, reduced: &mut [u8]) {
    let arch = pulp::Arch::new();
    match factor {
        2 => arch.dispatch(Reduce::<2, 8>(frame, width, reduced)),
        3 => arch.dispatch(Reduce::<3, 12>(frame, width, reduced)),
        4 => arch.dispatch(Reduce::<4, 16>(frame, width, reduced)),
        _ => unreachable!("frames are reduced by {REDUCTIONS:?}, not by {factor}"),
    }
}

/// Adds the difference between `after` and `before`, the result of [`reduce`], to `frame`, which is `width` pixels
/// wide, and writes the sum to `out`. The difference is enlarged bilinearly. The fourth byte is the frame's, and where
/// nothing changed, so are the colours.
///
/// # Panics
/// As [`reduce`].
pub fn add_change(frame: &[u8], width: usize, factor: usize, before: &[u8], after: &[u8], out: &mut [u8]) {
    let (arch, frames) = (pulp::Arch::new(), [frame, before, after]);
    match factor {
        2 => arch.dispatch(AddChange::<2, 8>(frames, width, out)),
        3 => arch.dispatch(AddChange::<3, 12>(frames, width, out)),
        4 => arch.dispatch(AddChange::<4, 16>(frames, width, out)),
        _ => unreachable!("frames are reduced by {REDUCTIONS:?}, not by {factor}"),
    }
}

// Below, F is the factor and N the number of bytes of a row of a block, 4 F.

/// A type instead of a closure is dispatched: a closure may not be inlined into the caller that is compiled with vector
/// instructions.
struct Reduce<'a, const F: usize, const N: usize>(&'a [u8], usize, &'a mut [u8]);

impl<const F: usize, const N: usize> NullaryFnOnce for Reduce<'_, F, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        reduce_by::<F, N>(self.0, self.1, self.2);
    }
}

/// Holds frame, before and after.
struct AddChange<'a, const F: usize, const N: usize>([&'a [u8]; 3], usize, &'a mut [u8]);

impl<const F: usize, const N: usize> NullaryFnOnce for AddChange<'_, F, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [frame, before, after] = self.0;
        add_change_by::<F, N>(frame, self.1, before, after, self.2);
    }
}

#[inline(always)]
fn reduce_by<const F: usize, const N: usize>(frame: &[u8], width: usize, reduced: &mut [u8]) {
    let (stride, reduced_stride) = (width * PIXEL_BYTES, reduced_side(width, F) * PIXEL_BYTES);
    for (rows, target) in frame.chunks(F * stride).zip(reduced.chunks_exact_mut(reduced_stride)) {
        let (targets, _) = target.as_chunks_mut::<PIXEL_BYTES>();
        let whole = if rows.len() == F * stride { width / F } else { 0 };
        let (blocks, cut_off) = targets.split_at_mut(whole);
        reduce_whole::<F, N>(rows, stride, blocks);
        for (number, to) in cut_off.iter_mut().enumerate() {
            *to = mean_of_some(rows, stride, (whole + number) * F, F.min(width - (whole + number) * F));
        }
    }
}

/// Reduces the complete blocks, from the left.
#[inline(always)]
fn reduce_whole<const F: usize, const N: usize>(rows: &[u8], stride: usize, blocks: &mut [[u8; PIXEL_BYTES]]) {
    let count = (F * F) as u16;
    for (number, to) in blocks.iter_mut().enumerate() {
        let mut columns = [0u16; N];
        for row in 0..F {
            let line = &rows[row * stride + number * N..][..N];
            columns
                .iter_mut()
                .zip(line)
                .for_each(|(sum, &value)| *sum += u16::from(value));
        }
        let mut sums = [count / 2; PIXEL_BYTES];
        for pixel in columns.as_chunks::<PIXEL_BYTES>().0 {
            sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
        *to = sums.map(|sum| (sum / count) as u8);
    }
}

/// Returns the mean of a block that the frame's edge cuts off.
fn mean_of_some(rows: &[u8], stride: usize, first: usize, columns: usize) -> [u8; PIXEL_BYTES] {
    let mut sums = [0u16; PIXEL_BYTES];
    for line in rows.chunks_exact(stride) {
        for pixel in line[first * PIXEL_BYTES..]
            .as_chunks::<PIXEL_BYTES>()
            .0
            .iter()
            .take(columns)
        {
            sums.iter_mut()
                .zip(pixel)
                .for_each(|(sum, &value)| *sum += u16::from(value));
        }
    }
    let count = (columns * rows.len() / stride) as u16;
    sums.map(|sum| ((sum + count / 2) / count) as u8)
}

/// Returns where the pixel `at` of a side lies in the side reduced by F, which has `count` pixels: the two pixels that
/// it lies between, and the weight of the second one in units of 1/(2 F).
#[inline(always)]
const fn between<const F: usize>(at: usize, count: usize) -> (usize, usize, i16) {
    // The centres of the F pixels of a block lie at (2 j + 1 - F) / (2 F) from the centre of the block.
    let (block, offset) = (at / F, 2 * (at % F) as i16 + 1 - F as i16);
    let (last, next) = (block.saturating_sub(1), block + 1);
    if offset < 0 {
        (last, block, 2 * F as i16 + offset)
    } else {
        (block, if next < count { next } else { block }, offset)
    }
}

/// The number of reduced pixels that are processed at once, so that their changes stay in registers and the nearest
/// cache.
const BLOCK: usize = 64;

/// The changes of a row of reduced pixels, weighted by 2 F: the pixel before the block, those of the block, and the
/// pixel after it. At most 8 x 255.
type Changes = [[i16; PIXEL_BYTES]; BLOCK + 2];

#[inline(always)]
fn add_change_by<const F: usize, const N: usize>(
    frame: &[u8],
    width: usize,
    before: &[u8],
    after: &[u8],
    out: &mut [u8],
) {
    let (stride, reduced_stride) = (width * PIXEL_BYTES, reduced_side(width, F) * PIXEL_BYTES);
    let reduced_height = before.len() / reduced_stride;
    let row = |number: usize| {
        let bytes = number * reduced_stride..(number + 1) * reduced_stride;
        (
            before[bytes.clone()].as_chunks::<PIXEL_BYTES>().0,
            after[bytes].as_chunks::<PIXEL_BYTES>().0,
        )
    };
    let lines = frame.chunks_exact(stride).zip(out.chunks_exact_mut(stride));
    for (y, (line, target)) in lines.enumerate() {
        let (above, below, near) = between::<F>(y, reduced_height);
        let rows = [(row(above), 2 * F as i16 - near), (row(below), near)];
        let blocks = line.chunks(BLOCK * N).zip(target.chunks_mut(BLOCK * N));
        for (number, (from, to)) in blocks.enumerate() {
            let mut changes: Changes = [[0; PIXEL_BYTES]; BLOCK + 2];
            for ((before, after), weight) in rows {
                add_row(before, after, number * BLOCK, weight, &mut changes);
            }
            // The fourth byte is the frame's.
            changes.iter_mut().for_each(|change| change[PIXEL_BYTES - 1] = 0);
            add_blocks::<F, N>(&changes, from, to);
        }
    }
}

/// Adds the changes of two rows of reduced pixels, from pixel `first` on. Beyond the ends the last pixels are repeated.
#[inline(always)]
fn add_row(
    before: &[[u8; PIXEL_BYTES]],
    after: &[[u8; PIXEL_BYTES]],
    first: usize,
    weight: i16,
    changes: &mut Changes,
) {
    let add = |to: &mut [i16; PIXEL_BYTES], at: usize| {
        for channel in 0..PIXEL_BYTES {
            to[channel] += weight * (i16::from(after[at][channel]) - i16::from(before[at][channel]));
        }
    };
    let end = before.len().min(first + BLOCK);
    add(&mut changes[0], first.saturating_sub(1));
    add(&mut changes[1 + end - first], end.min(before.len() - 1));
    let pixels = before[first..end].iter().zip(&after[first..end]);
    for (to, (before, after)) in changes[1..].iter_mut().zip(pixels) {
        for channel in 0..PIXEL_BYTES {
            to[channel] += weight * (i16::from(after[channel]) - i16::from(before[channel]));
        }
    }
}

#[inline(always)]
fn add_blocks<const F: usize, const N: usize>(changes: &Changes, line: &[u8], target: &mut [u8]) {
    let (from, from_rest) = line.as_chunks::<N>();
    let (to, to_rest) = target.as_chunks_mut::<N>();
    let mut around = changes.windows(3).map(|three| [three[0], three[1], three[2]]);
    for ((from, to), around) in from.iter().zip(to).zip(&mut around) {
        *to = changed::<F, N>(from, &around);
    }
    if let Some(around) = around.next().filter(|_| !from_rest.is_empty()) {
        let mut last = [0; N];
        last[..from_rest.len()].copy_from_slice(from_rest);
        to_rest.copy_from_slice(&changed::<F, N>(&last, &around)[..from_rest.len()]);
    }
}

/// Returns a row of a block, given the changes of the block before it, of the block itself and of the next one.
#[inline(always)]
fn changed<const F: usize, const N: usize>(from: &[u8; N], around: &[[i16; PIXEL_BYTES]; 3]) -> [u8; N] {
    let whole = 4 * (F * F) as i16;
    let mut to = [0; N];
    for at in 0..F {
        let (left, right, near) = between::<F>(F + at, 3);
        let places = at * PIXEL_BYTES..(at + 1) * PIXEL_BYTES;
        let bytes = from[places.clone()].iter().zip(&mut to[places]);
        for ((from, to), (left, right)) in bytes.zip(around[left].iter().zip(&around[right])) {
            // At most 4 F^2 x 255, which fits i16 for every factor.
            let change = (2 * F as i16 - near) * left + near * right;
            let rounded = (change + whole / 2).div_euclid(whole);
            *to = (i16::from(*from) + rounded).clamp(0, 255) as u8;
        }
    }
    to
}
