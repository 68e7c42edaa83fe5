// SPDX-License-Identifier: MPL-2.0

//! The video track whose samples are replaced: when its frames are presented, and which frame a PTS of GStreamer's demuxer belongs to.

use super::{
    movie::Movie,
    sample_table::{Times, composition_offsets},
    track::Track,
};
use crate::{
    Error,
    boxes::{ByteReader, Mp4Box, sample_entry},
};

const NANOSECONDS: u128 = 1_000_000_000;

/// The video track of a movie, frame by frame.
#[derive(Debug)]
pub struct VideoTrack {
    /// Number of the track in the file.
    pub id: u32,
    /// Ticks per second of the media timeline.
    pub timescale: u32,
    /// Presentation time of each frame, in ticks of the media timeline and in ascending order.
    pub presentation_ticks: Vec<i64>,
    /// Size of the coded pictures in pixels.
    pub width: u16,
    pub height: u16,
    /// Number of entries in the edit list. Without any the whole track is presented; with several a frame may be presented more than once.
    pub edits: usize,
    index: usize,
    decoding: Vec<i64>,
    last_duration: u32,
    /// For each frame the time that `qtdemux` gives it, and its presentation time: in ticks, in ascending order.
    reported: Vec<(i64, i64)>,
}

impl Movie {
    /// Returns the first enabled video track that is not a still picture.
    ///
    /// # Errors
    /// [`Error::NoVideo`] where there is none. [`Error::Unsupported`] where its samples are encrypted or in another file,
    /// [`Error::Damaged`] where its tables contradict each other.
    pub fn video(&self) -> Result<VideoTrack, Error> {
        VideoTrack::read(self, choose(self.tracks()))
    }

    /// Returns the video track with this id.
    ///
    /// # Errors
    /// As [`Movie::video`]; [`Error::NoVideo`] also where several tracks have this id.
    pub fn video_with_id(&self, id: u32) -> Result<VideoTrack, Error> {
        let mut found = self.tracks().iter().enumerate().filter(|(_, track)| track.id == id);
        let only = found.next().filter(|_| found.next().is_none());
        VideoTrack::read(
            self,
            only.filter(|(_, track)| &track.handler == b"vide" && track.samples > 0),
        )
    }
}

impl VideoTrack {
    fn read(movie: &Movie, chosen: Option<(usize, &Track)>) -> Result<Self, Error> {
        let none = || Error::NoVideo {
            file: movie.path().into(),
        };
        let damaged = |reason: String| Error::damaged(movie.path(), reason);
        let (index, track) = chosen.ok_or_else(none)?;
        let stbl = movie.trak(index).and_then(|trak| trak.at(&[b"mdia", b"minf", b"stbl"]));
        let stbl = stbl.ok_or_else(none)?;
        check(movie, track)?;
        let times = Times::read(stbl, track.samples).map_err(damaged)?;
        let (width, height) = track
            .entries
            .first()
            .and_then(|entry| sample_entry::size(&entry.bytes))
            .ok_or_else(|| damaged("its video has no size".into()))?;
        let mut presentation_ticks = times.composition.clone();
        presentation_ticks.sort_unstable();
        Ok(Self {
            id: track.id,
            timescale: track.timescale,
            presentation_ticks,
            width,
            height,
            edits: track.edits.len(),
            index,
            last_duration: times.last,
            reported: reported(stbl, track, &times).map_err(damaged)?,
            decoding: times.decoding,
        })
    }

    /// Returns the position of the track in [`Movie::tracks`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the decoding time of each sample, in ticks and in ascending order from 0.
    pub fn decoding_ticks(&self) -> &[i64] {
        &self.decoding
    }

    /// Returns the duration of the last sample in ticks.
    pub fn last_duration(&self) -> u32 {
        self.last_duration
    }

    /// Returns the presentation time, in ticks, of the frame to which GStreamer's `qtdemux` gives this PTS. `None` where no frame is
    /// within half a tick of it.
    pub fn ticks_of(&self, pts_ns: u64) -> Option<i64> {
        let half_a_tick = NANOSECONDS.div_ceil(2 * u128::from(self.timescale));
        let pts = u128::from(pts_ns);
        let distance = |&(reported, _): &(i64, i64)| self.nanoseconds(reported).abs_diff(pts);
        let after = self
            .reported
            .partition_point(|&(reported, _)| self.nanoseconds(reported) < pts);
        let around = after.saturating_sub(1)..(after + 1).min(self.reported.len());
        let nearest = self.reported[around].iter().min_by_key(|frame| distance(frame))?;
        // GStreamer rounds down to nanoseconds.
        (distance(nearest) <= half_a_tick + 1).then_some(nearest.1)
    }

    fn nanoseconds(&self, ticks: i64) -> u128 {
        u128::try_from(ticks).unwrap_or(0) * NANOSECONDS / u128::from(self.timescale)
    }
}

fn choose(tracks: &[Track]) -> Option<(usize, &Track)> {
    let videos = || {
        tracks
            .iter()
            .enumerate()
            .filter(|(_, track)| &track.handler == b"vide" && track.samples > 0 && !is_still(track, tracks))
    };
    videos().find(|(_, track)| track.enabled).or_else(|| videos().next())
}

fn is_still(track: &Track, tracks: &[Track]) -> bool {
    let picture = track
        .entries
        .first()
        .is_some_and(|entry| matches!(&entry.kind, b"jpeg" | b"png " | b"mjpa" | b"mjpb"));
    let of_chapters = tracks.iter().any(|other| other.refers_to(b"chap", track.id));
    of_chapters || (picture && track.samples == 1)
}

fn check(movie: &Movie, track: &Track) -> Result<(), Error> {
    let unsupported = |reason: &str| Err(Error::unsupported(movie.path(), reason));
    if track
        .entries
        .iter()
        .any(|entry| sample_entry::is_encrypted(&entry.bytes))
    {
        return unsupported("its video is encrypted");
    }
    if !track.chunks.iter().all(|chunk| track.is_in_this_file(chunk)) {
        return unsupported("its video is in another file");
    }
    // Otherwise a few bytes could claim to be millions of frames that share them.
    let bytes = track
        .chunks
        .iter()
        .fold(0u64, |sum, chunk| sum.saturating_add(chunk.bytes));
    if bytes > movie.length() {
        return Err(Error::damaged(movie.path(), "its frames are larger than the file"));
    }
    let in_chunks: usize = track.chunks.iter().map(|chunk| chunk.samples).sum();
    if in_chunks < track.samples {
        return Err(Error::damaged(
            movie.path(),
            format!("its chunks hold {in_chunks} of {} frames", track.samples),
        ));
    }
    Ok(())
}

/// Returns the times that `qtdemux` gives the frames (gst-plugins-good 1.18 to 1.22, `qtdemux.c`, `qtdemux_stbl_init` and
/// `QTSAMPLE_PTS`). They are composition times, shifted so that the lowest offset becomes 0, or by what `cslg` says. Where an offset is
/// more than twice the duration of the media, `qtdemux` takes it for damage and uses decoding times.
fn reported(stbl: &Mp4Box, track: &Track, times: &Times) -> Result<Vec<(i64, i64)>, String> {
    let offsets = composition_offsets(stbl)?.unwrap_or_default();
    let stated = stbl.child(b"cslg").and_then(Mp4Box::data).and_then(|data| {
        let mut reader = ByteReader::new(data);
        reader.version_and_flags()?;
        reader.u32()
    });
    let lowest = offsets.iter().map(|&(_, offset)| offset).min().unwrap_or(0);
    let plausible = stated.is_some()
        || offsets
            .iter()
            .all(|&(_, offset)| u64::from(offset.unsigned_abs() / 2) <= track.duration);
    let shift = match stated {
        _ if offsets.is_empty() => 0,
        Some(stated) => i64::from(stated),
        None => i64::from(lowest.min(0)).abs(),
    };
    let reported = |(&decoding, &composition): (&i64, &i64)| match plausible {
        true => (composition + shift, composition),
        false => (decoding, composition),
    };
    let mut frames: Vec<_> = times.decoding.iter().zip(&times.composition).map(reported).collect();
    frames.sort_unstable();
    Ok(frames)
}
