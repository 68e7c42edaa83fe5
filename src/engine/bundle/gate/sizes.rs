// SPDX-License-Identifier: MPL-2.0

//! The sizes that nodes with constant inputs make tensors of. Sizes that are computed are known to the runtime only.

use super::{
    attributes,
    onnx::Node,
    tensors::{floats, integers},
    values::Values,
};

/// The most elements of a tensor that is made from a few numbers, which float32 needs 256 MiB for.
const MOST_ELEMENTS: i128 = 1 << 26;

/// The longest side of a frame, which no border or side of an enlarged tensor exceeds.
const LONGEST_SIDE: i128 = 16_384;

/// The largest factor of an enlargement.
const LARGEST_SCALE: f32 = 64.0;

/// Checks the sizes that a node states.
///
/// # Errors
/// The reason, and what to do.
pub(super) fn check(node: &Node, values: &Values<'_>) -> Result<(), String> {
    let constant = |number| values.constant(node, number);
    match node.op_type() {
        "ConstantOfShape" => check_shape(constant(0).and_then(integers)),
        "Expand" | "Tile" => check_shape(constant(1).and_then(integers)),
        "Range" => check_range([0, 1, 2].map(|number| constant(number).and_then(number_of))),
        "Pad" => check_sides(constant(1).and_then(integers), -LONGEST_SIDE),
        "Resize" => {
            check_sides(constant(3).and_then(integers), 1)?;
            // Version 10 has the scales where later ones have the region.
            let scales = if node.input.len() == 2 {
                constant(1)
            } else {
                constant(2)
            };
            check_scales(scales.and_then(floats))
        }
        "Upsample" => {
            let attribute = attributes::find(node, "scales").map(|attribute| attribute.floats.clone());
            check_scales(attribute.or_else(|| constant(1).and_then(floats)))
        }
        _ => Ok(()),
    }
}

/// Returns the number of a tensor that holds one.
fn number_of(tensor: &super::onnx::Tensor) -> Option<f64> {
    let integer = integers(tensor).and_then(|values| Some(*values.first()? as f64));
    integer.or_else(|| Some((*floats(tensor)?.first()?).into()))
}

fn check_shape(shape: Option<Vec<i128>>) -> Result<(), String> {
    let Some(shape) = shape else { return Ok(()) };
    // In a shape to expand to, -1 keeps a side.
    let product = shape.iter().try_fold(1i128, |product, &side| match side {
        -1..=1 => Some(product),
        2.. => product.checked_mul(side).filter(|product| *product <= MOST_ELEMENTS),
        _ => None,
    });
    match product {
        Some(_) => Ok(()),
        None => Err(format!(
            "it makes a tensor of the shape {shape:?}, and {MOST_ELEMENTS} elements are the most; use a smaller network"
        )),
    }
}

fn check_range(numbers: [Option<f64>; 3]) -> Result<(), String> {
    let [Some(start), Some(end), Some(step)] = numbers else {
        return Ok(());
    };
    let count = (end - start) / step;
    if count <= MOST_ELEMENTS as f64 {
        return Ok(());
    }
    Err(format!(
        "it counts from {start} to {end} by {step}, and {MOST_ELEMENTS} elements are the most; use a smaller network"
    ))
}

fn check_sides(sides: Option<Vec<i128>>, least: i128) -> Result<(), String> {
    let wrong = sides
        .iter()
        .flatten()
        .find(|&&side| !(least..=LONGEST_SIDE).contains(&side));
    match wrong {
        Some(side) => Err(format!(
            "it enlarges a tensor by or to {side}, which is not between {least} and {LONGEST_SIDE}; use a smaller network"
        )),
        None => Ok(()),
    }
}

fn check_scales(scales: Option<Vec<f32>>) -> Result<(), String> {
    let wrong = scales
        .iter()
        .flatten()
        .find(|&&scale| !(scale > 0.0 && scale <= LARGEST_SCALE));
    match wrong {
        Some(scale) => Err(format!(
            "it enlarges a tensor by {scale}, which is not more than 0 and at most {LARGEST_SCALE}; use a smaller network"
        )),
        None => Ok(()),
    }
}
