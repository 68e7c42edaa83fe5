// SPDX-License-Identifier: MPL-2.0

//! What the command reads that others may have written, for the targets in `fuzz/`: compiled for them alone.

use std::{io::Cursor, ops::RangeInclusive};

use image::ImageReader;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    restore::{
        Order, PictureEntry, PictureIdentity, PictureRecord, Plan, Record, Report, StoredSegment, WorkIdentity, codec,
    },
    values,
};

/// Larger pictures take longer, and are of no other kind.
const MAX_SIDE: u32 = 256;

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
    stays::<Plan<WorkIdentity>>(text);
    stays::<StoredSegment>(text);
    stays::<PictureRecord>(text);
    stays::<Plan<PictureIdentity>>(text);
    stays::<PictureEntry>(text);
    stays::<Order>(text);
    stays::<Report>(text);
}

/// Reads a picture, and writes it as it is.
///
/// # Panics
/// What was written is not what was read.
pub fn picture(file: &[u8]) {
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format().ok();
    let size = reader.and_then(|reader| reader.into_dimensions().ok());
    if size.is_none_or(|(width, height)| width.max(height) > MAX_SIDE) {
        return;
    }
    let Ok(picture) = codec::decode(file) else { return };
    let written = codec::encode(&picture.pixels, &picture, file);
    let proven = written.and_then(|written| codec::prove(&written, &picture.pixels, &picture));
    assert!(proven.is_ok(), "{proven:?}");
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
