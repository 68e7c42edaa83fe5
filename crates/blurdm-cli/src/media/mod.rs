// SPDX-License-Identifier: MPL-2.0

//! GStreamer, as far as commands share it: pipelines, their messages, demuxing, the element and encoders.

pub mod before_segment;
mod bitstream;
pub mod broadcast;
pub mod codec_name;
pub mod coded_format;
pub mod colour;
pub mod demuxer;
mod display_order;
pub mod early_messages;
pub mod element;
pub mod encoder;
mod encoder_options;
pub mod encrypted;
pub mod frame_packing;
pub mod frame_size;
pub mod interrupt;
mod log;
pub mod matroska;
mod messages;
mod movie_length;
pub mod muxer;
pub mod orientation;
mod packet_times;
pub mod pipeline;
pub mod stereo;
pub mod styled_text;
pub mod transport;
pub mod watchdog;

pub use log::CAT;
