// SPDX-License-Identifier: MPL-2.0

//! What lies beside an output: where the camera was, and a page that shows what was done.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use dashcam_gps::{gpx, novatek};

use super::{
    Error,
    error::reason,
    plan::Span,
    provenance::Provenance,
    report::{self, Figures, Report, Still},
    scan::Scan,
    work::{Frame, Work},
};
use crate::progress::FileProgress;

/// Frames that a report shows before and after.
const STILLS: usize = 5;

/// When the frames are that a report shows: in the middle of as many equal parts of what is restored.
pub fn still_times(scan: &Scan, spans: &[Span]) -> Vec<u64> {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return Vec::new();
    };
    let wanted = |time: u64| time >= first.from && last.to.is_none_or(|to| time < to);
    let times: Vec<u64> = scan
        .frames
        .iter()
        .map(|frame| frame.time)
        .filter(|&time| wanted(time))
        .collect();
    let mut stills: Vec<u64> = (0..STILLS)
        .filter_map(|still| times.get((2 * still + 1) * times.len() / (2 * STILLS)).copied())
        .collect();
    stills.dedup();
    stills
}

pub fn still_name(number: usize, side: &str) -> String {
    format!("still-{number}-{side}.png")
}

/// Writes where the camera was into a .gpx, if the file tells it in the way of Novatek's cameras, which no muxer keeps.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn write_track(input: &Path, output: &Path, progress: &FileProgress) -> Result<(), Error> {
    let track = match novatek::track(input) {
        Ok(Some(track)) => track,
        Ok(None) => return Ok(()),
        Err(unread) => {
            progress.note(&format!("no .gpx: {unread}"));
            return Ok(());
        }
    };
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    let path = output.with_extension("gpx");
    let unwritable = |error: io::Error| Error::unwritable(&path, reason(&error));
    let mut file = BufWriter::new(File::create(&path).map_err(unwritable)?);
    gpx::write(&track, &name, "blurdm", &mut file)
        .and_then(|()| file.flush())
        .map_err(unwritable)
}

/// Writes the page that shows what was done, as .html.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn write_report(
    output: &Path,
    provenance: &Provenance,
    frames: &[Frame],
    stills: &[u64],
    work: &Work,
) -> Result<(), Error> {
    let seconds = |time: u64| time as f64 / 1e9;
    let still = |(number, &time): (usize, &u64)| {
        let side = |side| fs::read(work.other(&still_name(number, side))).ok();
        Some(Still {
            seconds: seconds(time),
            before: side("before")?,
            after: side("after")?,
        })
    };
    let figures = |frame: &Frame| Figures {
        seconds: seconds(frame.time),
        edge_widths: frame.edge_widths,
        milliseconds: frame.milliseconds,
        restored: frame.restored,
    };
    let report = Report {
        title: provenance.identity.original.name.clone(),
        provenance: provenance.in_words(),
        frames: frames.iter().map(figures).collect(),
        stills: stills.iter().enumerate().filter_map(still).collect(),
        gaps: provenance.gaps.iter().chain(&provenance.lost).cloned().collect(),
    };
    let path = output.with_extension("html");
    let unwritable = |error: io::Error| Error::unwritable(&path, reason(&error));
    let mut file = BufWriter::new(File::create(&path).map_err(unwritable)?);
    report::write(&report, &mut file)
        .and_then(|()| file.flush())
        .map_err(unwritable)
}
