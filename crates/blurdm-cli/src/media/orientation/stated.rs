// SPDX-License-Identifier: MPL-2.0

//! The orientation that a file states. That of MP4 and Matroska is read here: GStreamer 1.22's `qtdemux` does not know all matrices, and its `matroskademux` and
//! muxers know nothing of orientation.

use std::path::Path;

use mp4_splice::{Error, Movie};

use super::{matroska, turns::Orientation};

/// Reads the orientation of the video that the demuxer calls `id`. `tag` is the demuxer's tag `image-orientation`, where it has one. `None` for one that is no
/// whole number of quarter turns.
pub fn read(path: &Path, id: &str, tag: Option<&str>) -> Option<Orientation> {
    let of_tag = || tag.map_or(Some(Orientation::UPRIGHT), Orientation::from_tag);
    match Movie::open(path) {
        Ok(movie) => of_movie(&movie, id),
        Err(Error::NotMp4 { .. }) => match matroska::read(path, id) {
            Some(pose) => pose.orientation(),
            None => of_tag(),
        },
        // A fragmented or damaged one.
        Err(_) => of_tag(),
    }
}

/// That of the track, and then that of the movie.
fn of_movie(movie: &Movie, id: &str) -> Option<Orientation> {
    let id: Option<u32> = id.parse().ok();
    let track = movie.tracks().iter().find(|track| Some(track.id) == id);
    let own = track.and_then(|track| track.placement);
    let own = own.map_or(Some(Orientation::UPRIGHT), |own| Orientation::from_matrix(&own.matrix));
    Some(own?.then(of_whole_movie(movie)?))
}

/// Returns the orientation that applies to all tracks after their own.
pub fn of_whole_movie(movie: &Movie) -> Option<Orientation> {
    let matrix = movie.matrix();
    matrix.map_or(Some(Orientation::UPRIGHT), |matrix| Orientation::from_matrix(&matrix))
}
