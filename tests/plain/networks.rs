// SPDX-License-Identifier: MPL-2.0

//! Networks of other conventions than ours, as ONNX files.

use std::{fs, path::PathBuf};

use prost::Message;
use tempfile::TempDir;

use crate::common::bundle::{
    messages::{Attribute, Model, Node, Tensor, attribute_type, data_type},
    onnx::{self, Attribute::Number, Dim},
};

pub const FLOAT16: u64 = 10;
pub use crate::common::bundle::onnx::{FLOAT, UINT8};

/// What networks of [`brightening`] add, in grey levels.
pub const MORE: u8 = 12;

/// An ONNX file in a folder of its own.
pub struct File {
    folder: TempDir,
}

impl File {
    pub fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("network.onnx"), bytes).unwrap();
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("network.onnx")
    }

    pub fn text(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// Writes a file beside it.
    pub fn beside(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }
}

/// The shape of an image of any size whose sides have the names of ours, which they need not agree with.
pub const NCHW: [Dim; 4] = [
    Dim::Free("batch"),
    Dim::Fixed(3),
    Dim::Free("height"),
    Dim::Free("width"),
];
pub const NHWC: [Dim; 4] = [Dim::Fixed(1), Dim::Free("h"), Dim::Free("w"), Dim::Fixed(3)];

pub const fn nchw(height: usize, width: usize) -> [Dim; 4] {
    [Dim::Fixed(1), Dim::Fixed(3), Dim::Fixed(height), Dim::Fixed(width)]
}

/// Returns a network that adds [`MORE`] grey levels to numbers that go from `black` to `white`, and limits them. Its
/// names are those of our contract.
pub fn brightening(element: u64, shape: &[Dim], black: f32, white: f32) -> Vec<u8> {
    let more = f32::from(MORE) / 255.0 * (white - black);
    onnx::model(
        &[("more", more), ("black", black), ("white", white)],
        &[("frame", element, shape)],
        &[
            ("Cast", &["frame"], "restored", Some(Number("to", FLOAT))),
            ("Add", &["restored", "more"], "scale", None),
            ("Clip", &["scale", "black", "white"], "clipped", None),
            ("Cast", &["clipped"], "value 1", Some(Number("to", element))),
        ],
        &[("value 1", element, shape)],
    )
}

/// As [`brightening`] of 0..1, without the limits that tell the range.
pub fn unlimited(shape: &[Dim], white: f32) -> Vec<u8> {
    onnx::model(
        &[("more", f32::from(MORE) / 255.0 * white)],
        &[("x", FLOAT, shape)],
        &[("Add", &["x", "more"], "y", None)],
        &[("y", FLOAT, shape)],
    )
}

/// Returns a network whose sides must be multiples of `block`: it is cut into blocks, brightened and put together.
pub fn in_blocks(block: u64) -> Vec<u8> {
    onnx::model(
        &[("more", f32::from(MORE) / 255.0)],
        &[("x", FLOAT, &NCHW)],
        &[
            ("SpaceToDepth", &["x"], "blocks", Some(Number("blocksize", block))),
            ("Add", &["blocks", "more"], "brighter", None),
            ("DepthToSpace", &["brighter"], "y", Some(Number("blocksize", block))),
        ],
        &[("y", FLOAT, &NCHW)],
    )
}

/// Returns a network that adds to its first channel only.
pub fn of_first_channel() -> Vec<u8> {
    changed(&unlimited(&NCHW, 1.0), |model| {
        let graph = model.graph.as_mut().unwrap();
        graph.initializer = vec![Tensor {
            dims: vec![1, 3, 1, 1],
            data_type: Some(data_type::FLOAT),
            float_data: vec![f32::from(MORE) / 255.0, 0.0, 0.0],
            name: Some("more".into()),
            ..Tensor::default()
        }];
    })
}

/// Returns a network that exchanges red and blue.
pub fn exchanging() -> Vec<u8> {
    changed(&unlimited(&NCHW, 1.0), |model| {
        let graph = model.graph.as_mut().unwrap();
        graph.initializer = vec![Tensor {
            dims: vec![3],
            data_type: Some(data_type::INT64),
            int64_data: vec![2, 1, 0],
            name: Some("order".into()),
            ..Tensor::default()
        }];
        graph.node = vec![Node {
            input: vec!["x".into(), "order".into()],
            output: vec!["y".into()],
            op_type: Some("Gather".into()),
            attribute: vec![Attribute {
                name: Some("axis".into()),
                i: Some(1),
                r#type: Some(attribute_type::INT),
                ..Attribute::default()
            }],
            ..Node::default()
        }];
    })
}

/// Returns a network of one node with two constants.
pub fn of_nodes(constants: &[(&str, f32)], nodes: &[onnx::Node], outputs: &[onnx::Port]) -> Vec<u8> {
    onnx::model(constants, &[("x", FLOAT, &NCHW)], nodes, outputs)
}

pub fn changed(model: &[u8], change: impl FnOnce(&mut Model)) -> Vec<u8> {
    let mut model = Model::decode(model).unwrap();
    change(&mut model);
    model.encode_to_vec()
}
