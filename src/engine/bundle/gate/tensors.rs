// SPDX-License-Identifier: MPL-2.0

//! Tensors in the file: weights and constants.

use super::onnx::{Tensor, data_type};

/// The most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 12;

/// The most elements of a tensor in a file, which float32 needs 1 GiB for.
const MOST_ELEMENTS: u64 = 1 << 28;

/// Checks that a tensor's values are in the file, and are as many as its shape says.
///
/// # Errors
/// The reason, and what to do.
pub(super) fn check(tensor: &Tensor) -> Result<(), String> {
    if tensor.data_location.is_some_and(|location| location != 0) || !tensor.external_data.is_empty() {
        return Err("its values are in another file; save the model with all its data in one file".into());
    }
    if tensor.segment.is_some() || !tensor.string_data.is_empty() {
        return Err("it is stored in parts, or consists of texts; export the model without it".into());
    }
    let element = tensor.data_type.unwrap_or_default();
    let Some(size) = element_size(element) else {
        return Err(format!(
            "its element type is number {element}; use floating-point numbers, 8-bit to 64-bit integers or truth values"
        ));
    };
    let count = count(&tensor.dims).map_err(|reason| format!("it {reason}; export the model again"))?;
    if count > MOST_ELEMENTS {
        return Err(format!(
            "it has {count} elements, and {MOST_ELEMENTS} are the most; use a smaller network"
        ));
    }
    let (stored, wanted) = match &tensor.raw_data {
        Some(raw) => (raw.len() as u64, count.checked_mul(size as u64)),
        None => (typed_count(tensor, element) as u64, Some(count)),
    };
    let lists = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    let elsewhere = match &tensor.raw_data {
        Some(_) => lists.iter().sum(),
        None => lists.iter().sum::<usize>() - typed_count(tensor, element),
    };
    if wanted != Some(stored) || elsewhere > 0 {
        return Err(format!(
            "its shape {:?} and its data disagree; export the model again",
            tensor.dims
        ));
    }
    if has_nan(tensor, element) {
        return Err("it has values that are not numbers (NaN); train or export the model again".into());
    }
    let truth = |raw: &[u8]| raw.iter().all(|&value| value <= 1);
    if element == data_type::BOOL && !tensor.raw_data.as_deref().is_none_or(truth) {
        return Err("its truth values are neither 0 nor 1; export the model again".into());
    }
    Ok(())
}

/// Returns whether an element is NaN, which what comes after it may hide: a NaN becomes 0 where it is cast to bytes. Infinities are
/// in use, as limits.
fn has_nan(tensor: &Tensor, element: i32) -> bool {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    // An exponent of ones and a fraction that is not 0, above the number of infinity.
    let has_above = |infinity: u16| {
        let listed = tensor.int32_data.iter().map(|&half| half as u16);
        let mut values = raw
            .as_chunks()
            .0
            .iter()
            .map(|bytes| u16::from_le_bytes(*bytes))
            .chain(listed);
        values.any(|half| half & 0x7FFF > infinity)
    };
    match element {
        data_type::FLOAT => {
            let mut values = raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            values.any(f32::is_nan) || tensor.float_data.iter().any(|value| value.is_nan())
        }
        data_type::DOUBLE => {
            let mut values = raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
            values.any(f64::is_nan) || tensor.double_data.iter().any(|value| value.is_nan())
        }
        data_type::FLOAT16 => has_above(0x7C00),
        data_type::BFLOAT16 => has_above(0x7F80),
        _ => false,
    }
}

/// Returns the bytes of an element; `None` for a type that no tensor may have.
pub(super) fn element_size(element: i32) -> Option<usize> {
    use data_type::*;

    Some(match element {
        UINT8 | INT8 | BOOL => 1,
        UINT16 | INT16 | FLOAT16 | BFLOAT16 => 2,
        FLOAT | INT32 | UINT32 => 4,
        DOUBLE | INT64 | UINT64 => 8,
        _ => return None,
    })
}

/// Whether a type is one of integers.
pub(super) fn is_integer(element: i32) -> bool {
    use data_type::*;

    matches!(element, UINT8 | INT8 | UINT16 | INT16 | INT32 | INT64 | UINT32 | UINT64)
}

/// Returns the number of elements of a shape.
///
/// # Errors
/// What is wrong with it, without a subject.
pub(super) fn count(dims: &[i64]) -> Result<u64, String> {
    if dims.len() > MOST_DIMENSIONS {
        return Err(format!(
            "has {} dimensions, and {MOST_DIMENSIONS} are the most",
            dims.len()
        ));
    }
    let count = dims
        .iter()
        .try_fold(1u64, |product, &side| product.checked_mul(u64::try_from(side).ok()?));
    count.ok_or_else(|| format!("has {dims:?} for a shape"))
}

/// Returns how many elements the list of an element type holds.
fn typed_count(tensor: &Tensor, element: i32) -> usize {
    use data_type::*;

    match element {
        FLOAT => tensor.float_data.len(),
        DOUBLE => tensor.double_data.len(),
        INT64 => tensor.int64_data.len(),
        UINT32 | UINT64 => tensor.uint64_data.len(),
        _ => tensor.int32_data.len(),
    }
}

/// Returns the values of a tensor of integers that [`check`] accepts; `None` for other elements.
pub(super) fn integers(tensor: &Tensor) -> Option<Vec<i128>> {
    use data_type::*;

    let element = tensor.data_type.unwrap_or_default();
    if !is_integer(element) {
        return None;
    }
    let Some(raw) = &tensor.raw_data else {
        return Some(match element {
            INT64 => tensor.int64_data.iter().map(|&value| value.into()).collect(),
            UINT32 | UINT64 => tensor.uint64_data.iter().map(|&value| value.into()).collect(),
            _ => tensor.int32_data.iter().map(|&value| value.into()).collect(),
        });
    };
    let signed = matches!(element, INT8 | INT16 | INT32 | INT64);
    let value = |bytes: &[u8]| {
        // Little-endian, as all of ONNX.
        let unsigned = bytes.iter().rev().fold(0, |value, &byte| value << 8 | i128::from(byte));
        let bits = 8 * bytes.len();
        let negative = signed && unsigned >> (bits - 1) != 0;
        if negative { unsigned - (1 << bits) } else { unsigned }
    };
    let size = element_size(element)?;
    Some(raw.chunks_exact(size).map(value).collect())
}

/// Returns the values of a tensor of float32 that [`check`] accepts; `None` for other elements.
pub(super) fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    if tensor.data_type != Some(data_type::FLOAT) {
        return None;
    }
    Some(match &tensor.raw_data {
        Some(raw) => {
            let (values, _) = raw.as_chunks();
            values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        None => tensor.float_data.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_found_in_all_floating_point_numbers_and_infinity_is_none() {
        let tensor = |element, raw: &[u8]| Tensor {
            dims: vec![1],
            data_type: Some(element),
            raw_data: Some(raw.to_vec().into()),
            ..Tensor::default()
        };
        for (value, is_nan) in [(f32::NAN, true), (f32::INFINITY, false), (-0.0, false)] {
            let raw = tensor(data_type::FLOAT, &value.to_le_bytes());
            assert_eq!(check(&raw).is_err(), is_nan, "{value}");
            let listed = Tensor {
                raw_data: None,
                float_data: vec![value],
                ..raw
            };
            assert_eq!(check(&listed).is_err(), is_nan, "{value}");
        }
        for (half, is_nan) in [(0x7E00, true), (0xFC01, true), (0x7C00, false), (0x8000, false)] {
            let half: u16 = half;
            assert_eq!(
                check(&tensor(data_type::FLOAT16, &half.to_le_bytes())).is_err(),
                is_nan,
                "{half:x}"
            );
        }
    }

    #[test]
    fn integers_are_read_from_raw_bytes_with_their_sign() {
        let tensor = |element, raw: &[u8]| Tensor {
            data_type: Some(element),
            raw_data: Some(raw.to_vec().into()),
            ..Tensor::default()
        };
        let cases: [(i32, &[u8], &[i128]); 5] = [
            (data_type::INT8, &[0xFF, 0x7F], &[-1, 127]),
            (data_type::UINT8, &[0xFF], &[255]),
            (data_type::INT64, &i64::MIN.to_le_bytes(), &[i64::MIN as i128]),
            (data_type::UINT64, &u64::MAX.to_le_bytes(), &[u64::MAX as i128]),
            (data_type::INT16, &[0, 1, 0, 0x80], &[256, -32768]),
        ];
        for (element, raw, values) in cases {
            assert_eq!(integers(&tensor(element, raw)).as_deref(), Some(values), "{element}");
        }
        assert_eq!(integers(&tensor(data_type::FLOAT, &[0; 4])), None);
    }
}
