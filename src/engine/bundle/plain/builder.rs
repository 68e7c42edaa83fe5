// SPDX-License-Identifier: MPL-2.0

//! A graph that is put together node by node around a network.

use super::ports::Ports;
use crate::engine::bundle::gate::onnx::{
    Attribute, Dimension, Graph, Model, Node, Shape, Tensor, TensorType, Type, ValueInfo, attribute_type, data_type,
};

/// What the names of the network begin with, so that none of them is one of ours.
const NETWORK: &str = "network/";

/// The first version of the format in which weights need not be inputs.
const LEAST_IR_VERSION: i64 = 4;

/// The value of an attribute.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Text(&'static str),
}

/// A graph so far. Values that are not given a name are numbered.
pub(super) struct Builder {
    model: Model,
    graph: Graph,
    count: usize,
}

impl Builder {
    /// Begins a graph of the versions of `model`.
    pub fn around(model: &Model) -> Self {
        Self {
            model: Model {
                ir_version: Some(model.ir_version().max(LEAST_IR_VERSION)),
                opset_import: model.opset_import.clone(),
                ..Model::default()
            },
            graph: Graph {
                name: Some("backbone".into()),
                ..Graph::default()
            },
            count: 0,
        }
    }

    pub fn input(&mut self, name: &str, element: i32, dims: Vec<Dimension>) {
        self.graph.input.push(value(name, element, dims));
    }

    pub fn output(&mut self, name: &str, element: i32, dims: Vec<Dimension>) {
        self.graph.output.push(value(name, element, dims));
    }

    pub fn into_model(self) -> Model {
        Model {
            graph: Some(self.graph),
            ..self.model
        }
    }

    /// Adds a node, and returns the name of its output.
    pub fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Value<'_>)]) -> String {
        let output = self.new_name();
        self.named(operator, inputs, &output, attributes);
        output
    }

    /// Adds a node whose output has a name.
    pub fn named(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, Value<'_>)]) {
        self.graph.node.push(Node {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.into()],
            name: Some(format!("{output} {operator}")),
            op_type: Some(operator.into()),
            attribute: attributes.iter().map(|(name, value)| attribute(name, *value)).collect(),
            ..Node::default()
        });
    }

    pub fn cast(&mut self, input: &str, element: i32) -> String {
        self.node("Cast", &[input], &[("to", Value::Int(element.into()))])
    }

    /// Adds a list of numbers.
    pub fn floats(&mut self, values: &[f32]) -> String {
        self.constant(Tensor {
            dims: vec![values.len() as i64],
            data_type: Some(data_type::FLOAT),
            float_data: values.to_vec(),
            ..Tensor::default()
        })
    }

    /// Adds one number.
    pub fn float(&mut self, value: f32) -> String {
        self.constant(Tensor {
            data_type: Some(data_type::FLOAT),
            float_data: vec![value],
            ..Tensor::default()
        })
    }

    /// Adds a list of integers.
    pub fn integers(&mut self, values: &[i64]) -> String {
        self.constant(Tensor {
            dims: vec![values.len() as i64],
            data_type: Some(data_type::INT64),
            int64_data: values.to_vec(),
            ..Tensor::default()
        })
    }

    fn constant(&mut self, tensor: Tensor) -> String {
        let name = self.new_name();
        self.graph.initializer.push(Tensor {
            name: Some(name.clone()),
            ..tensor
        });
        name
    }

    fn new_name(&mut self) -> String {
        self.count += 1;
        format!("value {}", self.count)
    }

    /// Adds the network, which is given `image` as float32 numbers, and returns what it computes, as float32 numbers.
    /// What its file says of the shapes of values is left out: a name there may be one that we pin.
    pub fn network(&mut self, model: &Model, ports: &Ports, image: &str) -> String {
        let inside = |name: &str| match name {
            "" => String::new(),
            name => format!("{NETWORK}{name}"),
        };
        let input = inside(&ports.input.name);
        match ports.input.element {
            data_type::FLOAT => self.named("Identity", &[image], &input, &[]),
            element => self.named("Cast", &[image], &input, &[("to", Value::Int(element.into()))]),
        }
        let network = model.graph.iter();
        let nodes = network.clone().flat_map(|graph| &graph.node).map(|node| Node {
            input: node.input.iter().map(|name| inside(name)).collect(),
            output: node.output.iter().map(|name| inside(name)).collect(),
            name: node.name.as_deref().map(inside),
            ..node.clone()
        });
        self.graph.node.extend(nodes);
        let weights = network.flat_map(|graph| &graph.initializer).map(|tensor| Tensor {
            name: tensor.name.as_deref().map(inside),
            ..tensor.clone()
        });
        self.graph.initializer.extend(weights);
        let output = inside(&ports.output.name);
        match ports.output.element {
            data_type::FLOAT => output,
            _ => self.cast(&output, data_type::FLOAT),
        }
    }
}

fn value(name: &str, element: i32, dims: Vec<Dimension>) -> ValueInfo {
    ValueInfo {
        name: Some(name.into()),
        r#type: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: Some(element),
                shape: Some(Shape { dim: dims }),
            }),
        }),
    }
}

fn attribute(name: &str, value: Value<'_>) -> Attribute {
    let attribute = Attribute {
        name: Some(name.into()),
        ..Attribute::default()
    };
    match value {
        Value::Int(number) => Attribute {
            i: Some(number),
            r#type: Some(attribute_type::INT),
            ..attribute
        },
        Value::Ints(numbers) => Attribute {
            ints: numbers.to_vec(),
            r#type: Some(attribute_type::INTS),
            ..attribute
        },
        Value::Text(text) => Attribute {
            s: Some(text.as_bytes().into()),
            r#type: Some(attribute_type::STRING),
            ..attribute
        },
    }
}
