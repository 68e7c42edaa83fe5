// SPDX-License-Identifier: MPL-2.0

//! What is the same for every file.

use std::ops::RangeInclusive;

use super::{
    plan::{TimeRange, VideoChoice},
    report::Model,
};
use crate::media::{element::ElementSettings, encoder::Codec};

#[derive(Debug, Clone)]
pub struct Options {
    pub settings: ElementSettings,
    pub model: Model,
    pub codec: Option<Codec>,
    pub quality: u32,
    pub hardware_encoder: bool,
    pub range: TimeRange,
    pub video: VideoChoice,
    /// Frames per second of pictures. `None` where none are stated.
    pub framerate: Option<f64>,
    pub report: bool,
    pub overwrite: bool,
    /// Numbers of the segments to restore, without writing the output. `None` for all, with the output.
    pub segments: Option<RangeInclusive<usize>>,
}
