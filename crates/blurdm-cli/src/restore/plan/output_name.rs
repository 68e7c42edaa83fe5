// SPDX-License-Identifier: MPL-2.0

//! The container of an output, by the extension of its name, and the names of what is written beside it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Extensions of the containers that are written. Others become Matroska.
const SUPPORTED: [&str; 7] = ["mp4", "m4v", "mov", "mkv", "mka", "mk3d", "webm"];

/// Returns the name of the output. Where the container cannot be written it gets the extension of Matroska, and a note says so.
pub fn supported_name(output: &Path) -> (PathBuf, Option<String>) {
    let extension = output
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension {
        Some(extension) if SUPPORTED.contains(&extension.as_str()) => (output.to_owned(), None),
        Some(extension) => (
            output.with_extension("mkv"),
            Some(format!(".{extension} cannot be written; the output is Matroska (.mkv)")),
        ),
        None => (output.with_extension("mkv"), None),
    }
}

/// Whether a file of this name is an MP4 or QuickTime file.
pub fn is_mp4(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["mp4", "m4v", "mov"].iter().any(|known| extension == *known))
}

/// Extension of the folders of unfinished work.
pub const WORK_EXTENSION: &str = "blurdm";

/// Returns the folder for the unfinished work on an output.
pub fn work_folder(output: &Path) -> PathBuf {
    output.with_added_extension(WORK_EXTENSION)
}

/// Returns the file of the record of how an output was made.
pub fn record(output: &Path) -> PathBuf {
    output.with_added_extension("json")
}

/// Returns the file of the positions that a camera has recorded.
pub fn track(output: &Path) -> PathBuf {
    output.with_added_extension("gpx")
}

/// Returns the file of the report.
pub fn report(output: &Path) -> PathBuf {
    output.with_added_extension("html")
}

/// Returns the files of a preview: the frame before and after. They have the name of the video without its extension.
pub fn preview(output: &Path) -> [PathBuf; 2] {
    ["-before.png", "-after.png"].map(|suffix| {
        let mut name = output.file_stem().map_or_else(OsString::new, OsString::from);
        name.push(suffix);
        output.with_file_name(name)
    })
}
