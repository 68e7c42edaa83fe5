// SPDX-License-Identifier: MPL-2.0

//! Tiles are blended without seams, and unchanged pixels keep their bytes.

use crate::{
    OVERLAP, SIZES, TILE, assert_fourth_bytes_equal,
    common::{bundle::Copy, compare::psnr, picture},
    grey, largest_step, nano, restore, restored_by, rows, shifted, shifting, tiled,
};
use gstblurdm::engine::Bundle;

#[test]
fn a_network_that_changes_nothing_preserves_every_byte_at_any_size() {
    let identity = shifting(0.0);
    for (width, height) in SIZES {
        let frame = picture(width, height, 1);
        let restored = restored_by(&identity, &tiled(0, OVERLAP), &frame, (width, height));
        assert!(restored == frame, "{width}x{height}");
    }
}

#[test]
fn a_network_that_changes_nothing_preserves_every_byte_with_any_tiles() {
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
fn a_constant_frame_is_restored_to_exactly_one_value() {
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
fn a_ramp_has_no_seam_although_every_tile_is_shifted_differently() {
    // The shifts of neighbouring tiles differ by up to 2 (TILE - OVERLAP) / 4 = 48 levels, so that a seam would be
    // found.
    const GAIN: f32 = -2.0;
    const SLOPE: f64 = 0.25;
    let apart = f64::from(-GAIN) * SLOPE * (TILE - OVERLAP) as f64;
    // One level of the ramp, the blend from shift to shift, and one level for rounding.
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
fn neighbours_are_blended_linearly_across_the_overlap() {
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
fn a_tile_larger_than_the_frame_is_filled_with_its_reflection() {
    const GAIN: f32 = 0.5;
    let bundle = shifting(GAIN);
    for (width, height) in [(16, 16), (100, 23)] {
        // Brightest in a corner, so that the mean shows how the tile was filled.
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
fn the_fourth_byte_is_preserved_even_where_a_graph_changes_it() {
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
    // The rest is due to what a tile does not see, and to its own prior.
    assert!(30.0 <= small && small < large, "{small} dB, {large} dB");
}
