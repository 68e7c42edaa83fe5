// SPDX-License-Identifier: MPL-2.0

//! What the command reads that others may have written, for the targets in `fuzz/`: compiled for them alone.

use std::ops::RangeInclusive;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    restore::{FinishedSegment, Identity, Order, Plan, Record, Report},
    values,
};

/// Parses what `--segments` is given.
pub fn segments(text: &str) -> Option<RangeInclusive<usize>> {
    values::range(text).ok()
}

/// Reads a text as each kind of JSON that the command reads: the record beside an output, the plan and the finished segments in the folder of
/// unfinished work, and the lines between it and its worker.
///
/// # Panics
/// What was read is another when it is written and read again.
pub fn json(text: &str) {
    stays::<Record>(text);
    stays::<Plan<Identity>>(text);
    stays::<FinishedSegment>(text);
    stays::<Order>(text);
    stays::<Report>(text);
}

fn stays<T: DeserializeOwned + Serialize>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else {
        return;
    };
    let written = serde_json::to_value(&value).ok();
    let read: Option<T> = written.clone().and_then(|written| serde_json::from_value(written).ok());
    let again = read.and_then(|value| serde_json::to_value(&value).ok());
    assert!(written.is_some() && written == again, "{written:?} becomes {again:?}");
}
