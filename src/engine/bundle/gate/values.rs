// SPDX-License-Identifier: MPL-2.0

//! The values that the nodes of a graph read and make.

use std::collections::HashMap;

use super::{
    attributes,
    names::quoted,
    onnx::{Graph, Node, Tensor, ValueInfo, data_type},
    operators::Operator,
    tensors,
};

/// Operators whose output has the elements of their first input, in the same order.
const KEEPS_ELEMENTS: [&str; 4] = ["Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// Operators in which exporters wrap weights: their output has the shape of their first input.
const KEEPS_RANK: [&str; 4] = ["Cast", "DequantizeLinear", "Identity", "QuantizeLinear"];

/// The longest side that a description states. A reshaping allocates as many numbers as a shape has.
const LONGEST_SIDE: i64 = 1 << 24;

/// What is known of a value without running the graph.
#[derive(Clone, Copy, Default)]
struct Known<'a> {
    /// The type of its elements; `None` where the graph does not say.
    element: Option<i32>,
    /// The elements, if they are always the same.
    constant: Option<&'a Tensor>,
    /// The number of dimensions of weights, also where they are stored in another type.
    rank: Option<usize>,
}

/// The values so far, by name.
#[derive(Default)]
pub(super) struct Values<'a>(HashMap<&'a str, Known<'a>>);

impl<'a> Values<'a> {
    /// Returns what there is before the first node.
    ///
    /// # Errors
    /// A value without a name, or two of one name.
    pub fn of_graph(graph: &'a Graph) -> Result<Self, String> {
        let mut values = Self::default();
        for input in &graph.input {
            let known = Known {
                element: element_of(input),
                ..Known::default()
            };
            values.add(input.name(), known)?;
        }
        let mut weights = Self::default();
        for tensor in &graph.initializer {
            let known = Known {
                element: tensor.data_type,
                constant: Some(tensor),
                rank: Some(tensor.dims.len()),
            };
            weights.add(tensor.name(), known)?;
        }
        for (name, known) in weights.0 {
            // One that is an input as well is its default, and no constant.
            values.0.entry(name).or_insert(known);
        }
        Ok(values)
    }

    fn add(&mut self, name: &'a str, known: Known<'a>) -> Result<(), String> {
        if name.is_empty() {
            return Err("a value has no name; export the model again".into());
        }
        match self.0.insert(name, known) {
            Some(_) => Err(format!(
                "the value {} is made twice; export the model again",
                quoted(name)
            )),
            None => Ok(()),
        }
    }

    /// Adds what a node makes.
    ///
    /// # Errors
    /// An input that nothing before the node makes, or an output that is there already.
    pub fn add_node(&mut self, node: &'a Node, operator: &Operator) -> Result<(), String> {
        let unknown = |name: &&String| !name.is_empty() && !self.0.contains_key(name.as_str());
        if let Some(name) = node.input.iter().find(unknown) {
            return Err(format!(
                "it reads {}, which nothing before it makes; export the model with its nodes in order",
                quoted(name)
            ));
        }
        let inputs: Vec<Option<i32>> = (0..node.input.len()).map(|number| self.element(node, number)).collect();
        let (stated, constant) = stated(node);
        let rank = KEEPS_RANK
            .contains(&operator.name)
            .then(|| self.rank(node, 0))
            .flatten();
        let passed_on = KEEPS_ELEMENTS
            .contains(&operator.name)
            .then(|| self.constant(node, 0))
            .flatten();
        for (number, name) in node.output.iter().enumerate() {
            // Optional outputs that are not wanted have no name.
            if name.is_empty() && number > 0 {
                continue;
            }
            let known = Known {
                element: operator.output_type(number, &inputs, stated),
                constant: constant.or(passed_on),
                rank: constant.map(|tensor| tensor.dims.len()).or(rank),
            };
            self.add(name, known)?;
        }
        Ok(())
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the type of the elements of a node's input.
    pub fn element(&self, node: &Node, number: usize) -> Option<i32> {
        self.input(node, number)?.element
    }

    /// Returns a node's input if it is a constant.
    pub fn constant(&self, node: &Node, number: usize) -> Option<&'a Tensor> {
        self.input(node, number)?.constant
    }

    /// Returns the number of dimensions of a node's input if it is made of a constant.
    pub fn rank(&self, node: &Node, number: usize) -> Option<usize> {
        self.input(node, number)?.rank
    }

    fn input(&self, node: &Node, number: usize) -> Option<Known<'a>> {
        self.0.get(node.input.get(number)?.as_str()).copied()
    }
}

fn element_of(value: &ValueInfo) -> Option<i32> {
    value.r#type.as_ref()?.tensor_type.as_ref()?.elem_type
}

/// Returns what the attributes of a node say of its output: the type of its elements, and the elements of `Constant`.
fn stated(node: &Node) -> (Option<i32>, Option<&Tensor>) {
    let has = |name| attributes::find(node, name).is_some();
    let value = attributes::find(node, "value").and_then(|attribute| attribute.t.as_ref());
    let to = attributes::find(node, "to").and_then(|attribute| i32::try_from(attribute.i()).ok());
    match node.op_type() {
        "Cast" => (to, None),
        "Constant" if has("value_int") || has("value_ints") => (Some(data_type::INT64), None),
        "Constant" => (value.map_or(Some(data_type::FLOAT), |tensor| tensor.data_type), value),
        "ConstantOfShape" => (value.map_or(Some(data_type::FLOAT), |tensor| tensor.data_type), None),
        _ => (None, None),
    }
}

/// Checks the type and the shape of an input, an output or another value that the file describes.
///
/// # Errors
/// The reason, which names the value.
pub(super) fn check_description(value: &ValueInfo) -> Result<(), String> {
    let refused = |reason: String| format!("the value {} {reason}; export the model again", quoted(value.name()));
    let Some(tensor) = value.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref()) else {
        return Ok(());
    };
    let element = tensor.elem_type.unwrap_or_default();
    if tensors::element_size(element).is_none() {
        return Err(refused(format!("has elements of type number {element}")));
    }
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let known: Vec<i64> = dims.map(|dim| dim.dim_value.unwrap_or(1)).collect();
    if known.iter().any(|&side| side > LONGEST_SIDE) {
        return Err(refused(format!("has {known:?} for a shape")));
    }
    tensors::count(&known).map_err(refused).map(|_| ())
}
