// SPDX-License-Identifier: MPL-2.0

//! Writes ONNX files of a few nodes as protobuf. The field numbers are those of onnx.proto.

pub const FLOAT: u64 = 1;
pub const UINT8: u64 = 2;

/// A side of a tensor.
#[derive(Clone, Copy)]
pub enum Dim {
    Fixed(usize),
    Free(&'static str),
}

/// An input or output: name, type, shape.
pub type Port<'a> = (&'a str, u64, &'a [Dim]);

/// An operator of opset 13: its type, inputs, output, and an attribute if it needs one.
pub type Node<'a> = (&'a str, &'a [&'a str], &'a str, Option<Attribute<'a>>);

#[derive(Clone, Copy)]
pub enum Attribute<'a> {
    Number(&'a str, u64),
    Numbers(&'a str, &'a [u64]),
}

/// Returns a model. `constants` are scalars by name.
pub fn model(constants: &[(&str, f32)], inputs: &[Port], nodes: &[Node], outputs: &[Port]) -> Vec<u8> {
    const IR_VERSION: u64 = 8;
    const OPSET: u64 = 13;
    let mut graph = text(2, "graph");
    for (kind, inputs, output, attribute) in nodes {
        let mut node: Vec<u8> = inputs.iter().flat_map(|name| text(1, name)).collect();
        node.extend([text(2, output), text(4, kind)].concat());
        node.extend(attribute.iter().flat_map(|attribute| message(5, &attribute.bytes())));
        graph.extend(message(1, &node));
    }
    for (name, value) in constants {
        let tensor = [number(2, FLOAT), text(8, name), message(9, &value.to_le_bytes())].concat();
        graph.extend(message(5, &tensor));
    }
    for (field, ports) in [(11, inputs), (12, outputs)] {
        graph.extend(ports.iter().flat_map(|port| message(field, &value_info(port))));
    }
    [number(1, IR_VERSION), message(8, &number(2, OPSET)), message(7, &graph)].concat()
}

impl Attribute<'_> {
    fn bytes(&self) -> Vec<u8> {
        const INT: u64 = 2;
        const INTS: u64 = 7;
        match self {
            Self::Number(name, value) => [text(1, name), number(3, *value), number(20, INT)].concat(),
            Self::Numbers(name, values) => {
                let values = values.iter().flat_map(|value| number(8, *value)).collect();
                [text(1, name), values, number(20, INTS)].concat()
            }
        }
    }
}

fn value_info((name, element, shape): &Port) -> Vec<u8> {
    let dims = shape.iter().flat_map(|dim| {
        let dim = match dim {
            Dim::Fixed(side) => number(1, *side as u64),
            Dim::Free(name) => text(2, name),
        };
        message(1, &dim)
    });
    let tensor = [number(1, *element), message(2, &dims.collect::<Vec<u8>>())].concat();
    [text(1, name), message(2, &message(1, &tensor))].concat()
}

fn text(field: u64, value: &str) -> Vec<u8> {
    message(field, value.as_bytes())
}

fn message(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
