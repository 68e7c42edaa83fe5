// SPDX-License-Identifier: MPL-2.0

//! The colour of a video: what its bitstream and its container say, and writing it into new ones.

mod av1;
mod avc;
mod container;
mod hdr;
mod hevc;
mod nal_video;
mod others;
mod raw;
mod stream;
mod tags;
mod vp9;
mod vui;
mod write;

pub use raw::correct_caps;
pub use stream::Colour;
pub use tags::is_rgb;
pub use write::{for_matroska, state_in_caps, stated, write_into_frames};
