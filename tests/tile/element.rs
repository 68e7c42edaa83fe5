// SPDX-License-Identifier: MPL-2.0

//! The element restores in tiles as the engine does.

use gst::prelude::*;

use crate::{
    TILE,
    common::{
        bundle::Copy,
        element,
        faults::{assert_names, one_error},
        frames, harness, milliseconds, picture, pipeline, play_to_end, through,
    },
    nano, restore, tiled,
};

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
fn tiles_that_are_set_in_ready_apply_to_the_next_stream() {
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
fn pipelines_play_with_the_tiles_of_properties_and_of_models() {
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
fn tiles_that_are_not_possible_are_one_error_of_the_element() {
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
