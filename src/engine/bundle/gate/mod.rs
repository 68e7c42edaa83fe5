// SPDX-License-Identifier: MPL-2.0

//! What a model must be before ONNX Runtime sees it.
//!
//! ONNX Runtime trusts the models that it loads: there are files that read other files, that never end, or that crash
//! it. So a file is decoded here first, and is refused unless it consists of what networks for images consist of. What
//! the gate has read are the very bytes that the session is created from.
//!
//! ```text
//! bytes ── wire: known fields, and how many ── onnx: decoded ── graph: each node ─┬─ operators: known, inputs, outputs
//!                                                                                 ├─ attributes: kinds and ranges
//!                                                                                 ├─ tensors: as long as their shapes
//!                                                                                 └─ values: element types, constants
//! ```
//!
//! What cannot be seen without running the model is left to the limit of time that loading has: how long a graph takes,
//! and how much memory it needs where sizes are computed.

mod attributes;
mod graph;
mod names;
pub(super) mod onnx;
mod operators;
mod sizes;
mod tensors;
mod values;
mod wire;

use bytes::Bytes;
use prost::Message;

use names::quoted;
use onnx::{Graph, Model, OperatorSet};
use operators::OWN_DOMAINS;

/// The versions of the format whose fields the gate knows, of which ONNX Runtime reads some.
const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=14;

/// The versions of the operators that the gate knows.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;

/// Where the identifier of ONNX Runtime's own format lies in a file, and the identifier. ONNX Runtime recognises it in
/// whatever it is given, and then reads no ONNX.
const ORT_FORMAT: (std::ops::Range<usize>, &[u8]) = (4..8, b"ORTM");

/// Checks the bytes of an ONNX file, and returns the model in them. The weights are not copied.
///
/// # Errors
/// The reason, which names the node, and what to do.
pub(crate) fn check(bytes: &Bytes) -> Result<Model, String> {
    let (place, identifier) = ORT_FORMAT;
    if bytes.get(place) == Some(identifier) {
        return Err("it is in ONNX Runtime's own format, which is not checked; use the ONNX file".into());
    }
    wire::check(bytes)?;
    let model = Model::decode(bytes.clone()).map_err(|error| format!("it is no ONNX model: {error}"))?;
    check_model(&model)?;
    Ok(model)
}

fn check_model(model: &Model) -> Result<(), String> {
    check_versions(model)?;
    if let Some(function) = model.functions.first() {
        let name = onnx::Function::decode(function.clone()).map(|function| function.name);
        return Err(format!(
            "it has local functions, the first of which is {}; export it with its functions inlined",
            quoted(name.ok().flatten().as_deref().unwrap_or_default())
        ));
    }
    if !model.training_info.is_empty() {
        return Err("it has information for training; export it for inference".into());
    }
    match &model.graph {
        Some(graph) if !graph.node.is_empty() => graph::check(graph),
        _ => Err("it is no ONNX model: it has no nodes".into()),
    }
}

fn check_versions(model: &Model) -> Result<(), String> {
    let version = model.ir_version.ok_or("it is no ONNX model: it has no ir_version")?;
    if !IR_VERSIONS.contains(&version) {
        return Err(format!(
            "its ir_version is {version}; export it with one from {} to {}",
            IR_VERSIONS.start(),
            IR_VERSIONS.end()
        ));
    }
    let own = |set: &&OperatorSet| OWN_DOMAINS.contains(&set.domain());
    let opset = opset(model);
    if !OPSETS.contains(&opset) || model.opset_import.iter().filter(own).count() > 1 {
        return Err(format!(
            "its opset is {opset}; export it with one from {} to {}",
            OPSETS.start(),
            OPSETS.end()
        ));
    }
    Ok(())
}

/// Returns the version of ONNX's own operators in a model, or 0 where it states none.
pub(super) fn opset(model: &Model) -> i64 {
    let own = |set: &&OperatorSet| OWN_DOMAINS.contains(&set.domain());
    model.opset_import.iter().find(own).map_or(0, OperatorSet::version)
}

/// Returns the float32 numbers of a value that is a weight or a constant of a graph that has passed.
pub(super) fn constant_floats(graph: &Graph, name: &str) -> Option<Vec<f32>> {
    let weight = graph.initializer.iter().find(|tensor| tensor.name() == name);
    let constant = || {
        let makes = |output: &String| output == name;
        let mut constants = graph.node.iter().filter(|node| node.op_type() == "Constant");
        let node = constants.find(|node| node.output.first().is_some_and(makes))?;
        attributes::find(node, "value")?.t.as_ref()
    };
    weight.or_else(constant).and_then(tensors::floats)
}
