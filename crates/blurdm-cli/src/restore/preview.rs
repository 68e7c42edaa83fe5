// SPDX-License-Identifier: MPL-2.0

//! Saving one frame, before and after.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    plan::{self, Scan, TimeRange},
    segments::{Capture, RestoredFrames, ReusableElement, png},
};
use crate::error::{Error, reason};

/// Saves the frame that is presented at `time`, in nanoseconds, as `NAME-before.png` and `NAME-after.png`, where `NAME` is that of `output`.
///
/// # Errors
/// As for restoring the file.
pub fn save(input: &Path, output: &Path, time: u64, element: &ReusableElement) -> Result<(), Error> {
    let scan = Scan::run(input)?;
    let start = scan.frames.iter().rev().map(|frame| frame.time);
    let start = start.into_iter().find(|&start| start <= time);
    let start = start.filter(|_| time < scan.length()).unwrap_or(time);
    let one_frame = TimeRange {
        start,
        duration: Some(1),
    };
    let segments = plan::segments(&scan, one_frame)?;
    let capture = Capture {
        originals: true,
        ..Capture::default()
    };
    let mut frames = RestoredFrames::start(&scan, &segments, element, capture)?;
    let Some(frame) = frames.next()? else {
        let reason = frames.damage();
        return Err(Error::unreadable(
            input,
            reason.unwrap_or_else(|| "the frame cannot be decoded".into()),
        ));
    };
    let original = frame.original();
    let original = original.ok_or_else(|| Error::Failed("a frame has no original".into()))?;
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, reason(&error)))?;
    }
    for (sample, suffix) in [(&original, "-before.png"), (&frame.sample, "-after.png")] {
        let path = with_suffix(output, suffix);
        fs::write(&path, png(sample)?).map_err(|error| Error::unwritable(&path, reason(&error)))?;
    }
    Ok(())
}

/// Turns `folder/clip.mp4` into `folder/clip-after.png`.
fn with_suffix(output: &Path, suffix: &str) -> PathBuf {
    let mut name = output.file_stem().map_or_else(OsString::new, OsString::from);
    name.push(suffix);
    output.with_file_name(name)
}
