// SPDX-License-Identifier: MPL-2.0

//! Frames that are restored tile by tile.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::{
    bundle::{BACKBONE, Copy, ENCODER, MANIFEST, half_mean, shift},
    element,
    faults::{assert_names, one_error},
    frames, harness, milliseconds, options, picture, pipeline, play_to_end, size, the_runtime, through,
};
use gst::prelude::*;
use gstblurdm::engine::{Bundle, Deblurrer, Error, FrameSize, Options, Provider, Search};

/// The side of the tiles of the bundles of fixed size.
const TILE: usize = 128;
const OVERLAP: usize = 32;

/// A pixel larger than a tile, shorter than one on one axis, the smallest, far from any multiple, and exact fits: one tile, and
/// tiles that overlap by 32 pixels everywhere.
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

/// The built-in model.
fn nano(options: &Options, width: usize, height: usize) -> Deblurrer {
    engine(&Bundle::builtin().unwrap(), options, size(width, height)).unwrap()
}

/// A bundle of fixed size that shifts the brightness of each tile: see [`Copy::shifting`].
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

/// A grey frame with the brightness of `value(x, y)` and a different fourth byte everywhere.
fn grey(width: usize, height: usize, value: impl Fn(usize, usize) -> usize) -> Vec<u8> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let bytes = pixels.flat_map(|(x, y)| {
        let value = u8::try_from(value(x, y)).unwrap();
        [value, value, value, ((x * 7 + y * 11) % 256) as u8]
    });
    bytes.collect()
}

/// The red bytes of a frame, row by row.
fn rows(frame: &[u8], width: usize) -> Vec<Vec<u8>> {
    let row = |row: &[u8]| row.iter().step_by(4).copied().collect();
    frame.chunks(width * 4).map(row).collect()
}

/// The largest difference between neighbours, across and down.
fn largest_step(rows: &[Vec<u8>]) -> u8 {
    let across = rows
        .iter()
        .flat_map(|row| row.windows(2).map(|pair| pair[0].abs_diff(pair[1])));
    let down = rows
        .windows(2)
        .flat_map(|pair| pair[0].iter().zip(&pair[1]).map(|(a, b)| a.abs_diff(*b)));
    across.chain(down).max().unwrap()
}

/// What [`shifting`] makes of a brightness in a tile of this mean.
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

#[test]
fn a_network_that_changes_nothing_gives_back_every_byte_whatever_the_size() {
    let identity = shifting(0.0);
    for (width, height) in SIZES {
        let frame = picture(width, height, 1);
        let restored = restored_by(&identity, &tiled(0, OVERLAP), &frame, (width, height));
        assert!(restored == frame, "{width}x{height}");
    }
}

#[test]
fn a_network_that_changes_nothing_gives_back_every_byte_whatever_the_tiles() {
    let free = Copy::shifting(None, 0.0);
    let free = Bundle::open(free.path()).unwrap();
    let (width, height) = (201, 119);
    let frame = picture(width, height, 1);
    for side in [64, 80, 112, 192] {
        for overlap in [0, 1, 31, 32, 33, side - 8] {
            let restored = restored_by(&free, &tiled(side, overlap), &frame, (width, height));
            assert!(restored == frame, "tiles of {side} that overlap by {overlap}");
        }
    }
}

#[test]
fn a_constant_frame_comes_out_constant_to_the_bit() {
    // 100 + 0.5 (100 - 128)
    let (value, expected) = (100, 86);
    let bundle = shifting(0.5);
    for (width, height) in SIZES {
        let frame = grey(width, height, |_, _| value);
        let restored = restored_by(&bundle, &tiled(0, OVERLAP), &frame, (width, height));
        let expected = grey(width, height, |_, _| expected);
        assert!(restored == expected, "{width}x{height}");
    }
}

#[test]
fn a_ramp_has_no_seam_though_every_tile_is_shifted_by_another_prior() {
    // The shifts of neighbouring tiles differ by up to 2 (TILE - OVERLAP) / 4 = 48 levels, which a seam would show at once.
    const GAIN: f32 = -2.0;
    const SLOPE: f64 = 0.25;
    let apart = f64::from(-GAIN) * SLOPE * (TILE - OVERLAP) as f64;
    // A level of the ramp, the way from shift to shift, and a level by rounding.
    let allowed = 1.0 + apart / (OVERLAP + 1) as f64 + 1.0;
    let bundle = shifting(GAIN);
    for (width, height) in SIZES {
        for (across, down) in [(1, 0), (0, 1), (1, 1)] {
            let frame = grey(width, height, |x, y| (x * across + y * down) / 4);
            let restored = rows(
                &restored_by(&bundle, &tiled(0, OVERLAP), &frame, (width, height)),
                width,
            );
            let step = f64::from(largest_step(&restored));
            assert!(
                step <= allowed,
                "{width}x{height}, {across}, {down}: a step of {step} levels, over {allowed}"
            );
            if across * width + down * height > 3 * TILE {
                let frame = rows(&frame, width);
                let shift = |y: usize, x: usize| f64::from(restored[y][x]) - f64::from(frame[y][x]);
                let all = shift(0, 0) - shift(height - 1, width - 1);
                assert!(
                    all > apart,
                    "{width}x{height}, {across}, {down}: the shifts are only {all} levels apart"
                );
            }
        }
    }
}

#[test]
fn neighbours_go_over_into_each_other_in_a_straight_line_across_the_overlap() {
    const GAIN: f32 = 0.5;
    const SECOND: usize = TILE - OVERLAP;
    let (width, height) = (SECOND + TILE, TILE);
    let frame = grey(width, height, |x, _| x / 2 + 40);
    let restored = rows(
        &restored_by(&shifting(GAIN), &tiled(0, OVERLAP), &frame, (width, height)),
        width,
    );
    let line = &rows(&frame, width)[0];
    let mean = |tile: &[u8]| tile.iter().map(|&v| f64::from(v)).sum::<f64>() / TILE as f64;
    let means = [mean(&line[..TILE]), mean(&line[SECOND..])];
    for row in &restored {
        for (x, (&found, &value)) in row.iter().zip(line).enumerate() {
            let weight = ((x as f64 + 1.0 - SECOND as f64) / (OVERLAP + 1) as f64).clamp(0.0, 1.0);
            let [first, second] = means.map(|mean| shifted(value, GAIN, mean).round());
            let expected = first + weight * (second - first);
            assert!(
                (f64::from(found) - expected).abs() <= 0.51,
                "{found} in column {x}, not {expected}"
            );
        }
    }
}

#[test]
fn a_frame_smaller_than_a_tile_fills_it_with_its_reflection() {
    const GAIN: f32 = 0.5;
    let bundle = shifting(GAIN);
    for (width, height) in [(16, 16), (100, 23)] {
        // Brightest in a corner, so that the mean tells what the tile was filled with.
        let frame = grey(width, height, |x, y| 230 - 12 * x.min(8) - 12 * y.min(8));
        let restored = rows(
            &restored_by(&bundle, &tiled(0, OVERLAP), &frame, (width, height)),
            width,
        );
        let frame = rows(&frame, width);
        // 0 1 2 3 2 1 0 1 ...
        let mirror = |length: usize| (0..length).chain((1..length - 1).rev()).cycle().take(TILE);
        let tile = mirror(height).flat_map(|y| mirror(width).map(move |x| (x, y)));
        let mean = tile.map(|(x, y)| f64::from(frame[y][x])).sum::<f64>() / (TILE * TILE) as f64;
        for (from, to) in frame.iter().flatten().zip(restored.iter().flatten()) {
            let expected = shifted(*from, GAIN, mean);
            assert!(
                (f64::from(*to) - expected).abs() <= 0.51,
                "{width}x{height}: {to}, not {expected}"
            );
        }
    }
}

#[test]
fn the_fourth_byte_comes_out_as_it_went_in_even_where_a_graph_changes_it() {
    for (width, height) in [(200, 150), (20, 300)] {
        let frame = picture(width, height, 1);
        let restored = restored_by(&shifting(-1.0), &tiled(0, OVERLAP), &frame, (width, height));
        assert_ne!(restored, frame);
        assert_fourth_bytes_equal(&frame, &restored);
    }
    let frame = picture(200, 150, 1);
    assert_fourth_bytes_equal(&frame, &restore(&mut nano(&tiled(64, 16), 200, 150), &frame));
}

#[test]
fn the_larger_the_tiles_the_closer_the_built_in_model_is_to_a_frame_restored_whole() {
    let (width, height) = (640, 360);
    let frame = picture(width, height, 1);
    let whole = restore(&mut nano(&tiled(0, OVERLAP), width, height), &frame);
    let [small, large] = [128, 320].map(|side| {
        let in_tiles = restore(&mut nano(&tiled(side, OVERLAP), width, height), &frame);
        assert_ne!(in_tiles, whole);
        psnr(&whole, &in_tiles)
    });
    // What is left is what a tile does not see, and its own prior.
    assert!(30.0 <= small && small < large, "{small} dB, {large} dB");
}

/// Of the colours of two frames in RGBx.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let colours = a
        .chunks(4)
        .zip(b.chunks(4))
        .flat_map(|(a, b)| a[..3].iter().zip(&b[..3]));
    let squares: f64 = colours.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * (a.len() / 4 * 3) as f64 / squares).log10()
}

#[test]
fn frames_run_whole_unless_they_are_larger_than_a_tile_or_the_graphs_are_of_fixed_size() {
    let tile_of = |bundle: &Bundle, side: usize, frame: (usize, usize)| {
        let deblurrer = engine(bundle, &tiled(side, OVERLAP), size(frame.0, frame.1)).unwrap();
        assert_eq!(deblurrer.size(), size(frame.0, frame.1));
        deblurrer.tile()
    };
    let free = Bundle::builtin().unwrap();
    let fixed = shifting(0.5);
    for frame in [(16, 16), (128, 64), (128, 128), (300, 200)] {
        assert_eq!(tile_of(&free, 0, frame), None, "{frame:?}");
    }
    for frame in [(16, 16), (128, 64), (128, 128)] {
        assert_eq!(tile_of(&free, 128, frame), None, "{frame:?}");
    }
    for (frame, tile) in [((129, 128), (128, 128)), ((129, 40), (128, 40)), ((40, 129), (40, 128))] {
        assert_eq!(tile_of(&free, 128, frame), Some(size(tile.0, tile.1)), "{frame:?}");
    }
    for side in [0, TILE] {
        assert_eq!(tile_of(&fixed, side, (TILE, TILE)), None);
        for frame in [(16, 16), (TILE, TILE - 1), (300, 200)] {
            assert_eq!(tile_of(&fixed, side, frame), Some(size(TILE, TILE)), "{frame:?}");
        }
    }
}

#[test]
fn a_frame_that_is_no_larger_than_a_tile_is_restored_as_without_tiles() {
    for (width, height) in [(48, 32), (128, 128)] {
        let frame = picture(width, height, 1);
        let whole = restore(&mut nano(&tiled(0, OVERLAP), width, height), &frame);
        assert!(
            restore(&mut nano(&tiled(128, OVERLAP), width, height), &frame) == whole,
            "{width}x{height}"
        );
    }
}

#[test]
fn the_prior_is_that_of_a_tile_where_frames_run_in_tiles() {
    let mut deblurrer = engine(&shifting(0.5), &tiled(0, OVERLAP), size(300, 200)).unwrap();
    let tile = deblurrer.tile().unwrap();
    let frame = picture(tile.width, tile.height, 1);
    let prior = deblurrer.prior(&frame, 0).unwrap();
    for (channel, found) in prior.iter().enumerate() {
        let bytes = frame.iter().skip(channel).step_by(4);
        let mean = bytes.map(|&v| f64::from(v)).sum::<f64>() / (tile.width * tile.height) as f64;
        assert!((f64::from(*found) - mean).abs() < 0.01, "{found}, not {mean}");
    }
    let text = text_of(deblurrer.prior(&picture(300, 200, 1), 0));
    assert_contains(&text, &["128x128", "240000 bytes"]);
}

#[test]
fn the_time_of_a_frame_is_that_of_all_its_tiles() {
    let frame = picture(96, 96, 1);
    let mut one = nano(&tiled(0, OVERLAP), 96, 96);
    let mut time_of_one = || one.restore(&frame, &mut vec![0; frame.len()], 0).unwrap();
    let runs: Vec<_> = (0..5).map(|_| time_of_one()).collect();
    let least = |stage: fn(&gstblurdm::engine::Timing) -> Duration| runs.iter().map(stage).min().unwrap();
    let (prior, backbone) = (least(|timing| timing.prior), least(|timing| timing.backbone));
    // Thirty tiles: five and six of 96 pixels that overlap by 32.
    let (width, height) = (96 + 4 * 64, 96 + 5 * 64);
    let mut many = nano(&tiled(96, 32), width, height);
    let frame = picture(width, height, 1);
    let started = Instant::now();
    let all = many.restore(&frame, &mut vec![0; frame.len()], 0).unwrap();
    assert!(all.prior + all.backbone <= started.elapsed(), "{all:?}");
    assert!(
        all.prior > 10 * prior && all.backbone > 10 * backbone,
        "{all:?} for 30 of {prior:?} and {backbone:?}"
    );
}

#[test]
fn a_frame_that_fails_is_an_error_and_the_next_one_is_restored() {
    let (width, height) = (200, 150);
    let mut deblurrer = nano(&tiled(64, 16), width, height);
    let frame = picture(width, height, 1);
    let expected = restore(&mut deblurrer, &frame);
    let error = deblurrer.restore(&frame, &mut vec![0; frame.len()], 6).unwrap_err();
    assert!(matches!(error, Error::Steps { steps: 6, .. }), "{error}");
    let error = deblurrer
        .restore(&frame[4..], &mut vec![0; frame.len()], 0)
        .unwrap_err();
    assert_contains(&error.to_string(), &["200x150", "119996 bytes"]);
    assert!(restore(&mut deblurrer, &frame) == expected);
}

#[test]
fn a_side_that_no_tile_can_have_is_refused_with_what_to_set() {
    let builtin = Bundle::builtin().unwrap();
    for frame in [(64, 64), (640, 360)] {
        let refusal = |side: usize| text_of(engine(&builtin, &tiled(side, 16), size(frame.0, frame.1)));
        for side in [1, 48, 63, 4097, 4112, usize::MAX] {
            assert_contains(
                &refusal(side),
                &[&side.to_string(), "64 to 4096 pixels", "set tile-size"],
            );
        }
        for side in [65, 100, 4095] {
            let parts = [&side.to_string(), "'nano'", "multiple of 16", "set tile-size"];
            assert_contains(&refusal(side), &parts);
        }
    }
}

#[test]
fn an_overlap_that_is_not_smaller_than_the_tile_is_refused_with_what_to_set() {
    let (builtin, fixed) = (Bundle::builtin().unwrap(), shifting(0.5));
    for frame in [(64, 64), (640, 360)] {
        for (bundle, side, overlap) in [
            (&builtin, 64, 64),
            (&builtin, 128, 128),
            (&builtin, 128, usize::MAX),
            (&fixed, 0, TILE),
            (&fixed, TILE, 1024),
        ] {
            let text = text_of(engine(bundle, &tiled(side, overlap), size(frame.0, frame.1)));
            let most = if side == 64 { "63" } else { "127" };
            let parts = [
                &overlap.to_string(),
                "the overlap must be smaller than the tile",
                &format!("set tile-overlap to {most} or less"),
            ];
            assert_contains(&text, &parts);
        }
    }
    // Whole frames have no overlap.
    assert!(engine(&builtin, &tiled(0, 1024), size(64, 64)).is_ok());
}

#[test]
fn another_size_than_the_one_that_the_graphs_are_fixed_to_is_refused() {
    let fixed = shifting(0.5);
    for side in [1, 64, 100, 144, 256, 5000] {
        let text = text_of(engine(&fixed, &tiled(side, 16), size(300, 200)));
        assert_contains(
            &text,
            &[&side.to_string(), "tiles of 128 pixels", "set tile-size to 128 or 0"],
        );
    }
}

#[test]
fn a_tile_of_the_manifest_is_checked_against_its_range_and_the_multiple() {
    let cases = [
        ("tile", "63", ["[backbone] tile is 63", "between 64 and 4096"]),
        ("tile", "0", ["[backbone] tile is 0", "between 64 and 4096"]),
        ("tile", "4112", ["[backbone] tile is 4112", "between 64 and 4096"]),
        ("tile", "100", ["[backbone] tile is 100", "multiple of 16"]),
        ("tile", "-128", ["tile", "-128"]),
        ("multiple", "0", ["[backbone] multiple is 0", "1 or more"]),
    ];
    for (key, value, parts) in cases {
        let copy = Copy::shifting(Some(TILE), 0.5);
        copy.set(key, value);
        let text = text_of(Bundle::open(copy.path()));
        assert_contains(&text, &[copy.text(), MANIFEST]);
        assert_contains(&text, &parts);
    }
}

#[test]
fn a_graph_whose_sides_are_not_the_tile_of_the_manifest_is_an_error_that_names_both() {
    for (name, graph, of_64) in [
        (ENCODER, "prior_encoder", half_mean(Some(64))),
        (BACKBONE, "backbone", shift(Some(64), 0.5)),
    ] {
        let copy = Copy::shifting(Some(TILE), 0.5);
        copy.vouch(name, &of_64);
        let bundle = Bundle::open(copy.path()).unwrap();
        let text = text_of(engine(&bundle, &tiled(0, OVERLAP), size(300, 200)));
        let parts = [
            copy.text(),
            graph,
            "'frame'",
            "height 64 and width 64",
            "tile = 128",
            "export",
        ];
        assert_contains(&text, &parts);
    }
    let copy = Copy::shifting(Some(TILE), 0.5);
    copy.replace("\ntile = 128", "");
    let bundle = Bundle::open(copy.path()).unwrap();
    let text = text_of(engine(&bundle, &tiled(0, OVERLAP), size(300, 200)));
    assert_contains(
        &text,
        &["height 128 and width 128", "[backbone] of the manifest has no tile"],
    );
}

#[test]
fn graphs_of_any_size_run_on_the_tile_of_the_manifest_too() {
    let (free, fixed) = (Copy::shifting(None, 0.5), shifting(0.5));
    free.replace("multiple = 16", "multiple = 16\ntile = 128");
    let (free, frame) = (Bundle::open(free.path()).unwrap(), picture(300, 200, 1));
    let of = |bundle: &Bundle| restored_by(bundle, &tiled(0, OVERLAP), &frame, (300, 200));
    assert!(of(&free) == of(&fixed));
}

#[test]
fn the_element_restores_in_tiles_as_the_engine_does() {
    let (width, height) = (160, 120);
    let frame = picture(width, height, 1);
    let element = element();
    element.set_property("tile-size", 64_u32);
    element.set_property("tile-overlap", 16_u32);
    let expected = restore(&mut nano(&tiled(64, 16), width, height), &frame);
    assert!(through(&mut harness(&element, width, height), &frame, width, height) == expected);
}

#[test]
fn tiles_that_change_in_ready_are_the_next_ones() {
    let (width, height) = (160, 120);
    let frame = picture(width, height, 1);
    let element = element();
    for (side, overlap) in [(64, 16), (64, 48), (96, 16), (0, 16)] {
        element.set_state(gst::State::Ready).unwrap();
        element.set_property("tile-size", side as u32);
        element.set_property("tile-overlap", overlap as u32);
        let expected = restore(&mut nano(&tiled(side, overlap), width, height), &frame);
        let out = through(&mut harness(&element, width, height), &frame, width, height);
        assert!(out == expected, "tiles of {side} that overlap by {overlap}");
    }
}

#[test]
fn pipelines_play_in_tiles_of_their_own_choice_and_of_the_models() {
    let fixed = Copy::shifting(Some(TILE), 0.5);
    for properties in [
        "tile-size=64 tile-overlap=16".to_owned(),
        format!("model={}", fixed.text()),
    ] {
        for (format, width, height) in [("RGBx", 200, 70), ("BGR", 33, 150)] {
            let (pipeline, blurdm) = pipeline(&format!(
                "videotestsrc num-buffers=3 ! video/x-raw,format={format},width={width},height={height} \
                 ! blurdm name=b execution-provider=cpu {properties} ! fakesink"
            ));
            play_to_end(&pipeline);
            assert_eq!(frames(&blurdm), 3);
            assert!(milliseconds(&blurdm, "backbone-ms-p50") > 0.0);
            pipeline.set_state(gst::State::Null).unwrap();
        }
    }
}

#[test]
fn tiles_that_cannot_be_had_are_one_error_of_the_element() {
    let fixed = Copy::shifting(Some(TILE), 0.5);
    let model = ("model", fixed.text());
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("tile-size", "63")], "64 to 4096 pixels"),
        (&[("tile-size", "100")], "multiple of 16"),
        (
            &[("tile-size", "64"), ("tile-overlap", "64")],
            "set tile-overlap to 63 or less",
        ),
        (&[model, ("tile-size", "256")], "set tile-size to 128 or 0"),
    ];
    for (wrong, part) in cases {
        let error = one_error(wrong);
        assert!(error.matches(gst::ResourceError::Settings), "{error:?}");
        assert_names(&error, &[part]);
    }
}
