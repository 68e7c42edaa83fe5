// SPDX-License-Identifier: MPL-2.0

//! What is known of a file before anything is written: its boxes, tracks, samples and times.

mod movie;
mod placement;
pub(crate) mod sample_table;
mod segment;
mod track;
mod video;

pub use movie::{Movie, TopLevelBox};
pub use placement::{Matrix, Placement};
pub use sample_table::Chunk;
pub use segment::{Sample, Segment};
pub use track::{Edit, SampleEntry, Track};
pub use video::VideoTrack;
