// SPDX-License-Identifier: MPL-2.0

//! MP4 from MP4: the samples of the restored videos are replaced, and everything else stays as it is.

use std::{
    fmt::Display,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use mp4_splice::{Movie, NewVideo, Segment, VideoTrack};

use super::restored_video::RestoredVideo;
use crate::error::{Error, reason};

pub enum SpliceError {
    /// The original is not suitable, for this reason. It may still be remuxed. `None` where it is no MP4, of which nothing is lost by that.
    Unsuitable(Option<String>),
    Failed(Error),
}

impl SpliceError {
    fn unsuitable(reason: &str) -> Self {
        Self::Unsuitable(Some(reason.into()))
    }
}

impl From<mp4_splice::Error> for SpliceError {
    /// An error in reading the original.
    fn from(error: mp4_splice::Error) -> Self {
        Self::Unsuitable(match error {
            mp4_splice::Error::NotMp4 { .. } => None,
            error => Some(error.to_string()),
        })
    }
}

/// Writes `part`, which will become `output`, from `original`. Returns what could not be kept.
pub fn splice(
    original: &Path,
    videos: &[RestoredVideo],
    tags: &[(&str, &str)],
    part: &Path,
    output: &Path,
) -> Result<Vec<String>, SpliceError> {
    let movie = Movie::open(original)?;
    let tracks = videos.iter().map(|video| Track::of(&movie, video));
    let tracks: Vec<Track> = tracks.collect::<Result<_, _>>()?;
    let unwritable = |error: &dyn Display| SpliceError::Failed(Error::unwritable(output, error));
    let file = File::create(part).map_err(|error| unwritable(&reason(&error)))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let segments = videos
        .iter()
        .map(|video| video.segments.iter().map(|path| Segment::open(path)).collect());
    let notes = segments
        .collect::<Result<Vec<Vec<Segment>>, _>>()
        .and_then(|segments| {
            let new = tracks.iter().zip(&segments).map(|(track, segments)| NewVideo {
                video: &track.video,
                segments,
                ticks: &track.ticks,
            });
            mp4_splice::splice_tracks(&movie, &new.collect::<Vec<_>>(), tags, &mut file)
        })
        .map_err(|error| match &error {
            mp4_splice::Error::Write(source) => unwritable(&reason(source)),
            error => unwritable(error),
        })?;
    file.flush().map_err(|error| unwritable(&reason(&error)))?;
    Ok(notes)
}

/// A track of the original whose samples are replaced.
struct Track {
    video: VideoTrack,
    /// The times of the new frames.
    ticks: Vec<i64>,
}

impl Track {
    fn of(movie: &Movie, restored: &RestoredVideo) -> Result<Self, SpliceError> {
        let id = restored.scan.video.stream.parse();
        let id = id.map_err(|_| SpliceError::unsuitable("its tracks have no ids"))?;
        let video = movie.video_with_id(id)?;
        if video.edits > 1 {
            return Err(SpliceError::unsuitable("its edit list has several entries"));
        }
        let ticks: Option<Vec<i64>> = pts_of(restored).map(|pts| video.ticks_of(pts)).collect();
        match ticks.filter(|ticks| ticks.is_sorted()) {
            Some(ticks) => Ok(Self { video, ticks }),
            None => Err(SpliceError::unsuitable("its times are not those of its frames")),
        }
    }
}

/// Returns the PTS that the demuxer gave each frame. Decoders move that of a frame within which the edit list begins.
fn pts_of(restored: &RestoredVideo) -> impl Iterator<Item = u64> {
    let (scan, frames) = (restored.scan, restored.frames);
    let mut number_at_time = 0;
    frames.iter().enumerate().map(move |(number, frame)| {
        let is_same_time = number > 0 && frames[number - 1].time == frame.time;
        number_at_time = if is_same_time { number_at_time + 1 } else { 0 };
        let coded = scan.frames_at(frame.time).get(number_at_time);
        coded.map_or(frame.pts, |coded| coded.pts)
    })
}
