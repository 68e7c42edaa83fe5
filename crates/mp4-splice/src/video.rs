// SPDX-License-Identifier: MPL-2.0

//! The video track that is restored: when its frames are shown, and how to know them again by what GStreamer says of them.

use super::{
    Movie, Mp4Error,
    boxes::Mp4Box,
    entry,
    fields::Fields,
    table::{Times, composition_offsets},
    track::Track,
};

const NANOSECONDS: u128 = 1_000_000_000;

/// A movie's video, frame by frame.
#[derive(Debug)]
pub struct VideoTrack {
    /// The track's number in the file, which ends the stream id of its pad of `qtdemux`.
    pub id: u32,
    /// Ticks per second of the media timeline.
    pub timescale: u32,
    /// When each frame is shown, in ticks of the media timeline, ascending.
    pub presentation_ticks: Vec<i64>,
    /// Of the coded pictures, in pixels.
    pub width: u16,
    pub height: u16,
    /// Parts of the media that the edit list shows. Where there are none, all is shown; decoders leave out what none of them covers; and
    /// where there are several, a frame may be shown more than once.
    pub edits: usize,
    /// Place among the tracks.
    pub(super) index: usize,
    /// When each sample is decoded, in ticks, ascending from 0.
    pub(super) decoding: Vec<i64>,
    /// Ticks from the last of these to the end.
    pub(super) last: u32,
    /// Frames by the time that `qtdemux` gives them, in ticks, ascending, and their own.
    reported: Vec<(i64, i64)>,
}

impl VideoTrack {
    pub(super) fn read(movie: &Movie) -> Result<Self, Mp4Error> {
        let none = || Mp4Error::NoVideo {
            file: movie.path().into(),
        };
        let damaged = |reason: String| Mp4Error::damaged(movie.path(), reason);
        let (index, track) = choose(&movie.tracks).ok_or_else(none)?;
        let stbl = movie.trak(index).and_then(|trak| trak.at(&[b"mdia", b"minf", b"stbl"]));
        let stbl = stbl.ok_or_else(none)?;
        check(movie, track)?;
        let times = Times::read(stbl, track.samples).map_err(damaged)?;
        let (width, height) = track
            .entries
            .first()
            .and_then(|entry| size(&entry.bytes))
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
            last: times.last,
            reported: reported(stbl, track, &times).map_err(damaged)?,
            decoding: times.decoding,
        })
    }

    /// The presentation time, in ticks, of the frame that `qtdemux` gave this PTS: None where no frame is within half a tick of it.
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
        let tracks_and_places = tracks.iter().enumerate();
        tracks_and_places
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

fn check(movie: &Movie, track: &Track) -> Result<(), Mp4Error> {
    let unsupported = |reason: &str| Err(Mp4Error::unsupported(movie.path(), reason));
    if track.entries.iter().any(|entry| entry::is_encrypted(&entry.bytes)) {
        return unsupported("its video is encrypted");
    }
    if !track.chunks.iter().all(|chunk| track.is_here(chunk)) {
        return unsupported("its video is in another file");
    }
    // Else a few bytes could promise millions of frames that share them.
    let bytes = track
        .chunks
        .iter()
        .fold(0u64, |sum, chunk| sum.saturating_add(chunk.bytes));
    if bytes > movie.length {
        return Err(Mp4Error::damaged(movie.path(), "its frames are larger than the file"));
    }
    let in_chunks: usize = track.chunks.iter().map(|chunk| chunk.samples).sum();
    if in_chunks < track.samples {
        return Err(Mp4Error::damaged(
            movie.path(),
            format!("its chunks hold {in_chunks} of {} frames", track.samples),
        ));
    }
    Ok(())
}

/// Width and height in a visual sample entry.
pub(super) fn size(entry: &[u8]) -> Option<(u16, u16)> {
    let mut fields = Fields::new(entry);
    fields.bytes(32)?;
    Some((fields.u16()?, fields.u16()?))
}

/// The times that `qtdemux` gives frames (gst-plugins-good 1.18 to 1.22, `qtdemux.c`, `qtdemux_stbl_init` and `QTSAMPLE_PTS`): composition
/// times on the media timeline, later by what makes the lowest offset 0, or by what `cslg` says; and decoding times where an offset is more than
/// twice the duration of the media, which it takes for damage.
fn reported(stbl: &Mp4Box, track: &Track, times: &Times) -> Result<Vec<(i64, i64)>, String> {
    let offsets = composition_offsets(stbl)?.unwrap_or_default();
    let stated = stbl.child(b"cslg").and_then(Mp4Box::data).and_then(|data| {
        let mut fields = Fields::new(data);
        fields.version_and_flags()?;
        fields.u32()
    });
    let lowest = offsets.iter().map(|&(_, offset)| offset).min().unwrap_or(0);
    let believed = stated.is_some()
        || offsets
            .iter()
            .all(|&(_, offset)| u64::from(offset.unsigned_abs() / 2) <= track.duration);
    let shift = match stated {
        _ if offsets.is_empty() => 0,
        Some(stated) => i64::from(stated),
        None => i64::from(lowest.min(0)).abs(),
    };
    let reported = |(&decoding, &composition): (&i64, &i64)| match believed {
        true => (composition + shift, composition),
        false => (decoding, composition),
    };
    let mut frames: Vec<_> = times.decoding.iter().zip(&times.composition).map(reported).collect();
    frames.sort_unstable();
    Ok(frames)
}
