// SPDX-License-Identifier: MPL-2.0

//! MP4 and QuickTime files with new video in them, and all else as it was.
//!
//! Demuxing and muxing again would lose much of what cameras put into their files. So the boxes of the original are kept, known or not; only the
//! samples of its video, and the tables that tell of them, are exchanged ([`splice`]), and whatever names a place in the file is put right.
//! ISO/IEC 14496-12 and Apple's QuickTime File Format are what this goes by.
//!
//! Memory is bounded by the tables, whatever the size of the file; media data are copied piece by piece.

mod boxes;
mod entry;
mod error;
mod fields;
mod layout;
mod moov;
mod movie;
mod places;
mod restored;
mod segment;
mod splice;
mod table;
mod tags;
mod timing;
mod track;
mod video;

#[cfg(test)]
mod tests;

pub use error::Mp4Error;
pub use movie::Movie;
pub use segment::Segment;
pub use splice::splice;
