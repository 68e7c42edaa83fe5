// SPDX-License-Identifier: MPL-2.0

//! How pictures are turned and mirrored when they are shown.

mod matroska;
mod stated;
mod turns;

pub use stated::{of_whole_movie, read};
pub use turns::Orientation;
