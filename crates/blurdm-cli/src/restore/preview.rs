// SPDX-License-Identifier: MPL-2.0

//! One frame, before and after.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Error,
    error::reason,
    kept::Kept,
    plan::{self, Wanted},
    restoring::{Restoring, Watched},
    scan::Scan,
    still,
};

/// Saves the frame that is shown at `time` (ns) beside `output`'s name, as `NAME-before.png` and `NAME-after.png`.
///
/// # Errors
/// As for a whole file.
pub fn save(input: &Path, output: &Path, time: u64, kept: &Kept) -> Result<(), Error> {
    let scan = Scan::of(input)?;
    // The frame that is still shown then.
    let shown = scan
        .frames
        .iter()
        .rev()
        .map(|frame| frame.time)
        .find(|&start| start <= time);
    let shown = shown.filter(|_| time < scan.length()).unwrap_or(time);
    let spans = plan::segments(
        &scan,
        Wanted {
            start: shown,
            duration: Some(1),
        },
    )?;
    let watched = Watched {
        originals: true,
        ..Watched::default()
    };
    let mut restoring = Restoring::begin(&scan, &spans, kept, watched)?;
    let Some(frame) = restoring.next()? else {
        let why = restoring
            .damage()
            .unwrap_or_else(|| "the frame cannot be decoded".into());
        return Err(Error::unreadable(input, why));
    };
    let (Some(original), Some(caps)) = (&frame.passage.original, frame.sample.caps()) else {
        return Err(Error::Failed("a frame came without what it was made of".into()));
    };
    let before = gst::Sample::builder().buffer(original).caps(&caps.to_owned()).build();
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, reason(&error)))?;
    }
    for (sample, name) in [(&before, "-before.png"), (&frame.sample, "-after.png")] {
        let path = beside(output, name);
        fs::write(&path, still::png(sample)?).map_err(|error| Error::unwritable(&path, reason(&error)))?;
    }
    Ok(())
}

/// `folder/clip.mp4` and `-after.png` to `folder/clip-after.png`.
fn beside(output: &Path, ending: &str) -> PathBuf {
    let mut name = output.file_stem().map_or_else(OsString::new, OsString::from);
    name.push(ending);
    output.with_file_name(name)
}
