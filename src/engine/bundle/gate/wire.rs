// SPDX-License-Identifier: MPL-2.0

//! The fields of a file, before any of them is decoded.
//!
//! Here is decided which fields there may be, so that the runtime reads none that the gate does not know, and how many,
//! so that a small file does not decode to a large one. No message in the table holds another of its kind, which bounds
//! the depth.

use prost::{
    bytes::Buf,
    encoding::{WireType, decode_key, decode_varint},
};

/// The most fields of a file. The largest networks for images have some 100,000.
const MOST_FIELDS: usize = 1 << 20;

/// The length of the longest text, such as a name, in bytes.
const LONGEST_TEXT: usize = 4096;

/// A message of onnx-ml.proto: its name there, and the fields that it may have, by number.
struct Message {
    name: &'static str,
    fields: &'static [(u32, Field)],
}

/// What a field holds.
enum Field {
    /// A number, several packed ones, or data.
    Value,
    Text,
    Message(&'static Message),
    /// A message that is refused later, by a check that can say where it is.
    Unread,
}

use Field::{Text, Unread, Value};

static MODEL: Message = Message {
    name: "ModelProto",
    fields: &[
        (1, Value),
        (2, Text),
        (3, Text),
        (4, Text),
        (5, Value),
        (6, Value),
        (7, Field::Message(&GRAPH)),
        (8, Field::Message(&OPERATOR_SET)),
        (14, Field::Message(&METADATA)),
        (20, Unread),
        (25, Unread),
    ],
};

static OPERATOR_SET: Message = Message {
    name: "OperatorSetIdProto",
    fields: &[(1, Text), (2, Value)],
};

/// A [`Message`] of two texts. What exporters note is of any length.
static METADATA: Message = Message {
    name: "StringStringEntryProto",
    fields: &[(1, Value), (2, Value)],
};

static GRAPH: Message = Message {
    name: "GraphProto",
    fields: &[
        (1, Field::Message(&NODE)),
        (2, Text),
        (5, Field::Message(&TENSOR)),
        (10, Value),
        (11, Field::Message(&VALUE_INFO)),
        (12, Field::Message(&VALUE_INFO)),
        (13, Field::Message(&VALUE_INFO)),
        (15, Unread),
        (16, Field::Message(&METADATA)),
    ],
};

static NODE: Message = Message {
    name: "NodeProto",
    fields: &[
        (1, Text),
        (2, Text),
        (3, Text),
        (4, Text),
        (5, Field::Message(&ATTRIBUTE)),
        (6, Value),
        (7, Text),
        (8, Text),
        (9, Field::Message(&METADATA)),
    ],
};

static ATTRIBUTE: Message = Message {
    name: "AttributeProto",
    fields: &[
        (1, Text),
        (2, Value),
        (3, Value),
        (4, Text),
        (5, Field::Message(&TENSOR)),
        (6, Unread),
        (7, Value),
        (8, Value),
        (9, Text),
        (10, Unread),
        (11, Unread),
        (13, Value),
        (14, Unread),
        (15, Unread),
        (20, Value),
        (21, Text),
        (22, Unread),
        (23, Unread),
    ],
};

static TENSOR: Message = Message {
    name: "TensorProto",
    fields: &[
        (1, Value),
        (2, Value),
        (3, Unread),
        (4, Value),
        (5, Value),
        (6, Unread),
        (7, Value),
        (8, Text),
        (9, Value),
        (10, Value),
        (11, Value),
        (12, Value),
        (13, Field::Message(&METADATA)),
        (14, Value),
        (16, Field::Message(&METADATA)),
    ],
};

static VALUE_INFO: Message = Message {
    name: "ValueInfoProto",
    fields: &[
        (1, Text),
        (2, Field::Message(&TYPE)),
        (3, Value),
        (4, Field::Message(&METADATA)),
    ],
};

/// Only tensors: no sequences, maps, optional values or sparse tensors.
static TYPE: Message = Message {
    name: "TypeProto",
    fields: &[(1, Field::Message(&TENSOR_TYPE)), (6, Text)],
};

static TENSOR_TYPE: Message = Message {
    name: "TypeProto.Tensor",
    fields: &[(1, Value), (2, Field::Message(&SHAPE))],
};

static SHAPE: Message = Message {
    name: "TensorShapeProto",
    fields: &[(1, Field::Message(&DIMENSION))],
};

static DIMENSION: Message = Message {
    name: "TensorShapeProto.Dimension",
    fields: &[(1, Value), (2, Text), (3, Text)],
};

/// Checks the fields of a whole file.
///
/// # Errors
/// The reason: a file that is cut short or no ONNX model, a field that is not in the table, or too many.
pub(super) fn check(file: &[u8]) -> Result<(), String> {
    let mut left = MOST_FIELDS;
    check_message(file, &MODEL, &mut left)
}

fn check_message(mut bytes: &[u8], message: &Message, left: &mut usize) -> Result<(), String> {
    let damaged = |reason: &dyn std::fmt::Display| format!("it is no ONNX model, or damaged: {reason}");
    while !bytes.is_empty() {
        *left = left.checked_sub(1).ok_or_else(|| {
            format!("it has more than {MOST_FIELDS} fields, far more than networks for images; use a smaller network")
        })?;
        let (number, wire_type) = decode_key(&mut bytes).map_err(|error| damaged(&error))?;
        let known = message.fields.iter().find(|(known, _)| *known == number);
        let Some((_, field)) = known else {
            return Err(format!(
                "it is no ONNX model, or uses what is not allowed: field {number} of {}; export it without",
                message.name
            ));
        };
        let length = match wire_type {
            WireType::Varint => {
                decode_varint(&mut bytes).map_err(|error| damaged(&error))?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => decode_varint(&mut bytes).map_err(|error| damaged(&error))?,
            WireType::StartGroup | WireType::EndGroup => return Err(damaged(&"it has groups")),
        };
        let within = usize::try_from(length).ok().and_then(|length| bytes.get(..length));
        let Some(content) = within else {
            return Err(damaged(&"it is cut short"));
        };
        match (field, wire_type) {
            (Field::Message(message), WireType::LengthDelimited) => check_message(content, message, left)?,
            (Field::Message(_), _) => return Err(damaged(&"a number is where a message must be")),
            (Text, _) if content.len() > LONGEST_TEXT => {
                return Err(format!(
                    "a text of {} in it has {} bytes; export it with names of {LONGEST_TEXT} bytes or less",
                    message.name,
                    content.len()
                ));
            }
            (Text | Value | Unread, _) => {}
        }
        bytes.advance(content.len());
    }
    Ok(())
}
