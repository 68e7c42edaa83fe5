// SPDX-License-Identifier: MPL-2.0

//! Which container an output is.

use std::path::{Path, PathBuf};

/// Containers that are written, by the ending of the file's name. Others become Matroska.
const WRITTEN: [&str; 5] = ["mp4", "m4v", "mov", "mkv", "mka"];

/// The output's name, where its container can be written, and what became of it otherwise.
pub fn output_for(output: &Path) -> (PathBuf, Option<String>) {
    let extension = output
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension {
        Some(extension) if WRITTEN.contains(&extension.as_str()) => (output.to_owned(), None),
        Some(extension) => (
            output.with_extension("mkv"),
            Some(format!("what was .{extension} becomes Matroska (.mkv)")),
        ),
        None => (output.with_extension("mkv"), None),
    }
}

/// Whether a file of this name is of the family of MP4.
pub fn is_mp4(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["mp4", "m4v", "mov"].iter().any(|known| extension == *known))
}
