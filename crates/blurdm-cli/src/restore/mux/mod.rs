// SPDX-License-Identifier: MPL-2.0

//! Writing the output from finished segments and the original.

mod mp4;
mod output;
mod placement;
mod remux;
mod segment_reader;
mod subtitles;

pub use output::Output;
