// SPDX-License-Identifier: MPL-2.0

//! YCbCr and grey frames: to RGBx for the graphs in one pass, and the graphs' changes back in another.
//!
//! On the way back the change of the colours is added to the original values. Values that did not change keep all their
//! bits, ten where there are ten, and chroma is neither smoothed nor shifted by the conversion to RGB and back.

use std::marker::PhantomData;

use pulp::NullaryFnOnce;

use super::{
    coding::{FRACTION, FromChange, HALF, ToRgb},
    finish::Finish,
    planes::{Chroma, Depth, YuvView, YuvViewMut},
};

/// How values are read and written.
trait Code {
    const BYTES: usize;
    const TOP: i32;
    fn get(bytes: &[u8]) -> i32;
    fn put(value: i32, bytes: &mut [u8]);
}

struct Eight;
struct Ten;
struct TenHigh;
struct Twelve;

impl Code for Eight {
    const BYTES: usize = 1;
    const TOP: i32 = 255;

    #[inline(always)]
    fn get(bytes: &[u8]) -> i32 {
        i32::from(bytes[0])
    }

    #[inline(always)]
    fn put(value: i32, bytes: &mut [u8]) {
        bytes[0] = value as u8;
    }
}

impl Code for Ten {
    const BYTES: usize = 2;
    const TOP: i32 = 1023;

    #[inline(always)]
    fn get(bytes: &[u8]) -> i32 {
        i32::from(u16::from_le_bytes([bytes[0], bytes[1]]) & 0x3ff)
    }

    #[inline(always)]
    fn put(value: i32, bytes: &mut [u8]) {
        bytes.copy_from_slice(&(value as u16).to_le_bytes());
    }
}

impl Code for TenHigh {
    const BYTES: usize = 2;
    const TOP: i32 = 1023;

    #[inline(always)]
    fn get(bytes: &[u8]) -> i32 {
        i32::from(u16::from_le_bytes([bytes[0], bytes[1]]) >> 6)
    }

    #[inline(always)]
    fn put(value: i32, bytes: &mut [u8]) {
        bytes.copy_from_slice(&((value as u16) << 6).to_le_bytes());
    }
}

impl Code for Twelve {
    const BYTES: usize = 2;
    const TOP: i32 = 4095;

    #[inline(always)]
    fn get(bytes: &[u8]) -> i32 {
        i32::from(u16::from_le_bytes([bytes[0], bytes[1]]) & 0xfff)
    }

    #[inline(always)]
    fn put(value: i32, bytes: &mut [u8]) {
        bytes.copy_from_slice(&(value as u16).to_le_bytes());
    }
}

/// The number of pixels that are converted at once, so that intermediate values stay in registers and the nearest
/// cache.
const BLOCK: usize = 64;
const PAIRS: usize = BLOCK / 2;

/// Copies a frame into RGBx without row padding, with 255 in the fourth byte. `rgbx` has width x height x 4 bytes.
/// Chroma is repeated for its pixels.
pub fn yuv_to_rgbx(frame: &YuvView<'_>, rgbx: &mut [u8]) {
    let arch = pulp::Arch::new();
    match frame.layout.depth {
        Depth::Eight => arch.dispatch(ToRgbx(frame, rgbx, PhantomData::<Eight>)),
        Depth::Ten => arch.dispatch(ToRgbx(frame, rgbx, PhantomData::<Ten>)),
        Depth::TenHigh => arch.dispatch(ToRgbx(frame, rgbx, PhantomData::<TenHigh>)),
        Depth::Twelve => arch.dispatch(ToRgbx(frame, rgbx, PhantomData::<Twelve>)),
    }
}

/// A type instead of a closure is dispatched: a closure may not be inlined into the caller that is compiled with vector
/// instructions.
struct ToRgbx<'a, C>(&'a YuvView<'a>, &'a mut [u8], PhantomData<C>);

impl<C: Code> NullaryFnOnce for ToRgbx<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match self.0.layout.chroma {
            Chroma::PlanarFull => to_rgbx_of_full::<C>(self.0, self.1),
            _ => to_rgbx::<C>(self.0, self.1),
        }
    }
}

#[inline(always)]
fn to_rgbx<C: Code>(frame: &YuvView<'_>, rgbx: &mut [u8]) {
    let to_rgb = ToRgb::new(frame.coding, frame.layout.bits());
    let (_, rows_of_chroma) = frame.layout.subsampling();
    for (row, target) in rgbx.chunks_exact_mut(frame.width * 4).enumerate() {
        let luma = frame.row(0, row).chunks(BLOCK * C::BYTES);
        for (block, (luma, target)) in luma.zip(target.chunks_mut(BLOCK * 4)).enumerate() {
            let mut chroma = [[to_rgb.neutral; PAIRS]; 2];
            read_chroma::<C>(frame, row / rows_of_chroma, block * PAIRS, &mut chroma);
            let [red, green, blue] = added_by_chroma(&chroma, &to_rgb);
            let mut pixels = [[0u8; 4]; BLOCK];
            let mut lumas = [to_rgb.black; BLOCK];
            for (value, bytes) in lumas.iter_mut().zip(luma.chunks_exact(C::BYTES)) {
                *value = C::get(bytes);
            }
            for (pair, pixels) in pixels.chunks_exact_mut(2).enumerate() {
                for (pixel, luma) in pixels.iter_mut().zip(&lumas[2 * pair..]) {
                    let grey = (luma - to_rgb.black) * to_rgb.luma + HALF;
                    let [r, g, b] = [red[pair], green[pair], blue[pair]]
                        .map(|added| ((grey + added) >> FRACTION).clamp(0, 255) as u32);
                    *pixel = (r | g << 8 | b << 16 | 255 << 24).to_le_bytes();
                }
            }
            target.copy_from_slice(&pixels.as_flattened()[..target.len()]);
        }
    }
}

/// As [`to_rgbx`], for frames with a colour difference for each pixel.
#[inline(always)]
fn to_rgbx_of_full<C: Code>(frame: &YuvView<'_>, rgbx: &mut [u8]) {
    let to_rgb = ToRgb::new(frame.coding, frame.layout.bits());
    for (row, target) in rgbx.chunks_exact_mut(frame.width * 4).enumerate() {
        let [luma, cb, cr] = [0, 1, 2].map(|plane| frame.row(plane, row).chunks_exact(C::BYTES));
        for (pixel, ((luma, cb), cr)) in target.as_chunks_mut::<4>().0.iter_mut().zip(luma.zip(cb).zip(cr)) {
            let grey = (C::get(luma) - to_rgb.black) * to_rgb.luma + HALF;
            let (cb, cr) = (C::get(cb) - to_rgb.neutral, C::get(cr) - to_rgb.neutral);
            let added = [
                to_rgb.red * cr,
                to_rgb.green_of_cb * cb + to_rgb.green_of_cr * cr,
                to_rgb.blue * cb,
            ];
            let [r, g, b] = added.map(|added| ((grey + added) >> FRACTION).clamp(0, 255) as u8);
            *pixel = [r, g, b, 255];
        }
    }
}

#[inline(always)]
fn added_by_chroma(chroma: &[[i32; PAIRS]; 2], to_rgb: &ToRgb) -> [[i32; PAIRS]; 3] {
    let mut added = [[0; PAIRS]; 3];
    for pair in 0..PAIRS {
        let (cb, cr) = (chroma[0][pair] - to_rgb.neutral, chroma[1][pair] - to_rgb.neutral);
        added[0][pair] = to_rgb.red * cr;
        added[1][pair] = to_rgb.green_of_cb * cb + to_rgb.green_of_cr * cr;
        added[2][pair] = to_rgb.blue * cb;
    }
    added
}

/// Reads Cb and Cr from chroma row `row` and pair `first` on. Values beyond the frame are left as they are.
#[inline(always)]
fn read_chroma<C: Code>(frame: &YuvView<'_>, row: usize, first: usize, chroma: &mut [[i32; PAIRS]; 2]) {
    match frame.layout.chroma {
        Chroma::None => {}
        Chroma::Planar | Chroma::PlanarHalved | Chroma::PlanarFull => {
            for (plane, chroma_values) in chroma.iter_mut().enumerate() {
                let values = frame.row(1 + plane, row)[first * C::BYTES..].chunks_exact(C::BYTES);
                chroma_values
                    .iter_mut()
                    .zip(values)
                    .for_each(|(value, bytes)| *value = C::get(bytes));
            }
        }
        Chroma::Interleaved => {
            let pairs = frame.row(1, row)[2 * first * C::BYTES..].chunks_exact(2 * C::BYTES);
            for (i, pair) in pairs.take(PAIRS).enumerate() {
                chroma[0][i] = C::get(&pair[..C::BYTES]);
                chroma[1][i] = C::get(&pair[C::BYTES..]);
            }
        }
    }
}

/// Writes the original with the graphs' changes into `out`, which has its layout and size. `rgbx` is the result of
/// [`yuv_to_rgbx`] for the original, and `restored` the result of the graphs. The strength scales the change; left of
/// the split is the original.
pub fn write_restored_yuv(
    original: &YuvView<'_>,
    rgbx: &[u8],
    restored: &[u8],
    finish: Finish,
    out: &mut YuvViewMut<'_>,
) {
    let arch = pulp::Arch::new();
    let from_change = FromChange::new(original.coding, original.layout.bits(), finish.strength);
    let frames = Frames {
        original,
        before: rgbx,
        after: restored,
    };
    match original.layout.depth {
        Depth::Eight => arch.dispatch(WriteChanges(frames, &from_change, out, PhantomData::<Eight>)),
        Depth::Ten => arch.dispatch(WriteChanges(frames, &from_change, out, PhantomData::<Ten>)),
        Depth::TenHigh => arch.dispatch(WriteChanges(frames, &from_change, out, PhantomData::<TenHigh>)),
        Depth::Twelve => arch.dispatch(WriteChanges(frames, &from_change, out, PhantomData::<Twelve>)),
    }
    if let Some(split) = finish.split {
        match original.layout.depth {
            Depth::Eight => write_split::<Eight>(original, split.columns(original.width), out),
            Depth::Ten => write_split::<Ten>(original, split.columns(original.width), out),
            Depth::TenHigh => write_split::<TenHigh>(original, split.columns(original.width), out),
            Depth::Twelve => write_split::<Twelve>(original, split.columns(original.width), out),
        }
    }
}

/// The changes of red, green and blue of a block: one value for each pixel or, summed, for each pair.
type Changes<const N: usize> = [[i32; N]; 3];

/// A frame, and its RGBx before and after it was restored.
struct Frames<'a> {
    original: &'a YuvView<'a>,
    before: &'a [u8],
    after: &'a [u8],
}

struct WriteChanges<'a, 'o, C>(Frames<'a>, &'a FromChange, &'a mut YuvViewMut<'o>, PhantomData<C>);

impl<C: Code> NullaryFnOnce for WriteChanges<'_, '_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        match self.0.original.layout.chroma {
            Chroma::PlanarFull => write_changes_of_full::<C>(&self.0, self.1, self.2),
            _ => write_changes::<C>(&self.0, self.1, self.2),
        }
    }
}

#[inline(always)]
fn write_changes<C: Code>(frames: &Frames<'_>, from_change: &FromChange, out: &mut YuvViewMut<'_>) {
    let original = frames.original;
    let stride = original.width * 4;
    let (_, band_rows) = original.layout.subsampling();
    let band_bytes = band_rows * stride;
    let bands = frames.before.chunks(band_bytes).zip(frames.after.chunks(band_bytes));
    for (band, (before, after)) in bands.enumerate() {
        for block in 0..original.width.div_ceil(BLOCK) {
            let first = block * BLOCK;
            let mut sums: Changes<PAIRS> = [[0; PAIRS]; 3];
            let rows = before.len() / stride;
            for row in 0..rows {
                let part = |frame: &'_ [u8]| -> std::ops::Range<usize> {
                    let start = row * stride + first * 4;
                    start..frame.len().min((row + 1) * stride).min(start + BLOCK * 4)
                };
                let changes = changes(&before[part(before)], &after[part(after)]);
                let line = band_rows * band + row;
                write_luma::<C>(
                    &original.row(0, line)[first * C::BYTES..],
                    &changes,
                    &from_change.luma,
                    &mut out.row_mut(0, line)[first * C::BYTES..],
                );
                // The sums are of four pixels: a row without a second one counts twice.
                add_pairs(&changes, if rows == 1 { 2 } else { 1 }, &mut sums);
            }
            write_chroma::<C>(original, band, block * PAIRS, &sums, from_change, out);
        }
    }
}

/// As [`write_changes`], for frames with a colour difference for each pixel.
#[inline(always)]
fn write_changes_of_full<C: Code>(frames: &Frames<'_>, from_change: &FromChange, out: &mut YuvViewMut<'_>) {
    let original = frames.original;
    let stride = original.width * 4;
    let rows = frames
        .before
        .chunks_exact(stride)
        .zip(frames.after.chunks_exact(stride));
    for (row, (before, after)) in rows.enumerate() {
        let pixels = || before.as_chunks::<4>().0.iter().zip(after.as_chunks::<4>().0);
        for (plane, of) in [&from_change.luma, &from_change.cb, &from_change.cr]
            .into_iter()
            .enumerate()
        {
            let from = original.row(plane, row).chunks_exact(C::BYTES);
            let to = out.row_mut(plane, row).chunks_exact_mut(C::BYTES);
            for ((before, after), (from, to)) in pixels().zip(from.zip(to)) {
                let [r, g, b] = [0, 1, 2].map(|channel| i32::from(after[channel]) - i32::from(before[channel]));
                let change = (of[0] * r + of[1] * g + of[2] * b + HALF) >> FRACTION;
                C::put((C::get(from) + change).clamp(0, C::TOP), to);
            }
        }
    }
}

/// Returns after minus before, in grey levels. A frame that ends in the middle of a pair repeats its last pixel.
#[inline(always)]
fn changes(before: &[u8], after: &[u8]) -> Changes<BLOCK> {
    let count = before.len() / 4;
    let (before, after) = (pixels(before), pixels(after));
    let mut changes = [[0; BLOCK]; 3];
    for (channel, changes) in changes.iter_mut().enumerate() {
        let level = |pixel: u32| (pixel >> (8 * channel) & 0xff) as i32;
        for ((change, &before), &after) in changes.iter_mut().zip(&before).zip(&after) {
            *change = level(after) - level(before);
        }
    }
    if count % 2 == 1 {
        changes
            .iter_mut()
            .for_each(|changes| changes[count] = changes[count - 1]);
    }
    changes
}

/// Returns the pixels of a block, filled up with zeros: the compiler vectorises loops of fixed length.
#[inline(always)]
fn pixels(bytes: &[u8]) -> [u32; BLOCK] {
    let mut pixels = [0; BLOCK];
    for (pixel, &bytes) in pixels.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *pixel = u32::from_le_bytes(bytes);
    }
    pixels
}

#[inline(always)]
fn add_pairs(changes: &Changes<BLOCK>, weight: i32, sums: &mut Changes<PAIRS>) {
    for (changes, sums) in changes.iter().zip(sums) {
        for (pair, sum) in changes.as_chunks::<2>().0.iter().zip(sums) {
            *sum += weight * (pair[0] + pair[1]);
        }
    }
}

#[inline(always)]
fn write_luma<C: Code>(original: &[u8], changes: &Changes<BLOCK>, luma: &[i32; 3], out: &mut [u8]) {
    let values = original.chunks_exact(C::BYTES).zip(out.chunks_exact_mut(C::BYTES));
    for (i, (from, to)) in values.take(BLOCK).enumerate() {
        let change = luma[0] * changes[0][i] + luma[1] * changes[1][i] + luma[2] * changes[2][i];
        C::put((C::get(from) + ((change + HALF) >> FRACTION)).clamp(0, C::TOP), to);
    }
}

/// Writes the chroma of a block. `sums` are over four pixels.
#[inline(always)]
fn write_chroma<C: Code>(
    original: &YuvView<'_>,
    row: usize,
    first: usize,
    sums: &Changes<PAIRS>,
    from_change: &FromChange,
    out: &mut YuvViewMut<'_>,
) {
    let change = |of: &[i32; 3], pair: usize| {
        let change = of[0] * sums[0][pair] + of[1] * sums[1][pair] + of[2] * sums[2][pair];
        (change + 4 * HALF) >> (FRACTION + 2)
    };
    let of = [&from_change.cb, &from_change.cr];
    match original.layout.chroma {
        Chroma::None => {}
        Chroma::Planar | Chroma::PlanarHalved | Chroma::PlanarFull => {
            for (plane, of) in of.into_iter().enumerate() {
                let from = original.row(1 + plane, row)[first * C::BYTES..].chunks_exact(C::BYTES);
                let to = out.row_mut(1 + plane, row)[first * C::BYTES..].chunks_exact_mut(C::BYTES);
                for (pair, (from, to)) in from.zip(to).take(PAIRS).enumerate() {
                    C::put((C::get(from) + change(of, pair)).clamp(0, C::TOP), to);
                }
            }
        }
        Chroma::Interleaved => {
            let from = original.row(1, row)[2 * first * C::BYTES..].chunks_exact(2 * C::BYTES);
            let to = out.row_mut(1, row)[2 * first * C::BYTES..].chunks_exact_mut(2 * C::BYTES);
            for (pair, (from, to)) in from.zip(to).take(PAIRS).enumerate() {
                for (number, of) in of.into_iter().enumerate() {
                    let at = number * C::BYTES..(number + 1) * C::BYTES;
                    let value = C::get(&from[at.clone()]) + change(of, pair);
                    C::put(value.clamp(0, C::TOP), &mut to[at]);
                }
            }
        }
    }
}

/// Writes the original left of the line, and the line itself in white. A chroma value belongs to the first of its
/// pixels.
fn write_split<C: Code>(original: &YuvView<'_>, (line, right): (usize, usize), out: &mut YuvViewMut<'_>) {
    let scale = original.coding.scale(original.layout.bits());
    let (white, neutral) = ((scale.black + scale.luma) as i32, scale.neutral as i32);
    let (across, _) = original.layout.subsampling();
    for plane in 0..original.layout.planes() {
        let (values, columns, value) = match (plane, original.layout.chroma) {
            (0, _) => (1, 1, white),
            (_, Chroma::Interleaved) => (2, across, neutral),
            _ => (1, across, neutral),
        };
        let at = |column: usize| column.div_ceil(columns) * values * C::BYTES;
        let (_, rows) = original.layout.plane(plane, original.width, original.height);
        for row in 0..rows {
            let target = out.row_mut(plane, row);
            target[..at(line)].copy_from_slice(&original.row(plane, row)[..at(line)]);
            for number in target[at(line)..at(right)].chunks_exact_mut(C::BYTES) {
                C::put(value, number);
            }
        }
    }
}
