// SPDX-License-Identifier: MPL-2.0

//! Writing the output from finished segments and the original.

mod feed;
mod language;
mod mp4;
mod output;
mod placement;
mod remux;
mod restored_video;
mod segment_reader;
mod subtitles;
mod track_flags;

pub use output::Output;
pub use remux::muxer_for;
pub use restored_video::RestoredVideo;
pub use subtitles::lost_styles;
