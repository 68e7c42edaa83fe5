// SPDX-License-Identifier: MPL-2.0

//! How pictures are turned and mirrored when they are shown.

mod coded;
mod matroska;
mod stated;
mod turns;

pub use coded::read as read_coded;
pub use stated::{of_whole_movie, read};
pub use turns::Orientation;
