// SPDX-License-Identifier: MPL-2.0

//! Nodes and attributes, to write files with.

use bytes::Bytes;

use crate::common::bundle::messages::{Attribute, Graph, Model, Node, Tensor, attribute_type, data_type};

pub fn graph(model: &mut Model) -> &mut Graph {
    model.graph.as_mut().unwrap()
}

pub fn node(operator: &str, inputs: &[&str], outputs: &[&str], attributes: &[Attribute]) -> Node {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.into()).collect();
    Node {
        input: texts(inputs),
        output: texts(outputs),
        name: Some(format!("the {operator}")),
        op_type: Some(operator.into()),
        attribute: attributes.to_vec(),
        ..Node::default()
    }
}

/// Adds a node whose output nothing uses.
pub fn add(model: &mut Model, operator: &str, inputs: &[&str], attributes: &[Attribute]) {
    graph(model).node.push(node(operator, inputs, &["unused"], attributes));
}

pub fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: Some(name.into()),
        ints: values.to_vec(),
        r#type: Some(attribute_type::INTS),
        ..Attribute::default()
    }
}

pub fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: Some(name.into()),
        i: Some(value),
        r#type: Some(attribute_type::INT),
        ..Attribute::default()
    }
}

pub fn body(name: &str, graph: impl Into<Bytes>) -> Attribute {
    Attribute {
        name: Some(name.into()),
        g: Some(graph.into()),
        r#type: Some(attribute_type::GRAPH),
        ..Attribute::default()
    }
}

/// Adds a constant of 64-bit integers.
pub fn integers(model: &mut Model, name: &str, dims: &[i64], values: &[i64]) {
    graph(model).initializer.push(Tensor {
        dims: dims.to_vec(),
        data_type: Some(data_type::INT64),
        int64_data: values.to_vec(),
        name: Some(name.into()),
        ..Tensor::default()
    });
}

/// Adds a constant of floating-point numbers, all of them 1.
pub fn ones(model: &mut Model, name: &str, dims: &[i64]) {
    let count: i64 = dims.iter().product();
    graph(model).initializer.push(Tensor {
        dims: dims.to_vec(),
        data_type: Some(data_type::FLOAT),
        float_data: vec![1.0; usize::try_from(count).unwrap()],
        name: Some(name.into()),
        ..Tensor::default()
    });
}
