// SPDX-License-Identifier: MPL-2.0

//! Frames that are restored in tiles.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod blending;
#[path = "../common/mod.rs"]
mod common;
mod element;
mod refused;
mod window;

use common::{bundle::Copy, options, size, the_runtime};
use gstblurdm::engine::{Bundle, Deblurrer, Error, FrameSize, Options, Provider, Search};

/// The side of the tiles of the bundles whose graphs are of fixed size.
const TILE: usize = 128;
const OVERLAP: usize = 32;

/// Frames that are one pixel larger than a tile, shorter than a tile on one axis, the smallest possible, of sides that
/// are no multiple of anything, and exact fits: one tile, and tiles that overlap by exactly 32 pixels.
const SIZES: [(usize, usize); 11] = [
    (129, 128),
    (128, 129),
    (129, 129),
    (80, 300),
    (300, 80),
    (16, 16),
    (17, 641),
    (641, 359),
    (128, 128),
    (224, 320),
    (320, 224),
];

fn tiled(tile_size: usize, tile_overlap: usize) -> Options {
    Options {
        tile_size,
        tile_overlap,
        ..options(Provider::Cpu)
    }
}

fn engine(bundle: &Bundle, options: &Options, size: FrameSize) -> Result<Deblurrer, Error> {
    the_runtime();
    Deblurrer::new(bundle, options, &Search::default(), size)
}

/// Loads the built-in model.
fn nano(options: &Options, width: usize, height: usize) -> Deblurrer {
    engine(&Bundle::builtin().unwrap(), options, size(width, height)).unwrap()
}

/// Returns a bundle of fixed size that shifts the brightness of each tile (see [`Copy::shifting`]).
fn shifting(gain: f32) -> Bundle {
    Bundle::open(Copy::shifting(Some(TILE), gain).path()).unwrap()
}

fn restore(deblurrer: &mut Deblurrer, frame: &[u8]) -> Vec<u8> {
    let mut restored = vec![0; frame.len()];
    deblurrer.restore(frame, &mut restored, 0).unwrap();
    restored
}

fn restored_by(bundle: &Bundle, options: &Options, frame: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    restore(&mut engine(bundle, options, size(width, height)).unwrap(), frame)
}

/// Returns a grey frame of the brightness `value(x, y)`, with different fourth bytes.
fn grey(width: usize, height: usize, value: impl Fn(usize, usize) -> usize) -> Vec<u8> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let bytes = pixels.flat_map(|(x, y)| {
        let value = u8::try_from(value(x, y)).unwrap();
        [value, value, value, ((x * 7 + y * 11) % 256) as u8]
    });
    bytes.collect()
}

/// Returns the red bytes of a frame, row by row.
fn rows(frame: &[u8], width: usize) -> Vec<Vec<u8>> {
    let row = |row: &[u8]| row.iter().step_by(4).copied().collect();
    frame.chunks(width * 4).map(row).collect()
}

/// Returns the largest difference between neighbours on both axes.
fn largest_step(rows: &[Vec<u8>]) -> u8 {
    let across = rows
        .iter()
        .flat_map(|row| row.windows(2).map(|pair| pair[0].abs_diff(pair[1])));
    let down = rows
        .windows(2)
        .flat_map(|pair| pair[0].iter().zip(&pair[1]).map(|(a, b)| a.abs_diff(*b)));
    across.chain(down).max().unwrap()
}

/// Returns the brightness that [`shifting`] restores from `value` in a tile of this mean.
fn shifted(value: u8, gain: f32, mean: f64) -> f64 {
    (f64::from(value) + f64::from(gain) * (mean - 128.0)).clamp(0.0, 255.0)
}

fn assert_fourth_bytes_equal(frame: &[u8], restored: &[u8]) {
    let differ = frame
        .chunks(4)
        .zip(restored.chunks(4))
        .position(|(from, to)| from[3] != to[3]);
    assert_eq!(differ, None, "the pixel whose fourth byte changed");
}

/// Returns the text of an error.
fn text_of<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("nothing was refused"),
        Err(error) => error.to_string(),
    }
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}
