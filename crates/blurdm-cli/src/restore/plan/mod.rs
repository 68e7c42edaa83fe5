// SPDX-License-Identifier: MPL-2.0

//! What is restored: the input files, the names of what is written for them, the frames of a file, and its segments.

mod claims;
mod damage;
mod file_kinds;
mod input;
pub mod inputs;
pub mod output_name;
mod pictures;
mod scan;
mod search;
mod segmentation;
mod turning;
mod videos;
pub mod webm;

pub use claims::{PlannedFile, Written, check_free, plan_files};
pub use damage::{ProgramStream, program_streams};
pub use file_kinds::is_unread_picture;
pub use pictures::PictureRun;
pub use scan::Scan;
pub use segmentation::{Part, Segment, TimeRange, segments};
pub use turning::Turning;
pub use videos::{CodedFrame, VideoChoice, VideoNumber};
