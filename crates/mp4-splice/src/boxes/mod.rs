// SPDX-License-Identifier: MPL-2.0

//! Boxes (QuickTime: atoms), of which a file is made. ISO/IEC 14496-12, section 4.2.

mod byte_reader;
mod colour;
mod header;
pub(crate) mod sample_entry;
mod stereo;
mod tree;

pub(crate) use byte_reader::ByteReader;
pub use colour::ColourBoxes;
pub(crate) use header::name;
pub use header::{FourCc, Header};
pub use tree::{Body, Mp4Box};
