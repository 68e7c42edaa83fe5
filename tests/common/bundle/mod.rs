// SPDX-License-Identifier: MPL-2.0

//! Copies of the built-in bundle, to be damaged or to be given graphs with known results.

/// ONNX's messages as the gate decodes them, to change and to write files with.
#[path = "../../../src/engine/bundle/gate/onnx.rs"]
pub mod messages;
pub mod onnx;

use std::{fs, ops::Range, path::Path};

use prost::Message;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use onnx::{
    Attribute::{Number, Numbers},
    Dim, FLOAT, UINT8,
};

pub const ENCODER: &str = "prior_encoder.onnx";
pub const RESIDUALS: &str = "residuals.onnx";
pub const SCALES: &str = "scales.onnx";
pub const BACKBONE: &str = "backbone.onnx";
pub const FP16: &str = "backbone.fp16.onnx";
pub const INT8: &str = "backbone.int8.onnx";
pub const MANIFEST: &str = "manifest.toml";

/// A bundle in a temporary folder.
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    /// Copies the bundle with the exact backbone only, so that it is the one that runs.
    pub fn new() -> Self {
        let copy = Self::with_variants();
        copy.drop_section("[backbone.losses]");
        for (precision, file) in [("fp16", FP16), ("int8", INT8)] {
            copy.replace(&format!("{precision} = \"{file}\"\n"), "");
        }
        copy
    }

    /// Copies the bundle.
    pub fn with_variants() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in [MANIFEST, ENCODER, RESIDUALS, BACKBONE, FP16, INT8] {
            fs::copy(super::nano().join(name), folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// Creates a bundle that shifts the brightness of its window: each channel by `gain` times the distance of its mean
    /// from 128. The prior is these means. There are four, since the fourth byte is shifted too. `side` fixes height
    /// and width.
    pub fn shifting(side: Option<usize>, gain: f32) -> Self {
        let copy = Self::new();
        copy.set("dim", "4");
        copy.vouch(ENCODER, &half_mean(side));
        copy.vouch(RESIDUALS, &no_residuals());
        copy.vouch(BACKBONE, &shift(side, gain));
        if let Some(side) = side {
            copy.replace("multiple = 16", &format!("multiple = 16\ntile = {side}"));
        }
        copy
    }

    /// As [`Copy::shifting`] with a gain of 0.5, and an int8 variant that shifts by `gain` and for which the manifest
    /// states no loss.
    pub fn shifting_with_int8(gain: f32) -> Self {
        let copy = Self::shifting(None, 0.5);
        copy.vouch(INT8, &shift(None, gain));
        copy.replace(
            "[backbone.variants]\n",
            &format!("[backbone.losses]\nint8 = 0.0\n\n[backbone.variants]\nint8 = \"{INT8}\"\n"),
        );
        copy
    }

    /// Creates a bundle without a prior, which adds `BRIGHTER` to each channel. `side` fixes height and width.
    pub fn without_prior(side: Option<usize>) -> Self {
        let copy = Self::new();
        for section in ["[schedule]", "[prior]"] {
            copy.drop_section(section);
        }
        for graph in [ENCODER, RESIDUALS] {
            copy.remove(graph);
        }
        copy.vouch(BACKBONE, &brighten(side));
        if let Some(side) = side {
            copy.replace("multiple = 16", &format!("multiple = 16\ntile = {side}"));
        }
        copy
    }

    /// Creates a bundle that leaves frames unchanged, and fails to run on those with a channel whose mean is 200 or
    /// more.
    pub fn failing_on_white() -> Self {
        let copy = Self::shifting(None, 0.5);
        copy.vouch(BACKBONE, &fails_on_white());
        copy
    }

    /// Creates a bundle as [`Copy::shifting`] does, of a network of four scales. Their shares are the softmax of the means
    /// times `steepness`.
    pub fn of_scales(side: Option<usize>, steepness: f32) -> Self {
        let copy = Self::shifting(side, 0.5);
        copy.replace("[files]\n", &format!("[files]\n\"{SCALES}\" = \"\"\n"));
        copy.vouch(SCALES, &softmax(steepness));
        copy.replace(
            "[backbone]\n",
            &format!("[scales]\ndivisors = [1, 2, 3, 4]\ngraph = \"{SCALES}\"\n\n[backbone]\n"),
        );
        copy
    }

    /// Creates a bundle that makes every frame black.
    pub fn blackening() -> Self {
        Self::with_backbone(|model| {
            let graph = model.graph.as_mut().unwrap();
            let rounded = graph.node.iter_mut().find(|node| node.op_type() == "Round").unwrap();
            rounded.input = vec!["none".into()];
            let black = messages::Node {
                input: vec!["clipped".into(), "black".into()],
                output: vec!["none".into()],
                op_type: Some("Mul".into()),
                ..messages::Node::default()
            };
            let place = graph.node.iter().position(|node| node.op_type() == "Round").unwrap();
            graph.node.insert(place, black);
        })
    }

    /// Creates a bundle that leaves square frames unchanged, after `steps` products of matrices of their size, `batch` times. A run that is
    /// cancelled ends between two of them.
    pub fn slow(batch: i64, steps: usize) -> Self {
        let node = |operator: &str, inputs: &[&str], output: &str| messages::Node {
            input: inputs.iter().map(|&name| name.into()).collect(),
            output: vec![output.into()],
            op_type: Some(operator.into()),
            ..messages::Node::default()
        };
        let attribute = |name: &str, numbers: &[i64]| messages::Attribute {
            name: Some(name.into()),
            ints: numbers.to_vec(),
            r#type: Some(messages::attribute_type::INTS),
            ..messages::Attribute::default()
        };
        Self::with_backbone(|model| {
            let graph = model.graph.as_mut().unwrap();
            graph.initializer.push(messages::Tensor {
                dims: vec![4],
                data_type: Some(messages::data_type::INT64),
                int64_data: vec![batch, 4, 1, 1],
                name: Some("batch".into()),
                ..messages::Tensor::default()
            });
            let mut planes = node("Transpose", &["numbers"], "planes");
            planes.attribute = vec![attribute("perm", &[0, 3, 1, 2])];
            // Rows whose sum is 1, so that no product overflows.
            let first = [
                planes,
                node("Softmax", &["planes"], "shares"),
                node("Expand", &["shares", "batch"], "product 0"),
            ];
            let products = (0..steps).map(|step| {
                let (last, next) = (format!("product {step}"), format!("product {}", step + 1));
                node("MatMul", &[&last, "shares"], &next)
            });
            let mut mean = node("ReduceMean", &[&format!("product {steps}")], "mean");
            mean.attribute = vec![attribute("axes", &[0, 1, 2, 3])];
            let last = [
                mean,
                node("Mul", &["mean", "black"], "none"),
                node("Add", &["numbers", "none"], "slowly"),
            ];
            graph.node.splice(1..1, first.into_iter().chain(products).chain(last));
            let rounded = graph.node.iter_mut().find(|node| node.op_type() == "Round").unwrap();
            rounded.input = vec!["slowly".into()];
        })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn text(&self) -> &str {
        self.path().to_str().unwrap()
    }

    pub fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    /// Replaces the value of a key of the manifest.
    pub fn set(&self, key: &str, value: &str) {
        let manifest = String::from_utf8(self.file(MANIFEST)).unwrap();
        let is_it = |line: &str| line.split_once(" =").is_some_and(|(name, _)| name == key);
        assert_eq!(manifest.lines().filter(|line| is_it(line)).count(), 1, "lines '{key}'");
        let lines = manifest.lines().map(|line| match is_it(line) {
            true => format!("{key} = {value}\n"),
            false => format!("{line}\n"),
        });
        self.write(MANIFEST, lines.collect::<String>().as_bytes());
    }

    /// Replaces a text in the manifest.
    pub fn replace(&self, old: &str, new: &str) {
        let manifest = String::from_utf8(self.file(MANIFEST)).unwrap();
        assert!(manifest.contains(old), "{old}");
        self.write(MANIFEST, manifest.replace(old, new).as_bytes());
    }

    /// Removes a section of the manifest, if it has it.
    pub fn drop_section(&self, head: &str) {
        let manifest = String::from_utf8(self.file(MANIFEST)).unwrap();
        let mut inside = false;
        let lines = manifest.lines().filter(|line| {
            if line.starts_with('[') {
                inside = *line == head;
            }
            !inside
        });
        let kept: Vec<&str> = lines.collect();
        self.write(MANIFEST, (kept.join("\n") + "\n").as_bytes());
    }

    /// Writes a file, and its hash into the manifest.
    pub fn vouch(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        let hash: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        self.set(&format!("\"{name}\""), &format!("\"{hash}\""));
    }

    /// Creates a bundle as [`Copy::shifting`] does, with a backbone that is changed by `change`.
    pub fn with_backbone(change: impl FnOnce(&mut messages::Model)) -> Self {
        let copy = Self::shifting(None, 0.5);
        let mut model = messages::Model::decode(copy.file(BACKBONE).as_slice()).unwrap();
        change(&mut model);
        copy.vouch(BACKBONE, &model.encode_to_vec());
        copy
    }

    /// Replaces every weight of a graph with NaN.
    pub fn poison(&self, name: &str) {
        self.fill(name, f32::NAN);
    }

    /// Replaces every weight of a graph with the largest number, so that it computes infinities.
    pub fn overflow(&self, name: &str) {
        self.fill(name, f32::MAX);
    }

    fn fill(&self, name: &str, weight: f32) {
        let mut bytes = self.file(name);
        let weights = weights(&bytes);
        assert!(!weights.is_empty(), "{name} has no weights to replace");
        for range in weights {
            for value in bytes[range].chunks_exact_mut(4) {
                value.copy_from_slice(&weight.to_le_bytes());
            }
        }
        self.vouch(name, &bytes);
    }
}

/// Returns a prior encoder that halves the means. From a_T = 2 to a_0 = 1 the sampler doubles a latent without
/// residuals.
pub fn half_mean(side: Option<usize>) -> Vec<u8> {
    onnx::model(
        &[("half", 0.5)],
        &[("frame", UINT8, &frame(side))],
        &[
            ("Cast", &["frame"], "numbers", Some(Number("to", FLOAT))),
            ("Mul", &["numbers", "half"], "halves", None),
            ("ReduceMean", &["halves"], "means", Some(Numbers("axes", &[1, 2]))),
            ("Flatten", &["means"], "z_blur", None),
        ],
        &[("z_blur", FLOAT, &LATENT)],
    )
}

/// Returns a residual graph whose residuals are zero.
fn no_residuals() -> Vec<u8> {
    let time = [Dim::Fixed(1)];
    onnx::model(
        &[],
        &[
            ("z_t", FLOAT, &LATENT),
            ("z_blur", FLOAT, &LATENT),
            ("t", FLOAT, &time),
            ("s", FLOAT, &time),
        ],
        &[
            ("Sub", &["t", "t"], "no_t", None),
            ("Sub", &["s", "s"], "no_s", None),
            ("Mul", &["z_blur", "no_t"], "blur_residual", None),
            ("Mul", &["z_t", "no_s"], "noise_residual", None),
        ],
        &[("blur_residual", FLOAT, &LATENT), ("noise_residual", FLOAT, &LATENT)],
    )
}

/// Returns a graph of scales whose shares are the softmax of the prior times `steepness`.
fn softmax(steepness: f32) -> Vec<u8> {
    onnx::model(
        &[("steepness", steepness)],
        &[("prior", FLOAT, &LATENT)],
        &[
            ("Mul", &["prior", "steepness"], "weights", None),
            ("Softmax", &["weights"], "shares", None),
        ],
        &[("shares", FLOAT, &LATENT)],
    )
}

/// Returns a backbone that adds `gain` times the prior's distance from 128.
pub fn shift(side: Option<usize>, gain: f32) -> Vec<u8> {
    onnx::model(
        &[("grey", 128.0), ("gain", gain), ("black", 0.0), ("white", 255.0)],
        &[("frame", UINT8, &frame(side)), ("prior", FLOAT, &LATENT)],
        &[
            ("Cast", &["frame"], "numbers", Some(Number("to", FLOAT))),
            ("Sub", &["prior", "grey"], "distance", None),
            ("Mul", &["distance", "gain"], "shift", None),
            ("Add", &["numbers", "shift"], "shifted", None),
            ("Clip", &["shifted", "black", "white"], "clipped", None),
            ("Round", &["clipped"], "rounded", None),
            ("Cast", &["rounded"], "restored", Some(Number("to", UINT8))),
        ],
        &[("restored", UINT8, &frame(side))],
    )
}

/// What the backbone of [`Copy::without_prior`] adds.
pub const BRIGHTER: u8 = 10;

/// Returns a backbone without a prior that adds [`BRIGHTER`].
fn brighten(side: Option<usize>) -> Vec<u8> {
    onnx::model(
        &[("more", BRIGHTER.into()), ("black", 0.0), ("white", 255.0)],
        &[("frame", UINT8, &frame(side))],
        &[
            ("Cast", &["frame"], "numbers", Some(Number("to", FLOAT))),
            ("Add", &["numbers", "more"], "brighter", None),
            ("Clip", &["brighter", "black", "white"], "clipped", None),
            ("Cast", &["clipped"], "restored", Some(Number("to", UINT8))),
        ],
        &[("restored", UINT8, &frame(side))],
    )
}

/// Returns a backbone that uses the mean of each channel, divided by 50, as an index into the four means.
fn fails_on_white() -> Vec<u8> {
    const INT64: u64 = 7;
    onnx::model(
        &[("per", 0.02), ("nothing", 0.0)],
        &[("frame", UINT8, &frame(None)), ("prior", FLOAT, &LATENT)],
        &[
            ("Mul", &["prior", "per"], "place", None),
            ("Cast", &["place"], "index", Some(Number("to", INT64))),
            ("GatherElements", &["prior", "index"], "found", Some(Number("axis", 1))),
            ("Mul", &["found", "nothing"], "none", None),
            ("Cast", &["frame"], "numbers", Some(Number("to", FLOAT))),
            ("Add", &["numbers", "none"], "same", None),
            ("Cast", &["same"], "restored", Some(Number("to", UINT8))),
        ],
        &[("restored", UINT8, &frame(None))],
    )
}

const LATENT: [Dim; 2] = [Dim::Fixed(1), Dim::Fixed(4)];

fn frame(side: Option<usize>) -> [Dim; 4] {
    let [height, width] = match side {
        Some(side) => [Dim::Fixed(side); 2],
        None => [Dim::Free("height"), Dim::Free("width")],
    };
    [Dim::Fixed(1), height, width, Dim::Fixed(4)]
}

/// Returns the positions of the float32 initialisers of an ONNX file. Scalars and short lists are constants, not
/// weights.
fn weights(model: &[u8]) -> Vec<Range<usize>> {
    const GRAPH: u64 = 7;
    const INITIALIZER: u64 = 5;
    const DATA_TYPE: u64 = 2;
    const RAW_DATA: u64 = 9;
    const FLOAT: usize = 1;
    const SHORTEST: usize = 64 * 4;
    let mut found = Vec::new();
    for (_, graph) in fields(model, 0..model.len()).into_iter().filter(|f| f.0 == GRAPH) {
        for (_, tensor) in fields(model, graph).into_iter().filter(|f| f.0 == INITIALIZER) {
            let parts = fields(model, tensor);
            let is_float = parts.iter().any(|(id, at)| *id == DATA_TYPE && at.start == FLOAT);
            let data = parts.into_iter().find(|f| f.0 == RAW_DATA).map(|f| f.1);
            found.extend(data.filter(|data| is_float && data.len() >= SHORTEST));
        }
    }
    found
}

/// Returns the fields of a protobuf message: the number, and the range of the payload, or for a varint its value as the
/// start.
fn fields(bytes: &[u8], message: Range<usize>) -> Vec<(u64, Range<usize>)> {
    let mut at = message.start;
    let varint = |at: &mut usize| {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    };
    let mut found = Vec::new();
    while at < message.end {
        let tag = varint(&mut at);
        let payload = match tag & 7 {
            0 => {
                let value = varint(&mut at) as usize;
                value..value
            }
            kind => {
                let length = match kind {
                    1 => 8,
                    2 => varint(&mut at) as usize,
                    5 => 4,
                    other => panic!("wire type {other} at {at}"),
                };
                at += length;
                at - length..at
            }
        };
        found.push((tag >> 3, payload));
    }
    found
}
