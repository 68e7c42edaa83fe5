// SPDX-License-Identifier: MPL-2.0

//! What GStreamer neither reads nor writes of Matroska, whose elements are those of EBML (RFC 8794, RFC 9559).

pub mod blocks;
pub mod ebml;
pub mod key_blocks;
pub mod stereo_mode;
pub mod track_flags;
pub mod tracks;
