// SPDX-License-Identifier: MPL-2.0

#![doc = include_str!("../README.md")]

pub mod boxes;
mod error;
mod read;
mod source;
mod write;

pub use error::Error;
pub use read::{Chunk, Edit, Matrix, Movie, Placement, Sample, SampleEntry, Segment, TopLevelBox, Track, VideoTrack};
pub use source::ReadAt;
pub use write::{NewVideo, place, splice, splice_tracks};
