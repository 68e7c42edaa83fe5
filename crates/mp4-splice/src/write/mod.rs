// SPDX-License-Identifier: MPL-2.0

//! The new file: the bytes of the original in their order, with new samples and corrected offsets.

mod layout;
mod moov;
mod offsets;
mod place;
mod ranges;
mod replacement;
mod splice;
mod tags;
mod time_tables;

pub use place::place;
pub use splice::{NewVideo, splice, splice_tracks};
