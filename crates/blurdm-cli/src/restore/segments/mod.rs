// SPDX-License-Identifier: MPL-2.0

//! Restoring segments: decoding, the element, encoding, and the folder of unfinished work.

mod conversion;
mod decode;
mod finished;
mod frame_times;
mod frames;
mod gate;
mod packed;
mod png;
mod reusable_element;
mod run;
mod sample_range;
mod shape;
mod sharpness;
mod side_by_side;
mod work_dir;
mod writer;

pub use conversion::turned;
pub use decode::decoded_info;
#[cfg(fuzzing)]
pub use finished::StoredSegment;
pub use finished::{FinishedSegment, FrameRecord};
pub use frames::{Capture, RestoredFrames};
pub use png::png;
pub use reusable_element::{Lease, ReusableElement};
pub use run::{RunOptions, SegmentRun};
pub use shape::Shape;
pub use sharpness::{SHARP, edge_width_of_frame, is_sharp};
pub use work_dir::{Plan, WorkDir};
