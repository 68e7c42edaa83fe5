// SPDX-License-Identifier: MPL-2.0

//! Names, times and snapshots as text.

use std::{path::Path, time::Duration};

use super::snapshot::{Files, Snapshot};

/// Returns a file name without control characters, which could move the cursor.
pub fn name(file: &Path) -> String {
    plain(&file.to_string_lossy())
}

/// Returns a text in one line and without control characters.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Formats a duration as in 0:05, 12:34, 1:02:03.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Formats rate and time left, as far as they are known.
pub fn rate(now: Snapshot) -> String {
    let fps = now.fps.map(|fps| format!("{fps:.1} fps"));
    let left = now.time_left.map(|left| format!("{} left", clock(left)));
    fps.into_iter().chain(left).collect::<Vec<_>>().join(", ")
}

pub fn frames(now: Snapshot) -> String {
    match now.total {
        Some(total) => format!("{} of {total} frames", now.frames),
        None => format!("{} frames", now.frames),
    }
}

pub fn files(files: Files) -> String {
    let skipped = match files.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    format!("{} of {} files{skipped}", files.ended, files.total)
}
