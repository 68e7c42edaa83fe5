// SPDX-License-Identifier: MPL-2.0

//! The orientation of the restored video in the header of its track, in an MP4 that is written already. GStreamer 1.22's muxer writes none.

use std::path::{Path, PathBuf};

use mp4_splice::{Movie, Placement, Segment, Track, place};

use crate::{
    error::Error,
    media::orientation::{self, Orientation},
    restore::plan::{Scan, Turning},
};

/// Corrects the header of a track whose pictures have been replaced by turned ones. `part` will become `output`.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn correct_spliced(scan: &Scan, turning: Turning, part: &Path, output: &Path) -> Result<(), Error> {
    if !turning.is_turned() {
        return Ok(());
    }
    let correct = || {
        let (original, movie) = (Movie::open(&scan.path)?, Movie::open(part)?);
        let id = scan.video.stream.parse().unwrap_or_default();
        let (old, new) = (original.video_with_id(id)?, movie.video_with_id(id)?);
        let (before, after) = (&original.tracks()[old.index()], &movie.tracks()[new.index()]);
        let Some((shown, written)) = before.placement.zip(after.placement) else {
            return Ok(());
        };
        let size = match turning.frames.is_quarter_turn() {
            true => (
                scaled(shown.height, new.width, old.height),
                scaled(shown.width, new.height, old.width),
            ),
            false => (written.width, written.height),
        };
        set(&movie, after, turning.output, size)
    };
    correct().map_err(|error: mp4_splice::Error| Error::unwritable(output, error))
}

/// States the orientation of the restored video, which has the samples of `segments`, in a file that GStreamer has muxed.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn state(segments: &[PathBuf], turning: Turning, part: &Path, output: &Path) -> Result<(), Error> {
    if turning.output == Orientation::UPRIGHT {
        return Ok(());
    }
    let state = || {
        let (mut samples, mut bytes) = (0, 0);
        for segment in segments {
            let segment = Segment::open(segment)?;
            samples += segment.samples().len();
            bytes += segment
                .samples()
                .iter()
                .map(|sample| u64::from(sample.size))
                .sum::<u64>();
        }
        let movie = Movie::open(part)?;
        let is_restored = |track: &&Track| {
            let size: u64 = track.chunks.iter().map(|chunk| chunk.bytes).sum();
            &track.handler == b"vide" && track.samples == samples && size == bytes
        };
        // What is not found is found out by the proof.
        let track = movie.tracks().iter().find(is_restored);
        match track.and_then(|track| Some((track, track.placement?))) {
            Some((track, written)) => set(&movie, track, turning.output, (written.width, written.height)),
            None => Ok(()),
        }
    };
    state().map_err(|error: mp4_splice::Error| Error::unwritable(output, error))
}

/// Makes players show a track in this orientation, with its pictures at this size before they are turned.
fn set(
    movie: &Movie,
    track: &Track,
    orientation: Orientation,
    (width, height): (u32, u32),
) -> Result<(), mp4_splice::Error> {
    let own = orientation.then(orientation::of_whole_movie(movie).unwrap_or_default().inverse());
    let placement = Placement {
        matrix: own.matrix(width, height),
        width,
        height,
    };
    place(movie.path(), track.id, &placement)
}

fn scaled(side: u32, new: u16, old: u16) -> u32 {
    let scaled = u64::from(side) * u64::from(new) / u64::from(old.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}
