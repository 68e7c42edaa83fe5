// SPDX-License-Identifier: MPL-2.0

//! The range of a network's output by the node that limits it, where there is one.

use super::conventions::Range;
use crate::engine::bundle::gate::{
    constant_floats,
    onnx::{Graph, Node},
};

/// Nodes that change the place or the type of numbers, and not the numbers.
const KEEPS_NUMBERS: [&str; 7] = [
    "Cast",
    "DepthToSpace",
    "Identity",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
];

/// Returns the range that the last node keeps the output in.
pub(super) fn output_range(graph: &Graph, output: &str) -> Option<Range> {
    let mut value = output;
    // Each is made by a node before the last one.
    for node in graph.node.iter().rev() {
        if node.output.first().is_none_or(|output| output != value) {
            continue;
        }
        match node.op_type() {
            operator if KEEPS_NUMBERS.contains(&operator) => value = node.input.first()?,
            "Tanh" => return Some(Range::SIGNED),
            "Sigmoid" | "HardSigmoid" => return Some(Range::UNIT),
            "Clip" => return clipped_to(graph, node),
            _ => return None,
        }
    }
    None
}

/// Returns the range of a `Clip` whose limits are constants.
fn clipped_to(graph: &Graph, node: &Node) -> Option<Range> {
    let limit = |number: usize| match constant_floats(graph, node.input.get(number)?)?[..] {
        [limit] => Some(limit),
        _ => None,
    };
    let range = Range::of(limit(1)?, limit(2)?);
    [Range::UNIT, Range::BYTES, Range::SIGNED]
        .into_iter()
        .find(|known| *known == range)
}
