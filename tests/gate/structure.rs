// SPDX-License-Identifier: MPL-2.0

//! What is wrong with a file as a whole.

use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

use crate::{
    assert_bundle_refused, assert_refused,
    common::{
        bundle::{
            BACKBONE, Copy,
            messages::{Entry, Graph, Model, data_type},
        },
        faults::{assert_names, one_error},
    },
    graphs::{add, graph, node, ones},
};

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "4")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    node: Vec<crate::common::bundle::messages::Node>,
    #[prost(string, tag = "10")]
    domain: String,
}

fn function(name: &str, calls: &str, outputs: &[&str]) -> Vec<u8> {
    let mut call = node(calls, &["a"], outputs, &[]);
    call.domain = Some("ours".into());
    Function {
        name: name.into(),
        input: vec!["a".into()],
        output: outputs.iter().map(|&name| name.into()).collect(),
        node: vec![call],
        domain: "ours".into(),
    }
    .encode_to_vec()
}

/// Appends a field of bytes to a message.
fn append(message: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(content.len() as u64, message);
    message.extend(content);
}

#[test]
fn three_thousand_nested_functions_are_refused() {
    assert_refused(
        |model| {
            let nested = |depth: usize| function(&format!("f{depth}"), &format!("f{}", depth + 1), &["b"]);
            model.functions = (0..3000).map(|depth| nested(depth).into()).collect();
        },
        &["local functions", "'f0'", "inlined"],
    );
}

#[test]
fn a_function_whose_outputs_do_not_fit_is_refused_and_one_that_calls_itself() {
    for (function, name) in [
        (function("wide", "Relu", &["b", "c", "d"]), "'wide'"),
        (function("self", "self", &["b"]), "'self'"),
    ] {
        assert_refused(
            |model| model.functions.push(function.into()),
            &["local functions", name, "inlined"],
        );
    }
}

#[test]
fn weights_in_another_file_are_refused_wherever_that_is() {
    for location in ["secret.bin", "../../../etc/passwd", "/dev/zero", "*/_ORT_MEM_ADDR_/*"] {
        let outside = |model: &mut Model| {
            ones(model, "weights", &[4]);
            let tensor = graph(model).initializer.last_mut().unwrap();
            tensor.float_data.clear();
            tensor.data_location = Some(1);
            tensor.external_data = vec![Entry {
                key: Some("location".into()),
                value: Some(location.into()),
            }];
        };
        assert_refused(outside, &["tensor 'weights'", "another file", "in one file"]);
        // Without the flag, and in the attribute of a node.
        assert_refused(
            |model| {
                outside(model);
                let mut tensor = graph(model).initializer.pop().unwrap();
                tensor.data_location = None;
                graph(model).initializer.push(tensor);
            },
            &["tensor 'weights'", "another file"],
        );
        assert_refused(
            |model| {
                outside(model);
                let tensor = graph(model).initializer.pop().unwrap();
                let mut value = crate::graphs::int("value", 0);
                (value.i, value.t, value.r#type) = (None, Some(tensor), Some(4));
                add(model, "Constant", &[], &[value]);
            },
            &["node 'the Constant' (Constant)", "another file"],
        );
    }
}

#[test]
fn weights_in_another_file_are_one_error_of_the_element_that_names_the_tensor() {
    let bundle = Copy::with_backbone(|model| {
        let tensor = &mut graph(model).initializer[0];
        tensor.raw_data = None;
        tensor.data_location = Some(1);
        tensor.external_data = vec![Entry {
            key: Some("location".into()),
            value: Some("secret.bin".into()),
        }];
    });
    bundle.write("secret.bin", &128f32.to_le_bytes());
    let error = one_error(&[("model", bundle.text())]);
    assert!(error.matches(gst::ResourceError::Read), "{error:?}");
    assert_names(&error, &[bundle.text(), BACKBONE, "tensor 'grey'", "another file"]);
}

#[test]
fn tensors_whose_bytes_and_shapes_disagree_are_refused() {
    let changes: [fn(&mut crate::common::bundle::messages::Tensor); 9] = [
        |tensor| tensor.dims = vec![5],
        |tensor| tensor.dims = vec![3],
        |tensor| tensor.dims = vec![-4],
        |tensor| tensor.dims = vec![i64::MAX, i64::MAX],
        |tensor| tensor.dims = vec![0],
        |tensor| tensor.dims = vec![1; 13],
        |tensor| tensor.raw_data = Some(vec![0; 16].into()),
        |tensor| tensor.data_type = Some(data_type::DOUBLE),
        |tensor| tensor.int64_data = vec![1],
    ];
    for change in changes {
        assert_refused(
            |model| {
                ones(model, "weights", &[4]);
                change(graph(model).initializer.last_mut().unwrap());
            },
            &["tensor 'weights'", "export"],
        );
    }
    for element in [0, 8, 14, 15, 17, 22, 99, -1] {
        assert_refused(
            |model| {
                ones(model, "weights", &[4]);
                graph(model).initializer.last_mut().unwrap().data_type = Some(element);
            },
            &["tensor 'weights'", &format!("number {element}")],
        );
    }
}

#[test]
fn a_file_in_the_runtimes_own_format_is_refused_though_it_is_an_onnx_file_as_well() {
    let copy = Copy::with_backbone(|_| {});
    let onnx = copy.file(BACKBONE);
    // The name of the producer begins with what lets the runtime take the file for its own.
    let mut both = Vec::new();
    append(&mut both, 2, b"  ORTM");
    assert_eq!(&both[4..8], b"ORTM");
    both.extend(&onnx);
    assert!(Model::decode(both.as_slice()).is_ok());
    copy.vouch(BACKBONE, &both);
    assert_bundle_refused(&copy, &["ONNX Runtime's own format"]);
}

#[test]
fn a_graph_in_two_parts_is_read_as_a_whole() {
    // The runtime merges both. A reader that takes the last one for the graph would not see the loop.
    let copy = Copy::with_backbone(|_| {});
    let mut first = Graph::default();
    first.node.push(node("Loop", &["", ""], &["x"], &[]));
    let mut both = Vec::new();
    append(&mut both, 7, &first.encode_to_vec());
    both.extend(copy.file(BACKBONE));
    copy.vouch(BACKBONE, &both);
    assert_bundle_refused(&copy, &["node 'the Loop' (Loop)", "control flow"]);
}

#[test]
fn fields_that_the_gate_does_not_know_are_refused_by_their_number() {
    let copy = Copy::with_backbone(|_| {});
    let onnx = copy.file(BACKBONE);
    for (number, part) in [(77, "field 77 of ModelProto"), (26, "field 26 of ModelProto")] {
        let mut more = onnx.clone();
        append(&mut more, number, b"");
        copy.vouch(BACKBONE, &more);
        assert_bundle_refused(&copy, &[part]);
    }
    // The value of an output that is no tensor but a sequence of sequences of sequences.
    let mut value = Vec::new();
    for _ in 0..200 {
        let inner = std::mem::take(&mut value);
        append(&mut value, 4, &inner);
    }
    let (mut described, mut first) = (Vec::new(), Vec::new());
    append(&mut described, 2, &value);
    append(&mut first, 12, &described);
    let mut more = onnx.clone();
    append(&mut more, 7, &first);
    copy.vouch(BACKBONE, &more);
    assert_bundle_refused(&copy, &["field 4 of TypeProto"]);
}

#[test]
fn a_small_file_that_decodes_to_a_large_one_is_refused() {
    let copy = Copy::with_backbone(|_| {});
    let graph = [0x0A, 0x00].repeat(2 << 20);
    let mut many = Vec::new();
    append(&mut many, 7, &graph);
    copy.vouch(BACKBONE, &many);
    assert_bundle_refused(&copy, &["fields", "smaller network"]);
    assert_refused(
        |model| {
            let first = graph_of(model).node[0].clone();
            graph_of(model).node = vec![first; 50_001];
        },
        &["50001 nodes"],
    );
    assert_refused(
        |model| graph_of(model).node[0].name = Some("n".repeat(5000)),
        &["text of NodeProto", "5000 bytes"],
    );
}

#[test]
fn descriptions_of_sides_beyond_reason_are_refused() {
    for side in [-1, (1 << 24) + 1, i64::MAX] {
        assert_refused(
            |model| {
                let described = graph(model).input[0].r#type.as_mut().unwrap();
                let shape = described.tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
                (shape.dim[1].dim_value, shape.dim[1].dim_param) = (Some(side), None);
            },
            &["value 'frame'", &side.to_string()],
        );
    }
}

fn graph_of(model: &mut Model) -> &mut Graph {
    graph(model)
}

#[test]
fn what_is_no_model_or_one_for_training_is_refused() {
    let copy = Copy::with_backbone(|_| {});
    let whole = copy.file(BACKBONE);
    for bytes in [
        &b"This is a text about graphs, and no graph.\n"[..],
        &[],
        &[0xFF; 64],
        &whole[..whole.len() - 1],
    ] {
        copy.vouch(BACKBONE, bytes);
        assert_bundle_refused(&copy, &["no ONNX model"]);
    }
    assert_refused(|model| model.graph = None, &["no nodes"]);
    assert_refused(|model| model.ir_version = Some(99), &["ir_version is 99"]);
    assert_refused(|model| model.opset_import.clear(), &["opset is 0"]);
    assert_refused(|model| model.opset_import[0].version = Some(1000), &["opset is 1000"]);
    assert_refused(|model| model.training_info.push(Vec::new().into()), &["training"]);
    assert_refused(
        |model| graph(model).sparse_initializer.push(Vec::new().into()),
        &["sparse weights"],
    );
}
