// SPDX-License-Identifier: MPL-2.0

//! The attributes of a node: their kinds, and the ranges of those that the runtime divides by or that set sizes.

use super::{
    names::quoted,
    onnx::{Attribute, Node, attribute_type},
    tensors,
};

/// Attributes that must be 1 or more.
const POSITIVE: [&str; 9] = [
    "strides",
    "dilations",
    "kernel_shape",
    "group",
    "num_groups",
    "blocksize",
    "size",
    "num_outputs",
    "output_shape",
];

/// Attributes that must be 0 or more.
const NOT_NEGATIVE: [&str; 3] = ["output_padding", "block_size", "batch_dims"];

/// The attribute of `Pad` that may be negative, and of convolutions that may not.
const PADS: &str = "pads";

/// The largest value of such an attribute: the longest side of a frame.
const LARGEST: i64 = 16_384;

/// The most numbers in one attribute.
const MOST_NUMBERS: usize = 1 << 16;

/// The operators whose attribute `value` is a tensor.
const WITH_TENSOR: [&str; 2] = ["Constant", "ConstantOfShape"];

/// Checks all attributes of a node.
///
/// # Errors
/// The reason, and what to do.
pub(super) fn check(node: &Node) -> Result<(), String> {
    for (number, attribute) in node.attribute.iter().enumerate() {
        let name = attribute.name();
        if node.attribute[..number].iter().any(|earlier| earlier.name() == name) {
            return Err(format!(
                "it has the attribute {} twice; export the model again",
                quoted(name)
            ));
        }
        check_kind(node, attribute).map_err(|reason| format!("its attribute {} {reason}", quoted(name)))?;
        check_range(node, attribute).map_err(|reason| format!("its attribute {} {reason}", quoted(name)))?;
    }
    Ok(())
}

/// Returns the attribute of a name.
pub(super) fn find<'a>(node: &'a Node, name: &str) -> Option<&'a Attribute> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}

/// Checks that an attribute has one value, of the type that it states.
fn check_kind(node: &Node, attribute: &Attribute) -> Result<(), String> {
    let Attribute {
        name: _,
        f,
        i,
        s,
        t,
        g,
        floats,
        ints,
        strings,
        tensors: several_tensors,
        graphs,
        tp,
        type_protos,
        r#type,
        ref_attr_name,
        sparse_tensor,
        sparse_tensors,
    } = attribute;
    if g.is_some() || !graphs.is_empty() || matches!(r#type, Some(attribute_type::GRAPH | attribute_type::GRAPHS)) {
        return Err("is a graph; export the model without control flow".into());
    }
    let never_used = [
        !strings.is_empty(),
        !several_tensors.is_empty(),
        tp.is_some(),
        !type_protos.is_empty(),
        ref_attr_name.is_some(),
        sparse_tensor.is_some(),
        !sparse_tensors.is_empty(),
    ];
    let present = [
        (attribute_type::FLOAT, f.is_some()),
        (attribute_type::INT, i.is_some()),
        (attribute_type::STRING, s.is_some()),
        (attribute_type::TENSOR, t.is_some()),
        (attribute_type::FLOATS, !floats.is_empty()),
        (attribute_type::INTS, !ints.is_empty()),
    ];
    let stated = r#type.unwrap_or_default();
    let known = present.iter().any(|(kind, _)| *kind == stated);
    let agrees = present.iter().all(|(kind, present)| !present || *kind == stated);
    if !known || !agrees || never_used.contains(&true) {
        return Err(
            "has no value of a kind that is known, or another one than it states; export the model again".into(),
        );
    }
    if floats.len().max(ints.len()) > MOST_NUMBERS {
        return Err(format!(
            "has more than {MOST_NUMBERS} numbers; export the model with less"
        ));
    }
    if stated == attribute_type::TENSOR {
        if !WITH_TENSOR.contains(&node.op_type()) {
            return Err("is a tensor; export the model again".into());
        }
        let tensor = t.as_ref().ok_or("has no value; export the model again")?;
        return tensors::check(tensor).map_err(|reason| format!("cannot be used: {reason}"));
    }
    Ok(())
}

/// Checks the numbers that the runtime divides by, counts with or makes sizes of.
fn check_range(node: &Node, attribute: &Attribute) -> Result<(), String> {
    let name = attribute.name();
    let least = if POSITIVE.contains(&name) {
        1
    } else if NOT_NEGATIVE.contains(&name) || name == PADS && node.op_type() != "Pad" {
        0
    } else if name == PADS {
        -LARGEST
    } else {
        return Ok(());
    };
    if !matches!(attribute.r#type, Some(attribute_type::INT | attribute_type::INTS)) {
        return Err("is no integer; export the model again".into());
    }
    let numbers = attribute.ints.iter().copied();
    let mut numbers = numbers.chain((attribute.r#type == Some(attribute_type::INT)).then(|| attribute.i()));
    match numbers.find(|number| !(least..=LARGEST).contains(number)) {
        Some(number) => Err(format!(
            "is {number}, which is not between {least} and {LARGEST}; export the model again"
        )),
        None => Ok(()),
    }
}
