// SPDX-License-Identifier: MPL-2.0

//! Files that are no networks from an image to an image of the same size: one error that says what to do.

use super::networks::{FLOAT, File, NCHW, UINT8, brightening, changed, exchanging, nchw, of_nodes, unlimited};
use crate::common::{
    bundle::onnx::{
        Attribute::{Number, Numbers},
        Dim,
    },
    faults::{assert_names, one_error},
};

/// Asserts that a file with a format is one error that has each of `parts`.
fn assert_refused(network: &[u8], format: &str, parts: &[&str]) {
    let model = File::new(network);
    let error = one_error(&[("model", &model.text()), ("model-format", format)]);
    assert_names(&error, parts);
}

#[test]
fn a_classifier_and_a_detector_are_refused_with_what_is_wanted() {
    let classes = [Dim::Fixed(1), Dim::Fixed(3)];
    let classifier = of_nodes(
        &[],
        &[
            ("GlobalAveragePool", &["x"], "means", None),
            ("Flatten", &["means"], "classes", None),
        ],
        &[("classes", FLOAT, &classes)],
    );
    assert_refused(
        &classifier,
        "",
        &["network.onnx", "'classes' float32 [1, 3]", "2 dimensions", "an image"],
    );
    let boxes = [Dim::Fixed(1), Dim::Free("boxes"), Dim::Fixed(4)];
    let detector = of_nodes(
        &[],
        &[
            ("Identity", &["x"], "boxes", None),
            ("Identity", &["x"], "scores", None),
        ],
        &[("boxes", FLOAT, &boxes), ("scores", FLOAT, &boxes)],
    );
    assert_refused(
        &detector,
        "",
        &[
            "2 outputs",
            "'boxes'",
            "'scores'",
            "export the network with these alone",
        ],
    );
}

#[test]
fn a_network_that_changes_the_size_is_refused_whether_it_says_so_or_not() {
    let twice: &[(&str, &[&str], &str, Option<_>)] = &[("Concat", &["x", "x"], "y", Some(Number("axis", 2)))];
    let undeclared = of_nodes(&[], twice, &[("y", FLOAT, &NCHW)]);
    assert_refused(&undeclared, "", &["come out with", "keeps the size"]);
    let half = changed(&unlimited(&nchw(128, 128), 1.0), |model| {
        let graph = model.graph.as_mut().unwrap();
        let shape = &mut graph.output[0]
            .r#type
            .as_mut()
            .unwrap()
            .tensor_type
            .as_mut()
            .unwrap()
            .shape;
        for side in &mut shape.as_mut().unwrap().dim[2..] {
            side.dim_value = Some(64);
        }
    });
    assert_refused(&half, "", &["[1, 3, 64, 64]", "not of the size", "keeps the size"]);
}

#[test]
fn a_network_whose_numbers_are_none_or_do_not_depend_on_the_frame_is_refused() {
    let output = [("y", FLOAT, &NCHW[..])];
    for (factor, part) in [
        (f32::INFINITY, "infinite or not a number"),
        (f32::NAN, "not numbers (NaN)"),
    ] {
        let scaled = of_nodes(&[("factor", factor)], &[("Mul", &["x", "factor"], "y", None)], &output);
        assert_refused(&scaled, "", &[part]);
    }
    let flat = of_nodes(
        &[("none", 0.0), ("grey", 0.5)],
        &[
            ("Mul", &["x", "none"], "black", None),
            ("Add", &["black", "grey"], "y", None),
        ],
        &output,
    );
    assert_refused(&flat, "", &["same for every pixel"]);
}

#[test]
fn a_network_that_exchanges_red_and_blue_is_refused() {
    assert_refused(&exchanging(), "", &["red and blue come out exchanged"]);
}

#[test]
fn other_numbers_of_channels_images_and_dimensions_are_refused() {
    let shapes: [(&[Dim], &str); 3] = [
        (
            &[Dim::Fixed(1), Dim::Fixed(1), Dim::Free("h"), Dim::Free("w")],
            "another number of channels",
        ),
        (
            &[Dim::Fixed(8), Dim::Fixed(3), Dim::Free("h"), Dim::Free("w")],
            "a batch of 1",
        ),
        (&[Dim::Fixed(3), Dim::Free("h"), Dim::Free("w")], "3 dimensions"),
    ];
    for (shape, part) in shapes {
        assert_refused(&unlimited(shape, 1.0), "", &["'x' float32", part]);
    }
    assert_refused(&unlimited(&nchw(32, 32), 1.0), "", &["32x32 pixels", "64 to 4096"]);
    assert_refused(&brightening(7, &NCHW, 0.0, 255.0), "", &["float32, float16, uint8"]);
}

#[test]
fn what_is_told_and_cannot_be_is_refused() {
    let (nchw_any, fixed) = (unlimited(&NCHW, 1.0), unlimited(&nchw(256, 256), 1.0));
    assert_refused(&nchw_any, "rbg", &["'rbg' is not understood", "bgr", "multiple=NUMBER"]);
    assert_refused(&nchw_any, "nhwc", &["no NHWC image", "set another layout"]);
    assert_refused(&fixed, "multiple=48", &["256x256", "no multiples of 48"]);
    assert_refused(
        &brightening(UINT8, &NCHW, 0.0, 255.0),
        "0..1",
        &["from 0 to 255", "set no range"],
    );
}

#[test]
fn tiles_that_a_network_cannot_have_are_refused() {
    let fixed = File::new(&unlimited(&nchw(256, 256), 1.0));
    let error = one_error(&[("model", &fixed.text()), ("tile-size", "128")]);
    assert_names(&error, &["tiles of 256 pixels", "set tile-size to 256 or 0"]);
    let blocks = File::new(&super::networks::in_blocks(16));
    let error = one_error(&[("model", &blocks.text()), ("tile-size", "72")]);
    assert_names(&error, &["multiple of 16"]);
}

#[test]
fn a_file_of_an_old_version_and_one_that_runs_on_no_size_are_refused() {
    let old = changed(&unlimited(&NCHW, 1.0), |model| model.opset_import[0].version = Some(9));
    assert_refused(&old, "", &["opset is 9", "11 or later"]);
    let stuck = of_nodes(
        &[],
        &[
            ("SpaceToDepth", &["x"], "blocks", Some(Number("blocksize", 97))),
            ("DepthToSpace", &["blocks"], "y", Some(Number("blocksize", 97))),
        ],
        &[("y", FLOAT, &NCHW)],
    );
    assert_refused(
        &stuck,
        "",
        &["does not run on frames of", "export it for frames of any size"],
    );
}

#[test]
fn a_modelinfo_file_of_another_model_is_refused() {
    let header = "[modelinfo]\nversion=1.0\n";
    for (text, part) in [
        ("[x]\ndir=input\nranges=0,1\n".to_owned(), "has no [modelinfo]"),
        ("[modelinfo]\nversion=2.0\n".to_owned(), "version=1.x"),
        (format!("{header}[x]\ndir=input\ntype=uint8\n"), "type=uint8"),
        (
            format!("{header}[x]\ndir=input\ndims=1,224,224,3\n"),
            "dims=1,224,224,3",
        ),
        (format!("{header}[x]\ndir=input\nranges=1,0\n"), "ranges=1,0"),
        (format!("{header}[x\n"), "damaged"),
    ] {
        let model = File::new(&unlimited(&NCHW, 1.0));
        model.beside("network.onnx.modelinfo", &text);
        assert_names(
            &one_error(&[("model", &model.text())]),
            &["network.onnx", ".modelinfo", part],
        );
    }
}

#[test]
fn a_backbone_with_a_prior_is_refused_with_what_it_takes() {
    let error = one_error(&[("model", common_backbone().as_str())]);
    assert_names(
        &error,
        &["2 inputs", "'frame' uint8", "'prior' float32", "use a bundle"],
    );
}

fn common_backbone() -> String {
    crate::common::nano()
        .join(crate::common::bundle::BACKBONE)
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_means_over_both_sides_are_no_image() {
    let means = of_nodes(
        &[],
        &[("ReduceMean", &["x"], "y", Some(Numbers("axes", &[2, 3])))],
        &[("y", FLOAT, &NCHW)],
    );
    assert_refused(&means, "", &["1x1 pixels", "keeps the size"]);
}
