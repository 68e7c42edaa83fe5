// SPDX-License-Identifier: MPL-2.0

//! What is restored: the input files, the names of their outputs, the frames of a file, and its segments.

pub mod inputs;
mod matroska;
pub mod output_name;
mod scan;
mod segmentation;

pub use scan::Scan;
pub use segmentation::{Segment, TimeRange, segments};
