// SPDX-License-Identifier: MPL-2.0

//! When frames are restored in tiles, and what the engine reports about them.

use std::time::{Duration, Instant};

use gstblurdm::engine::{Bundle, Error};

use crate::{
    OVERLAP, TILE, assert_contains,
    common::{bundle::Copy, picture, size},
    engine, nano, restore, restored_by, shifting, text_of, tiled,
};

#[test]
fn frames_are_restored_whole_unless_they_are_larger_than_a_tile_or_the_graphs_are_of_fixed_size() {
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
fn graphs_of_any_size_run_on_tiles_that_the_manifest_states() {
    let (free, fixed) = (Copy::shifting(None, 0.5), shifting(0.5));
    free.replace("multiple = 16", "multiple = 16\ntile = 128");
    let (free, frame) = (Bundle::open(free.path()).unwrap(), picture(300, 200, 1));
    let of = |bundle: &Bundle| restored_by(bundle, &tiled(0, OVERLAP), &frame, (300, 200));
    assert!(of(&free) == of(&fixed));
}

#[test]
fn the_prior_is_that_of_a_tile_where_frames_are_restored_in_tiles() {
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
    // Thirty tiles: five by six of 96 pixels that overlap by 32.
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
