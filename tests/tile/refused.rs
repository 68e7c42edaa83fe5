// SPDX-License-Identifier: MPL-2.0

//! Tiles that a bundle does not support are errors that say what to set.

use gstblurdm::engine::Bundle;

use crate::{
    OVERLAP, TILE, assert_contains,
    common::{
        bundle::{BACKBONE, Copy, ENCODER, MANIFEST, half_mean, shift},
        size,
    },
    engine, shifting, text_of, tiled,
};

#[test]
fn a_side_that_is_not_possible_is_an_error_that_says_what_to_set() {
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
fn an_overlap_that_is_not_smaller_than_the_tile_is_an_error_that_says_what_to_set() {
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
fn another_side_than_that_of_the_graphs_is_refused() {
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
