// SPDX-License-Identifier: MPL-2.0

//! The nodes of a graph, one after the other.

use super::{
    attributes,
    names::quoted,
    onnx::{Graph, Node},
    operators::{self, OWN_DOMAINS, Operator},
    sizes, tensors,
    values::{self, Values},
};

/// The most nodes of a graph. The largest networks for images have some 10,000.
const MOST_NODES: usize = 50_000;

/// Operators that run other graphs.
const CONTROL_FLOW: [&str; 4] = ["If", "Loop", "Scan", "SequenceMap"];

/// Convolutions, and the number of the input that is their weights.
const CONVOLUTIONS: [(&str, usize); 4] = [("Conv", 1), ("ConvInteger", 1), (TRANSPOSED, 1), ("QLinearConv", 3)];
const TRANSPOSED: &str = "ConvTranspose";

/// Operators that divide, which ends the process where integers are divided by 0, or the smallest one by -1.
const DIVIDES: [&str; 2] = ["Div", "Mod"];

/// Checks a whole graph.
///
/// # Errors
/// The reason, which names the node or the tensor, and what to do.
pub(super) fn check(graph: &Graph) -> Result<(), String> {
    if graph.node.len() > MOST_NODES {
        return Err(format!(
            "it has {} nodes, and {MOST_NODES} are the most; use a smaller network",
            graph.node.len()
        ));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err("it has sparse weights; export it with dense ones".into());
    }
    for tensor in &graph.initializer {
        tensors::check(tensor).map_err(|reason| format!("tensor {}: {reason}", quoted(tensor.name())))?;
    }
    let described = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    described.clone().try_for_each(values::check_description)?;
    let mut values = Values::of_graph(graph)?;
    for (number, node) in graph.node.iter().enumerate() {
        check_node(node, &mut values).map_err(|reason| format!("{}: {reason}", label(number, node)))?;
    }
    match graph.output.iter().find(|output| !values.contains(output.name())) {
        Some(output) => Err(format!(
            "no node makes its output {}; export the model again",
            quoted(output.name())
        )),
        None => Ok(()),
    }
}

/// Returns how a message names a node: many have no name of their own.
fn label(number: usize, node: &Node) -> String {
    let operator = quoted(node.op_type());
    let operator = operator.trim_matches('\'');
    match node.name() {
        "" => format!("node {number} ({operator})"),
        name => format!("node {} ({operator})", quoted(name)),
    }
}

fn check_node<'a>(node: &'a Node, values: &mut Values<'a>) -> Result<(), String> {
    let operator = known_operator(node)?;
    check_count(node, operator)?;
    attributes::check(node)?;
    check_division(node, values)?;
    check_convolution(node, values)?;
    sizes::check(node, values)?;
    values.add_node(node, operator)
}

fn known_operator(node: &Node) -> Result<&'static Operator, String> {
    if !OWN_DOMAINS.contains(&node.domain()) {
        return Err(format!(
            "its operator is of the domain {}; export the model with ONNX's own operators",
            quoted(node.domain())
        ));
    }
    if !node.overload().is_empty() {
        return Err("it is a local function; export the model with its functions inlined".into());
    }
    if CONTROL_FLOW.contains(&node.op_type()) {
        return Err("control flow is not run; export the model without it".into());
    }
    operators::find(node.op_type()).ok_or_else(|| {
        "its operator is not one that networks for images consist of; export the model without it".into()
    })
}

fn check_count(node: &Node, operator: &Operator) -> Result<(), String> {
    let (inputs, outputs) = (node.input.len(), node.output.len());
    let count = if operator.is_variadic() {
        inputs.max(1)
    } else {
        operator.needed
    };
    let needed = node.input.iter().take(count);
    let present = needed.filter(|name| !name.is_empty()).count();
    if present < count || inputs > operator.most_inputs {
        return Err(format!(
            "it has {inputs} inputs, of which the first {count} must be there and {} are the most; export the model again",
            operator.most_inputs
        ));
    }
    if outputs == 0 || outputs > operator.most_outputs {
        return Err(format!(
            "it has {outputs} outputs, and {} are the most; export the model again",
            operator.most_outputs
        ));
    }
    Ok(())
}

/// A convolution states how many sides it has, and its weights have as many: the runtime compares the stated numbers with the dimensions of the
/// input, takes what is not stated from the weights, and reads beyond the shape of others. Of a transposed one it compares the kernel alone.
fn check_convolution(node: &Node, values: &Values<'_>) -> Result<(), String> {
    let mut convolutions = CONVOLUTIONS.iter();
    let Some((operator, weights)) = convolutions.find(|(operator, _)| *operator == node.op_type()) else {
        return Ok(());
    };
    let stated = |name| {
        let attribute = attributes::find(node, name)?;
        Some(attribute.ints.len()).filter(|&sides| sides > 0)
    };
    let (kernel, rank) = (stated("kernel_shape"), values.rank(node, *weights));
    let (sides, may_be_unknown) = match *operator {
        TRANSPOSED => (kernel, false),
        _ => (kernel.or(stated("strides")).or(stated("dilations")), kernel.is_some()),
    };
    let agrees = |sides| rank.map_or(may_be_unknown, |rank| rank == sides + 2);
    if sides.is_some_and(agrees) {
        return Ok(());
    }
    Err("its attribute 'kernel_shape' and the dimensions of its weights disagree, or are not stated; export the model again".into())
}

/// Integers are divided by constants of 1 or more only.
fn check_division(node: &Node, values: &Values<'_>) -> Result<(), String> {
    if !DIVIDES.contains(&node.op_type()) {
        return Ok(());
    }
    // What is not known may be integers.
    let is_integer = |number| values.element(node, number).is_none_or(tensors::is_integer);
    if !is_integer(0) && !is_integer(1) {
        return Ok(());
    }
    let divisors = values.constant(node, 1).and_then(tensors::integers);
    if divisors.is_some_and(|divisors| divisors.iter().all(|&divisor| divisor >= 1)) {
        return Ok(());
    }
    Err("it divides integers by what is no constant of 1 or more; export the model without it".into())
}
