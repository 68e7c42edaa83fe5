// SPDX-License-Identifier: MPL-2.0

//! Saving one frame, before and after.

use std::{fs, path::Path};

use super::{
    plan::{self, Scan, TimeRange, Turning, VideoChoice, output_name},
    segments::{Capture, RestoredFrames, ReusableElement, png},
};
use crate::error::{Error, reason};

/// Saves the frame of a video that is presented at `time`, in nanoseconds from the origin of the file, as `NAME-before.png` and `NAME-after.png`, where `NAME` is that of `output`. It is
/// upright, whatever becomes of the orientation in the output. Where all videos are chosen, it is that of the main one: there are names for one frame only.
/// `replace`: whether files of these names may be replaced.
///
/// # Errors
/// As for restoring the file.
pub fn save(
    input: &Path,
    output: &Path,
    video: VideoChoice,
    time: u64,
    replace: bool,
    element: &ReusableElement,
) -> Result<(), Error> {
    let paths = output_name::preview(output);
    for path in &paths {
        plan::check_free(path, replace)?;
    }
    let video = match video {
        VideoChoice::All => VideoChoice::Main,
        one => one,
    };
    let scan = Scan::run(input, video)?.into_iter().next();
    let scan = scan.ok_or_else(|| Error::NoVideo { path: input.to_owned() })?;
    scan.check()?;
    let length = scan.length().saturating_sub(scan.origin);
    let starts = scan.frames.iter().rev();
    let mut starts = starts.filter_map(|frame| frame.time.checked_sub(scan.origin));
    let start = starts.find(|&start| start <= time);
    let start = start.filter(|_| time < length).unwrap_or(time);
    let one_frame = TimeRange {
        start,
        duration: Some(1),
    };
    let segments = plan::segments(&scan, one_frame, 0)?;
    let capture = Capture {
        originals: true,
        ..Capture::default()
    };
    let turning = Turning::of(&scan, output, element.settings().compare);
    let mut frames = RestoredFrames::start(&scan, &segments, element, capture, turning.frames)?;
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
    for (sample, path) in [&original, &frame.sample].into_iter().zip(&paths) {
        fs::write(path, png(sample, turning.output)?).map_err(|error| Error::unwritable(path, reason(&error)))?;
    }
    Ok(())
}
