// SPDX-License-Identifier: MPL-2.0

//! Writing the files beside an output.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use dashcam_gps::{gpx, novatek};

use super::{
    page::{self, Figures, Report, Still, Video},
    record::Record,
};
use crate::{
    error::{Error, reason},
    progress::FileProgress,
    restore::{
        plan::{Scan, Segment, output_name},
        segments::{FrameRecord, WorkDir},
    },
};

/// Number of stills in a report.
const STILLS: usize = 5;

/// Returns the stream times of the stills: of the frames in the middle of equal parts of the segments.
pub fn still_times(scan: &Scan, segments: &[Segment]) -> Vec<u64> {
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Vec::new();
    };
    let is_restored = |time: u64| time >= first.from && last.to.is_none_or(|to| time < to);
    let times: Vec<u64> = scan
        .frames
        .iter()
        .map(|frame| frame.time)
        .filter(|&time| is_restored(time))
        .collect();
    stills_of(&times)
}

/// Returns those of the times of all frames at which stills are taken.
pub fn stills_of(times: &[u64]) -> Vec<u64> {
    let mut stills: Vec<u64> = (0..STILLS)
        .filter_map(|still| times.get((2 * still + 1) * times.len() / (2 * STILLS)).copied())
        .collect();
    stills.dedup();
    stills
}

/// Whether the original has positions that a Novatek camera has written.
pub fn has_track(input: &Path) -> bool {
    matches!(novatek::track(input), Ok(Some(_)))
}

/// Writes in `work` the positions in the original as GPX, if there are any that a Novatek camera has written. Muxers do not keep these. Returns
/// the file.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn make_track(
    input: &Path,
    output: &Path,
    work: &WorkDir,
    progress: &FileProgress,
) -> Result<Option<PathBuf>, Error> {
    let track = match novatek::track(input) {
        Ok(Some(track)) => track,
        Ok(None) => return Ok(None),
        Err(error) => {
            progress.note(&format!("no .gpx: {error}"));
            return Ok(None);
        }
    };
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    let (path, part) = (output_name::track(output), work.partial("track"));
    let unwritable = |error: io::Error| Error::unwritable(&path, reason(&error));
    let mut file = BufWriter::new(File::create(&part).map_err(unwritable)?);
    gpx::write(&track, &name, "blurdm", &mut file)
        .and_then(|()| file.flush())
        .map_err(unwritable)?;
    Ok(Some(part))
}

/// What a report says besides the figures of frames.
pub struct Content {
    /// The name of the original.
    pub title: String,
    /// Names and values of the record.
    pub rows: Vec<(String, String)>,
    /// What could not be decoded, and what could not be kept.
    pub gaps: Vec<String>,
}

impl From<&Record> for Content {
    fn from(record: &Record) -> Self {
        Self {
            title: record.identity.original.name.clone(),
            rows: record.rows(),
            gaps: record.gaps.iter().chain(&record.lost).cloned().collect(),
        }
    }
}

/// What a report shows of a video.
pub struct ReportedVideo<'a> {
    pub number: usize,
    pub description: &'a str,
    pub frames: &'a [FrameRecord],
    /// Stream times of the stills.
    pub stills: &'a [u64],
}

impl ReportedVideo<'_> {
    /// `titled`: whether it has a title, as where the report shows several.
    fn page(&self, titled: bool, work: &WorkDir) -> Video {
        let seconds = |time: u64| time as f64 / 1e9;
        let still = |(still, &time): (usize, &u64)| {
            let side = |side| fs::read(work.still(self.number, still, side)).ok();
            Some(Still {
                seconds: seconds(time),
                before: side("before")?,
                after: side("after")?,
            })
        };
        let figures = |frame: &FrameRecord| Figures {
            seconds: seconds(frame.time),
            edge_widths: frame.edge_widths,
            milliseconds: frame.milliseconds,
            restored: frame.restored,
        };
        Video {
            title: titled.then(|| format!("Video {} ({})", self.number, self.description)),
            frames: self.frames.iter().map(figures).collect(),
            stills: self.stills.iter().enumerate().filter_map(still).collect(),
        }
    }
}

/// Writes the report in `work`. Returns the file.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn make_report(
    output: &Path,
    content: Content,
    videos: &[ReportedVideo],
    work: &WorkDir,
) -> Result<PathBuf, Error> {
    let has_several = videos.len() > 1;
    let report = Report {
        title: content.title,
        record: content.rows,
        videos: videos.iter().map(|video| video.page(has_several, work)).collect(),
        gaps: content.gaps,
    };
    let (path, part) = (output_name::report(output), work.partial("report"));
    let unwritable = |error: io::Error| Error::unwritable(&path, reason(&error));
    let mut file = BufWriter::new(File::create(&part).map_err(unwritable)?);
    page::write(&report, &mut file)
        .and_then(|()| file.flush())
        .map_err(unwritable)?;
    Ok(part)
}
