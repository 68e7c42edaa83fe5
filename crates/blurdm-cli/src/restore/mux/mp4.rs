// SPDX-License-Identifier: MPL-2.0

//! MP4 from MP4: the samples of the video are replaced, and everything else stays as it is.

use std::{
    fmt::Display,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use mp4_splice::{Movie, NewVideo, Segment};

use crate::{
    error::{Error, reason},
    restore::{plan::Scan, segments::FrameRecord},
};

pub enum SpliceError {
    /// The original is not suitable. It may still be remuxed.
    Unsuitable(String),
    Failed(Error),
}

impl From<mp4_splice::Error> for SpliceError {
    /// An error in reading the original.
    fn from(error: mp4_splice::Error) -> Self {
        Self::Unsuitable(error.to_string())
    }
}

/// Writes `part`, which will become `output`. Returns what could not be kept.
pub fn splice(
    scan: &Scan,
    segments: &[PathBuf],
    frames: &[FrameRecord],
    tags: &[(&str, &str)],
    part: &Path,
    output: &Path,
) -> Result<Vec<String>, SpliceError> {
    let movie = Movie::open(&scan.path)?;
    let id = scan.video.stream.parse();
    let id = id.map_err(|_| SpliceError::Unsuitable("its tracks have no ids".into()))?;
    let video = movie.video_with_id(id)?;
    if video.edits > 1 {
        return Err(SpliceError::Unsuitable("its edit list has several entries".into()));
    }
    let ticks: Option<Vec<i64>> = pts_of(scan, frames).map(|pts| video.ticks_of(pts)).collect();
    let Some(ticks) = ticks.filter(|ticks| ticks.is_sorted()) else {
        return Err(SpliceError::Unsuitable("its times are not those of its frames".into()));
    };
    let unwritable = |error: &dyn Display| SpliceError::Failed(Error::unwritable(output, error));
    let file = File::create(part).map_err(|error| unwritable(&reason(&error)))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let segments: Result<Vec<Segment>, _> = segments.iter().map(|path| Segment::open(path)).collect();
    let notes = segments
        .and_then(|segments| {
            let new = NewVideo {
                video: &video,
                segments: &segments,
                ticks: &ticks,
            };
            mp4_splice::splice_tracks(&movie, &[new], tags, &mut file)
        })
        .map_err(|error| unwritable(&error))?;
    file.flush().map_err(|error| unwritable(&reason(&error)))?;
    Ok(notes)
}

/// Returns the PTS that the demuxer gave each frame. Decoders move that of a frame within which the edit list begins.
fn pts_of(scan: &Scan, frames: &[FrameRecord]) -> impl Iterator<Item = u64> {
    let mut number_at_time = 0;
    frames.iter().enumerate().map(move |(number, frame)| {
        let is_same_time = number > 0 && frames[number - 1].time == frame.time;
        number_at_time = if is_same_time { number_at_time + 1 } else { 0 };
        let coded = scan.frames_at(frame.time).get(number_at_time);
        coded.map_or(frame.pts, |coded| coded.pts)
    })
}
