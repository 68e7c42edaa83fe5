// SPDX-License-Identifier: MPL-2.0

//! The container of an output, by the extension of its name.

use std::path::{Path, PathBuf};

/// Extensions of the containers that are written. Others become Matroska.
const SUPPORTED: [&str; 5] = ["mp4", "m4v", "mov", "mkv", "mka"];

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
