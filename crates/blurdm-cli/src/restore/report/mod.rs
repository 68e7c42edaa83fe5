// SPDX-License-Identifier: MPL-2.0

//! The files beside an output: its record, the GPX track of the camera, and the HTML report.

mod downsample;
mod html;
mod original;
mod page;
mod plot;
mod record;
mod sidecars;
mod statistics;

pub use original::Witness;
pub use record::{Identity, Model, Record, TAG, VideoIdentity, VideoRecord, WorkIdentity, now};
pub use sidecars::{Content, ReportedVideo, has_track, make_report, make_track, still_times, stills_of};

#[cfg(test)]
mod tests;
