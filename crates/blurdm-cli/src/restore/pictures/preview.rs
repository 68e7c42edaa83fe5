// SPDX-License-Identifier: MPL-2.0

//! Saving one of the pictures, before and after.

use std::{fs, path::Path};

use super::{
    codec,
    filter::Filter,
    job::PictureOptions,
    pixels,
    restoring::save_png,
    sources::Source,
    times::{index_at, time_of},
};
use crate::{
    error::{Error, reason},
    restore::{
        plan::{PictureRun, check_free, output_name},
        segments::ReusableElement,
    },
};

/// Saves the picture that is presented at `time`, in nanoseconds, as `NAME-before.png` and `NAME-after.png`, upright. `NAME` is that of `output`.
///
/// # Errors
/// As for restoring the pictures.
pub fn save(
    run: &PictureRun,
    output: &Path,
    time: u64,
    options: &PictureOptions,
    element: &ReusableElement,
) -> Result<(), Error> {
    let paths = output_name::preview(output);
    for path in &paths {
        check_free(path, options.overwrite)?;
    }
    let index = index_at(time, options.rate());
    if index >= run.len() {
        let seconds = |ns: u64| ns as f64 / 1e9;
        return Err(Error::EmptyRange {
            path: run.path(0).with_file_name(run.pattern()),
            from: seconds(time),
            to: seconds(time),
            length: seconds(time_of(run.len(), options.rate())),
        });
    }
    let path = run.path(index);
    let unreadable = |reason: String| Error::unreadable(&path, reason);
    let source = Source::read(&path).map_err(unreadable)?;
    let mut picture = codec::decode(&source.file).map_err(unreadable)?;
    let no_frame = || unreadable("its samples are floating-point numbers".into());
    let frame = pixels::frame(&picture.pixels).ok_or_else(no_frame)?;
    let mut filter = Filter::start(element)?;
    filter.push(&frame, false)?;
    filter.finish()?;
    let filtered = filter.pull()?;
    let after = pixels::restored(&picture.pixels, &frame.samples, &filtered.samples, false);
    let mut after = after.ok_or_else(no_frame)?;
    if let Some(folder) = output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, reason(&error)))?;
    }
    for (shown, path) in [&mut picture.pixels, &mut after].into_iter().zip(&paths) {
        shown.apply_orientation(picture.orientation);
        save_png(shown, path)?;
    }
    Ok(())
}
