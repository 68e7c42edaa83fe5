// SPDX-License-Identifier: MPL-2.0

//! Networks of every convention run in the element, with nothing told of them.

use gst::prelude::*;
use gstblurdm::engine::{Bundle, Deblurrer, Provider, Search};

use super::networks::{
    self, FLOAT, FLOAT16, File, MORE, NCHW, NHWC, UINT8, brightening, in_blocks, nchw, of_first_channel, unlimited,
};
use crate::common::{element, harness, options, picture, size, the_runtime, through};

/// Returns what the element makes of a frame with a model.
fn restored(model: &File, format: &str, frame: &[u8], width: usize, height: usize) -> Vec<u8> {
    let element = element();
    element.set_property("model", model.text());
    element.set_property("model-format", format);
    let out = through(&mut harness(&element, width, height), frame, width, height);
    assert_eq!(crate::common::frames(&element), 1);
    out
}

/// Panics unless each colour has `more` added to it, and the fourth byte is as it was.
fn assert_brighter(frame: &[u8], out: &[u8], more: [u8; 3], what: &str) {
    assert_eq!(out.len(), frame.len());
    for (at, (frame, out)) in frame.chunks_exact(4).zip(out.chunks_exact(4)).enumerate() {
        for channel in 0..3 {
            let wanted = frame[channel].saturating_add(more[channel]);
            assert!(
                out[channel].abs_diff(wanted) <= 1,
                "{what}: {frame:?} became {out:?} at {at}"
            );
        }
        assert_eq!(frame[3], out[3], "{what}");
    }
}

/// Returns what is found of a model.
fn found(model: &File) -> String {
    the_runtime();
    let bundle = Bundle::open(&model.path()).unwrap();
    let deblurrer = Deblurrer::new(&bundle, &options(Provider::Cpu), &Search::default(), size(64, 64));
    deblurrer.unwrap().conventions().unwrap().to_owned()
}

#[test]
fn networks_of_every_layout_type_range_and_size_run_without_a_model_format() {
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (
            "NCHW 0..1",
            brightening(FLOAT, &NCHW, 0.0, 1.0),
            "NCHW RGB float32 0..1, frames of any size",
        ),
        (
            "NHWC 0..1",
            brightening(FLOAT, &NHWC, 0.0, 1.0),
            "NHWC RGB float32 0..1, frames of any size",
        ),
        (
            "NCHW 0..255",
            brightening(FLOAT, &NCHW, 0.0, 255.0),
            "NCHW RGB float32 0..255, ",
        ),
        (
            "NCHW -1..1",
            brightening(FLOAT, &NCHW, -1.0, 1.0),
            "NCHW RGB float32 -1..1, ",
        ),
        (
            "NHWC bytes",
            brightening(UINT8, &NHWC, 0.0, 255.0),
            "NHWC RGB uint8 0..255, ",
        ),
        (
            "NCHW bytes",
            brightening(UINT8, &NCHW, 0.0, 255.0),
            "NCHW RGB uint8 0..255, ",
        ),
        (
            "fp16 fixed",
            brightening(FLOAT16, &nchw(256, 256), 0.0, 1.0),
            "NCHW RGB float16 0..1, tiles of 256x256",
        ),
        (
            "fixed",
            brightening(FLOAT, &nchw(64, 96), 0.0, 1.0),
            "NCHW RGB float32 0..1, tiles of 96x64",
        ),
        ("0..255 by trying", unlimited(&NCHW, 255.0), "NCHW RGB float32 0..255, "),
    ];
    for (what, network, description) in cases {
        let model = File::new(&network);
        assert!(found(&model).starts_with(description), "{what}: {}", found(&model));
        for (width, height) in [(50, 34), (300, 120)] {
            let frame = picture(width, height, 1);
            let out = restored(&model, "", &frame, width, height);
            assert_brighter(&frame, &out, [MORE; 3], &format!("{what}, {width}x{height}"));
        }
    }
}

#[test]
fn frames_are_padded_to_the_multiple_that_a_network_needs_however_small_they_are() {
    for block in [2, 8, 32] {
        let model = File::new(&in_blocks(block));
        let description = found(&model);
        assert!(description.ends_with(&format!("multiples of {block}")), "{description}");
        for (width, height) in [(16, 17), (50, 34), (67, 16)] {
            let frame = picture(width, height, 1);
            let out = restored(&model, "", &frame, width, height);
            assert_brighter(&frame, &out, [MORE; 3], &format!("{block}, {width}x{height}"));
        }
    }
}

#[test]
fn model_format_comes_before_what_is_found() {
    let frame = picture(50, 34, 1);
    let first = File::new(&of_first_channel());
    for (format, more) in [("", [MORE, 0, 0]), ("bgr", [0, 0, MORE]), ("RGB, nchw", [MORE, 0, 0])] {
        assert_brighter(&frame, &restored(&first, format, &frame, 50, 34), more, format);
    }
    // The same numbers are half as many grey levels of a range that is twice as wide.
    let unlimited = File::new(&unlimited(&NCHW, 1.0));
    let out = restored(&unlimited, "-1..1,multiple=64", &frame, 50, 34);
    assert_brighter(&frame, &out, [MORE / 2; 3], "-1..1");
}

#[test]
fn tiles_and_smaller_scales_work_with_a_file() {
    let model = File::new(&in_blocks(8));
    let frame = picture(150, 100, 1);
    for (property, value) in [("tile-size", 64_u32), ("reduction", 2)] {
        let element = element();
        element.set_property("model", model.text());
        element.set_property(property, value);
        let out = through(&mut harness(&element, 150, 100), &frame, 150, 100);
        assert_brighter(&frame, &out, [MORE; 3], property);
    }
}

#[test]
fn a_modelinfo_file_of_either_name_tells_the_range() {
    let frame = picture(50, 34, 1);
    for name in ["network.onnx.modelinfo", "network.modelinfo"] {
        let model = File::new(&unlimited(&NCHW, 1.0));
        model.beside(
            name,
            "# made by hand\n[modelinfo]\nversion=1.0\ngroup-id=none\n\n\
             [x]\nid=x\ntype=float32\ndims=-1,3,-1,-1\ndir=input\nranges=-1.0,1.0;-1.0,1.0;-1.0,1.0\n\n\
             [y]\nid=y\ntype=float32\ndims=-1,3,-1,-1\ndir=output\n",
        );
        assert_brighter(&frame, &restored(&model, "", &frame, 50, 34), [MORE / 2; 3], name);
        // The property comes first.
        assert_brighter(&frame, &restored(&model, "0..1", &frame, 50, 34), [MORE; 3], name);
    }
}

#[test]
fn a_file_that_is_told_other_conventions_is_another_model() {
    let model = File::new(&networks::unlimited(&NCHW, 1.0));
    let open = |format: &str| Bundle::open_with(&model.path(), format.parse().unwrap()).unwrap();
    assert_eq!(open("").hash(), open("").hash());
    assert_ne!(open("").hash(), open("-1..1").hash());
    let frame = picture(32, 32, 1);
    let element = element();
    element.set_property("model", model.text());
    for (format, more) in [("", MORE), ("-1..1", MORE / 2)] {
        element.set_property("model-format", format);
        let mut harness = harness(&element, 32, 32);
        assert_brighter(&frame, &through(&mut harness, &frame, 32, 32), [more; 3], format);
        drop(harness);
        element.set_state(gst::State::Null).unwrap();
    }
}
