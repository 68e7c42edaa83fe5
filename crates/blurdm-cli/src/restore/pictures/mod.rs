// SPDX-License-Identifier: MPL-2.0

//! Restoring numbered pictures as a clip, and giving them back as such.
//!
//! ```text
//! picture ─ decode ─┬─ 8 bits ─ appsrc ! blurdm ! appsink ─┬─ encode ─ proof ─ its name
//!                   └─ all bits, alpha, metadata ──────────┘
//! ```
//!
//! Each picture gets its name when it is complete, so a run that was stopped continues with those that are missing. What has been written is known by the
//! hashes in the journal of the unfinished work, and afterwards by those in the record.

#[cfg(fuzzing)]
pub mod codec;
#[cfg(not(fuzzing))]
mod codec;
mod filter;
mod job;
mod journal;
mod jpeg;
mod pixels;
mod png;
mod preview;
mod record;
mod restoring;
mod sources;
mod tiff;
mod times;

pub use job::{PictureJob, PictureOptions};
pub use preview::save as save_preview;
#[cfg(fuzzing)]
pub use record::{Entry as PictureEntry, Identity as PictureIdentity, Record as PictureRecord};
