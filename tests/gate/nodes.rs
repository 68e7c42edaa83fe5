// SPDX-License-Identifier: MPL-2.0

//! What is wrong with a node.

use std::sync::mpsc;

use prost::Message;

use crate::{
    assert_refused,
    common::{
        bundle::{
            BACKBONE, Copy,
            messages::{Attribute, Graph, Model, ValueInfo, attribute_type},
        },
        faults::{assert_names, one_error},
    },
    graphs::{add, body, graph, int, integers, ints, node, ones},
};

/// A loop that never ends: its condition is always true, and it has no count.
fn endless_loop(model: &mut Model) {
    let value = |name: &str| ValueInfo {
        name: Some(name.into()),
        ..ValueInfo::default()
    };
    let inner = Graph {
        node: vec![node("Identity", &["go on"], &["again"], &[])],
        name: Some("body".into()),
        input: vec![value("count"), value("go on")],
        output: vec![value("again")],
        ..Graph::default()
    };
    add(model, "Loop", &["", ""], &[body("body", inner.encode_to_vec())]);
}

#[test]
fn an_endless_loop_is_one_error_of_the_state_change_that_names_the_node() {
    let bundle = Copy::with_backbone(endless_loop);
    let (sender, receiver) = mpsc::channel();
    let model = bundle.text().to_owned();
    std::thread::spawn(move || sender.send(one_error(&[("model", &model)])));
    let error = receiver.recv_timeout(crate::common::HANG.into());
    let error = error.expect("the state change did not return");
    assert!(error.matches(gst::ResourceError::Read), "{error:?}");
    assert_names(
        &error,
        &[bundle.text(), BACKBONE, "node 'the Loop' (Loop)", "control flow"],
    );
}

#[test]
fn control_flow_is_refused_with_the_name_of_the_node() {
    for operator in ["If", "Loop", "Scan", "SequenceMap"] {
        assert_refused(
            |model| add(model, operator, &["frame"], &[]),
            &[&format!("node 'the {operator}' ({operator})"), "control flow"],
        );
    }
    // In a node of another kind, and without a name.
    assert_refused(
        |model| {
            add(model, "Relu", &["numbers"], &[body("body", Vec::new())]);
            graph(model).node.last_mut().unwrap().name = None;
        },
        &["node 7 (Relu)", "'body' is a graph", "control flow"],
    );
}

#[test]
fn operators_of_other_domains_and_outside_the_list_are_refused() {
    for domain in ["com.microsoft", "ai.onnx.ml", "ai.onnx.preview.training", "ours"] {
        assert_refused(
            |model| {
                add(model, "Relu", &["numbers"], &[]);
                graph(model).node.last_mut().unwrap().domain = Some(domain.into());
            },
            &["node 'the Relu' (Relu)", &format!("domain '{domain}'")],
        );
    }
    for operator in [
        "StringNormalizer",
        "SequenceAt",
        "RandomNormal",
        "NonMaxSuppression",
        "LSTM",
        "relu",
        "",
    ] {
        assert_refused(
            |model| add(model, operator, &["numbers"], &[]),
            &[&format!("node 'the {operator}' ({operator})"), "networks for images"],
        );
    }
}

#[test]
fn strides_dilations_kernels_and_groups_below_1_are_refused() {
    for operator in ["Conv", "ConvTranspose"] {
        for wrong in [
            ints("strides", &[0, 0]),
            ints("strides", &[1, -1]),
            ints("strides", &[i64::MIN, 1]),
            ints("strides", &[i64::MAX, 1]),
            ints("dilations", &[0, 1]),
            ints("kernel_shape", &[3, 0]),
            int("group", 0),
            int("group", -1),
            ints("pads", &[0, 0, -1, 0]),
            ints("output_padding", &[-1, 0]),
            // Of another kind than it must be.
            Attribute {
                name: Some("strides".into()),
                f: Some(0.0),
                r#type: Some(attribute_type::FLOAT),
                ..Attribute::default()
            },
            // Of another kind than it says.
            Attribute {
                r#type: Some(attribute_type::FLOATS),
                ..ints("strides", &[0, 0])
            },
        ] {
            let name = format!("attribute '{}'", wrong.name());
            assert_refused(
                |model| {
                    ones(model, "kernel", &[4, 4, 3, 3]);
                    add(model, operator, &["numbers", "kernel"], &[wrong]);
                },
                &[&format!("node 'the {operator}' ({operator})"), &name],
            );
        }
    }
    let others: [(&str, Attribute); 10] = [
        ("MaxPool", ints("strides", &[0, 0])),
        ("MaxPool", ints("kernel_shape", &[0, 0])),
        ("AveragePool", ints("strides", &[0, 1])),
        ("AveragePool", ints("dilations", &[0, 1])),
        ("DepthToSpace", int("blocksize", 0)),
        ("SpaceToDepth", int("blocksize", -2)),
        ("LRN", int("size", 0)),
        ("Split", int("num_outputs", 0)),
        ("GlobalAveragePool", int("group", 0)),
        ("Flatten", ints("strides", &[0])),
    ];
    for (operator, wrong) in others {
        let name = format!("attribute '{}'", wrong.name());
        assert_refused(
            |model| add(model, operator, &["numbers"], &[wrong]),
            &[&format!("node 'the {operator}' ({operator})"), &name],
        );
    }
    assert_refused(
        |model| {
            add(
                model,
                "MaxPool",
                &["numbers"],
                &[ints("strides", &[0, 0]), ints("strides", &[1, 1])],
            )
        },
        &["node 'the MaxPool' (MaxPool)", "'strides'"],
    );
}

#[test]
fn transposed_convolutions_whose_kernels_and_weights_disagree_are_refused() {
    let cases: [(&[i64], &[i64]); 4] = [(&[4, 4], &[]), (&[4, 4], &[3, 3]), (&[4], &[3]), (&[4, 4, 3, 3], &[3])];
    for (weights, kernel) in cases {
        assert_refused(
            |model| {
                ones(model, "kernel", weights);
                let kernel = (!kernel.is_empty()).then(|| ints("kernel_shape", kernel));
                add(model, "ConvTranspose", &["numbers", "kernel"], kernel.as_slice());
            },
            &["node 'the ConvTranspose' (ConvTranspose)", "dimensions of its weights"],
        );
    }
}

/// ONNX Runtime 1.24.1 reads beyond the shape of the input: weights of more dimensions than it ended the process.
#[test]
fn convolutions_whose_weights_have_other_dimensions_than_they_state_are_refused() {
    let cases: [(&[i64], &[Attribute]); 6] = [
        (&[4, 4, 3, 3], &[]),
        (
            &[4, 4, 3, 3, 1],
            &[ints("strides", &[1, 1]), ints("dilations", &[1, 1])],
        ),
        (&[4, 4, 3, 3, 1], &[ints("dilations", &[1, 1])]),
        (&[4, 4, 3, 3, 1], &[ints("kernel_shape", &[3, 3])]),
        (&[4, 4], &[ints("strides", &[1, 1])]),
        (&[4], &[ints("pads", &[1, 1, 1, 1])]),
    ];
    for (weights, attributes) in cases {
        assert_refused(
            |model| {
                ones(model, "kernel", weights);
                add(model, "Conv", &["numbers", "kernel"], attributes);
            },
            &["node 'the Conv' (Conv)", "dimensions of its weights"],
        );
    }
    // Weights that the graph makes have dimensions that nobody knows before.
    assert_refused(
        |model| add(model, "Conv", &["numbers", "numbers"], &[ints("strides", &[1, 1])]),
        &["node 'the Conv' (Conv)", "dimensions of its weights"],
    );
}

#[test]
fn integers_are_divided_by_constants_of_1_or_more_only() {
    let divide = |model: &mut Model, operator: &str, divisor: &[i64]| {
        integers(model, "divisor", &[divisor.len() as i64], divisor);
        graph(model).node.push(node("Shape", &["frame"], &["sides"], &[]));
        add(model, operator, &["sides", "divisor"], &[]);
    };
    for operator in ["Div", "Mod"] {
        for divisor in [&[0][..], &[-1], &[4, 4, 0, 4]] {
            assert_refused(
                |model| divide(model, operator, divisor),
                &[&format!("node 'the {operator}' ({operator})"), "constant of 1 or more"],
            );
        }
        // What the divisor is, only running the graph would tell.
        assert_refused(
            |model| {
                graph(model).node.push(node("Shape", &["frame"], &["sides"], &[]));
                graph(model).node.push(node("Sub", &["sides", "sides"], &["zero"], &[]));
                add(model, operator, &["sides", "zero"], &[]);
            },
            &[&format!("node 'the {operator}' ({operator})"), "constant of 1 or more"],
        );
    }
}

#[test]
fn sizes_beyond_reason_are_refused() {
    let cases: [(&str, &[&str], &[i64]); 9] = [
        ("ConstantOfShape", &["sizes"], &[1 << 40, 1 << 20]),
        ("ConstantOfShape", &["sizes"], &[1 << 14, 1 << 14]),
        ("ConstantOfShape", &["sizes"], &[-5, 3]),
        ("Expand", &["gain", "sizes"], &[1 << 40, 3]),
        ("Tile", &["prior", "sizes"], &[1 << 31, 1 << 31]),
        ("Pad", &["prior", "sizes"], &[0, 1 << 40, 0, 0]),
        ("Pad", &["prior", "sizes"], &[0, 0, i64::MIN, 0]),
        ("Resize", &["numbers", "", "", "sizes"], &[1, 1 << 31, 1 << 31, 4]),
        ("Resize", &["numbers", "", "", "sizes"], &[1, 0, 16, 4]),
    ];
    for (operator, inputs, sizes) in cases {
        assert_refused(
            |model| {
                integers(model, "sizes", &[sizes.len() as i64], sizes);
                add(model, operator, inputs, &[]);
            },
            &[&format!("node 'the {operator}' ({operator})"), "smaller network"],
        );
    }
    for [start, end, step] in [[0, i64::MAX, 1], [0, 2, 0], [0, i64::MIN, -1]] {
        assert_refused(
            |model| {
                for (name, value) in [("start", start), ("end", end), ("step", step)] {
                    integers(model, name, &[], &[value]);
                }
                add(model, "Range", &["start", "end", "step"], &[]);
            },
            &["node 'the Range' (Range)", "smaller network"],
        );
    }
}

#[test]
fn nodes_that_lack_inputs_or_read_what_is_not_there_are_refused() {
    let cases: [(&str, &[&str], &[&str]); 7] = [
        ("Conv", &["numbers"], &["x"]),
        ("Conv", &["", "gain"], &["x"]),
        ("Relu", &[], &["x"]),
        ("Relu", &["numbers", "gain"], &["x"]),
        ("Relu", &["numbers"], &[]),
        ("Relu", &["what comes later"], &["x"]),
        ("Relu", &["numbers"], &["shifted"]),
    ];
    for (operator, inputs, outputs) in cases {
        assert_refused(
            |model| graph(model).node.push(node(operator, inputs, outputs, &[])),
            &[&format!("node 'the {operator}' ({operator})"), "export the model"],
        );
    }
    // Of operators that take any number of inputs, none may be left out.
    for operator in ["Min", "Max", "Sum", "Mean", "Concat"] {
        assert_refused(
            |model| add(model, operator, &["numbers", ""], &[]),
            &[&format!("node 'the {operator}' ({operator})"), "must be there"],
        );
    }
    assert_refused(
        |model| graph(model).output[0].name = Some("nothing".into()),
        &["output 'nothing'"],
    );
    assert_refused(|model| ones(model, "grey", &[1]), &["'grey' is made twice"]);
}

#[test]
fn names_are_shown_without_control_characters_and_not_at_length() {
    assert_refused(
        |model| {
            add(model, "Loop", &[], &[]);
            graph(model).node.last_mut().unwrap().name = Some("a\u{1b}[31m\n\0b".into());
        },
        &["node 'a\\u{1b}[31m\\n\\0b' (Loop)"],
    );
    assert_refused(
        |model| {
            add(model, "Loop", &[], &[]);
            graph(model).node.last_mut().unwrap().name = Some("n".repeat(4000));
        },
        &[&format!("node '{}…' (Loop)", "n".repeat(80))],
    );
}
