// SPDX-License-Identifier: MPL-2.0

//! Frames restored at a smaller working scale: unchanged pixels keep their bits, and changes are enlarged to where they
//! belong.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{bundle::Copy, element, harness, options, picture, size, the_runtime, through};
use gst::prelude::*;
use gstblurdm::{
    engine::{Bundle, Deblurrer, Error, Options, Provider, REDUCTIONS, Search},
    frame::{add_change, reduce, reduced_side},
};

/// Sides that are multiples of 2, 3 and 4, and sides that are not.
const SIZES: [(usize, usize); 5] = [(48, 24), (49, 25), (50, 27), (130, 16), (1, 1)];

fn reduced(frame: &[u8], width: usize, height: usize, factor: usize) -> Vec<u8> {
    let mut reduced = vec![0; reduced_side(width, factor) * reduced_side(height, factor) * 4];
    reduce(frame, width, factor, &mut reduced);
    reduced
}

fn with_change(frame: &[u8], width: usize, factor: usize, before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut out = vec![0; frame.len()];
    add_change(frame, width, factor, before, after, &mut out);
    out
}

#[test]
fn a_reduced_pixel_is_the_mean_of_its_block() {
    for (width, height) in SIZES {
        let frame = picture(width, height, 5);
        for factor in REDUCTIONS {
            let reduced = reduced(&frame, width, height, factor);
            let columns = reduced_side(width, factor);
            for (number, pixel) in reduced.chunks_exact(4).enumerate() {
                let (top, left) = (number / columns * factor, number % columns * factor);
                for (channel, &got) in pixel.iter().enumerate() {
                    let block: Vec<f64> = (top..height.min(top + factor))
                        .flat_map(|y| (left..width.min(left + factor)).map(move |x| (y * width + x) * 4 + channel))
                        .map(|at| f64::from(frame[at]))
                        .collect();
                    let mean = block.iter().sum::<f64>() / block.len() as f64;
                    assert!(
                        (f64::from(got) - mean).abs() <= 0.5,
                        "{width}x{height} by {factor}, {number}: {got} for {mean}"
                    );
                }
            }
        }
    }
}

#[test]
fn unchanged_pixels_keep_their_bits() {
    for (width, height) in SIZES {
        let frame = picture(width, height, 6);
        for factor in REDUCTIONS {
            let small = reduced(&frame, width, height, factor);
            assert_eq!(with_change(&frame, width, factor, &small, &small), frame);
        }
    }
}

#[test]
fn a_change_is_enlarged_bilinearly_and_the_fourth_byte_is_the_frames() {
    for (width, height) in SIZES {
        let frame: Vec<u8> = picture(width, height, 7)
            .chunks(4)
            .flat_map(|p| [p[0] / 2 + 64, p[1] / 2 + 64, p[2] / 2 + 64, p[3]])
            .collect();
        for factor in REDUCTIONS {
            let (columns, rows) = (reduced_side(width, factor), reduced_side(height, factor));
            let before = vec![128; columns * rows * 4];
            let change = |x: usize, y: usize| ((x * 7 + y * 13) % 41) as f64 - 20.0;
            let after: Vec<u8> = (0..columns * rows)
                .flat_map(|at| [(128.0 + change(at % columns, at / columns)) as u8; 4])
                .collect();
            let out = with_change(&frame, width, factor, &before, &after);
            // The position of the centre of a full pixel among the centres of reduced ones.
            let place = |at: usize, count: usize| {
                let at = ((at as f64 + 0.5) / factor as f64 - 0.5).clamp(0.0, (count - 1) as f64);
                (
                    at.floor() as usize,
                    (at.floor() as usize + 1).min(count - 1),
                    at.fract(),
                )
            };
            for (number, (out, from)) in out.chunks_exact(4).zip(frame.chunks_exact(4)).enumerate() {
                let ((left, right, across), (top, bottom, down)) =
                    (place(number % width, columns), place(number / width, rows));
                let upper = change(left, top) * (1.0 - across) + change(right, top) * across;
                let lower = change(left, bottom) * (1.0 - across) + change(right, bottom) * across;
                let want = upper * (1.0 - down) + lower * down;
                for channel in 0..3 {
                    let got = f64::from(out[channel]) - f64::from(from[channel]);
                    assert!(
                        (got - want).abs() <= 0.5 + 1e-9,
                        "{width}x{height} by {factor}, {number}: {got} for {want}"
                    );
                }
                assert_eq!(out[3], from[3]);
            }
        }
    }
}

#[test]
fn changes_are_clamped_to_black_and_white() {
    let frame: Vec<u8> = [[2, 250, 128, 9]; 64].concat();
    let (before, after) = ([[128, 128, 128, 0]; 16].concat(), [[0, 255, 128, 0]; 16].concat());
    assert_eq!(
        with_change(&frame, 8, 2, &before, &after),
        [[0, 255, 128, 9]; 64].concat()
    );
}

fn deblurrer(bundle: &Bundle, reduction: usize, width: usize, height: usize) -> Result<Deblurrer, Error> {
    the_runtime();
    let options = Options {
        reduction,
        ..options(Provider::Cpu)
    };
    Deblurrer::new(bundle, &options, &Search::default(), size(width, height))
}

#[test]
fn the_model_sees_the_reduced_frame_and_changes_the_full_one() {
    let (width, height) = (131, 70);
    let copy = Copy::shifting(None, 0.5);
    let bundle = Bundle::open(copy.path()).unwrap();
    // Every channel moves by half of its mean's distance from 128. The reduced frame has the same means, to rounding.
    let frame: Vec<u8> = [[100, 128, 150, 7]; 131 * 70].concat();
    for reduction in [1, 2, 3, 4] {
        let mut restored = vec![0; frame.len()];
        deblurrer(&bundle, reduction, width, height)
            .unwrap()
            .restore(&frame, &mut restored, 1)
            .unwrap();
        for pixel in restored.chunks_exact(4) {
            assert_eq!(pixel[..3], [86, 128, 161], "by {reduction}");
        }
    }
}

#[test]
fn tiles_are_those_of_the_reduced_frame() {
    let copy = Copy::shifting(Some(64), 0.1);
    let bundle = Bundle::open(copy.path()).unwrap();
    let mut whole = deblurrer(&bundle, 2, 300, 200).unwrap();
    assert_eq!(whole.tile(), Some(size(64, 64)));
    let frame = picture(300, 200, 3);
    let mut restored = vec![0; frame.len()];
    whole.restore(&frame, &mut restored, 1).unwrap();
    assert_ne!(restored, frame);
}

#[test]
fn a_reduction_that_is_not_possible_is_an_error_that_names_it() {
    let bundle = Bundle::builtin().unwrap();
    for (reduction, width, height, what) in [
        (0, 64, 64, "by 0"),
        (5, 640, 640, "only by 2 to 4"),
        (4, 640, 60, "less than 16 pixels"),
    ] {
        let error = deblurrer(&bundle, reduction, width, height).err().unwrap().to_string();
        assert!(error.contains(what), "{error}");
    }
    assert!(deblurrer(&bundle, 4, 64, 61).is_ok());
}

/// Returns the softmax of the channels of a plain frame, times 0.01.
fn shares(pixel: [u8; 4]) -> [f64; 4] {
    let weights = pixel.map(|value| (f64::from(value) * 0.01).exp());
    weights.map(|weight| weight / weights.iter().sum::<f64>())
}

fn assert_near(got: impl IntoIterator<Item = f64>, wanted: [f64; 4]) {
    let got: Vec<f64> = got.into_iter().collect();
    let near = got.len() == 4 && got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-4);
    assert!(near, "{got:?} for {wanted:?}");
}

#[test]
fn the_shares_of_the_scales_are_those_of_each_frames_prior() {
    let copy = Copy::of_scales(None, 0.01);
    let mut network = deblurrer(&Bundle::open(copy.path()).unwrap(), 1, 64, 48).unwrap();
    for pixel in [[10, 200, 100, 50], [250, 20, 90, 130]] {
        let frame = [pixel; 64 * 48].concat();
        network.restore(&frame, &mut vec![0; frame.len()], 1).unwrap();
        let prior = network.prior_in_use();
        assert_eq!(prior.age, 0);
        assert_near(prior.scales.as_slice().iter().map(|&share| share.into()), shares(pixel));
    }
}

#[test]
fn the_shares_of_a_frame_in_tiles_are_their_mean() {
    let copy = Copy::of_scales(Some(64), 0.01);
    let mut network = deblurrer(&Bundle::open(copy.path()).unwrap(), 1, 96, 64).unwrap();
    // The tiles are the columns 0 to 63 and 32 to 95.
    let (left, right) = ([0, 0, 0, 255], [0, 0, 255, 0]);
    let row = [[left; 48].concat(), [right; 48].concat()].concat();
    let frame = row.repeat(64);
    network.restore(&frame, &mut vec![0; frame.len()], 1).unwrap();
    let means = [[0.0, 0.0, 63.75, 191.25], [0.0, 0.0, 191.25, 63.75]];
    let tiles = means.map(|means| {
        let weights = means.map(|mean: f64| (mean * 0.01).exp());
        weights.map(|weight| weight / weights.iter().sum::<f64>())
    });
    let wanted = std::array::from_fn(|scale| (tiles[0][scale] + tiles[1][scale]) / 2.0);
    let scales = network.prior_in_use().scales;
    assert_near(scales.as_slice().iter().map(|&share| share.into()), wanted);
}

#[test]
fn a_model_of_one_scale_has_no_shares() {
    let copy = Copy::shifting(None, 0.1);
    let mut shifting = deblurrer(&Bundle::open(copy.path()).unwrap(), 1, 64, 64).unwrap();
    let frame = picture(64, 64, 1);
    shifting.restore(&frame, &mut vec![0; frame.len()], 1).unwrap();
    assert!(shifting.prior_in_use().scales.as_slice().is_empty());
}

#[test]
fn the_statistics_tell_the_scales_of_the_last_frame() {
    let copy = Copy::of_scales(None, 0.01);
    let element = element();
    element.set_property("model", copy.text());
    let stats = || element.property::<gst::Structure>("stats");
    let mut harness = harness(&element, 64, 48);
    assert!(!stats().has_field("scales"));
    // The model is given the fourth byte as well.
    let pixel = [10, 200, 100, 50];
    through(&mut harness, &[pixel; 64 * 48].concat(), 64, 48);
    let told = stats().get::<gst::Array>("scales").unwrap();
    assert_near(told.iter().map(|share| share.get::<f64>().unwrap()), shares(pixel));
}

#[test]
fn a_reduction_of_0_leaves_the_scale_to_the_model() {
    let copy = Copy::shifting(None, 0.5);
    let frame = picture(97, 65, 9);
    let restored = |reduction: u32| {
        let element = element();
        element.set_property("model", copy.text());
        element.set_property("reduction", reduction);
        through(&mut harness(&element, 97, 65), &frame, 97, 65)
    };
    let chosen = restored(0);
    assert_eq!(chosen, restored(1));
    assert_ne!(chosen, restored(4));
}
