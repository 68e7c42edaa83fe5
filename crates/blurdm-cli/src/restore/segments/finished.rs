// SPDX-License-Identifier: MPL-2.0

//! What is recorded about a finished segment.

use serde::{Deserialize, Serialize};

use crate::restore::plan::Segment;

/// What is recorded about a frame of a finished segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FrameRecord {
    /// Stream time in nanoseconds.
    pub time: u64,
    /// PTS of the demuxer in nanoseconds.
    pub pts: u64,
    /// Time in the element.
    pub milliseconds: f32,
    /// `false` for a frame that passed unchanged because it is sharp.
    pub restored: bool,
    /// Whether the decoder concealed errors in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
    /// Width of its edges in pixels before and after, if a report is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_widths: Option<(f32, f32)>,
}

/// A finished segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedSegment {
    #[serde(rename = "span")]
    pub segment: Segment,
    pub frames: Vec<FrameRecord>,
    /// Provider and precision of the element.
    pub provider: String,
    /// Why frames are missing, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// As it lies in the folder of unfinished work.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredSegment {
    #[serde(flatten)]
    pub finished: FinishedSegment,
    /// SHA-256 of its video. After a power failure, a file may be shorter than it was, or have zeros in it.
    pub sha256: String,
}
