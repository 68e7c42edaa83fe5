// SPDX-License-Identifier: MPL-2.0

//! The length of a movie whose edit list begins later than its media, as of a clip that was trimmed without encoding, and of one without an edit list whose
//! frames are presented later than they are decoded.
//!
//! GStreamer 1.22's `qtdemux` ends a stream at the first key frame whose time in the media is beyond the length of the movie, though that counts from where
//! the edit list begins. Frames up to its end are lost then. So the demuxer is given a longer length: it still ends where the edit list does.
//! A track without an edit list it ends at the length of its media, which is that of all frames together (ISO 14496-12, 8.4.2). With B-frames, all may be
//! presented later than they are decoded, and the last ones are beyond it. That length and the movie's are made to reach the end of the last frame.

use std::{ops::Range, path::Path};

use gst::prelude::*;
use mp4_splice::{Movie, Track, boxes::Mp4Box};

use super::log::CAT;

/// Makes `qtdemux` read all of a movie that `source`, a `filesrc`, gives it from `path`.
pub fn correct(source: &gst::Element, path: &Path) {
    let Ok(movie) = Movie::open(path) else { return };
    let late = LateMedia::all(&movie);
    let movie_header = longer_header(&movie, &late);
    let media_headers = late.into_iter().map(|media| media.header);
    let changes: Vec<_> = movie_header.into_iter().chain(media_headers).collect();
    if changes.is_empty() {
        return;
    }
    let Some(pad) = source.static_pad("src") else { return };
    gst::debug!(CAT, obj = source, "the movie is made longer for its demuxer");
    pad.add_probe(gst::PadProbeType::PULL | gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Some(changed) = replaced(buffer, &changes)
        {
            *buffer = changed;
        }
        gst::PadProbeReturn::Ok
    });
}

/// Returns the content of the movie header, and what it is to be. `None` where it can stay.
fn longer_header(movie: &Movie, late: &[LateMedia]) -> Option<(Vec<u8>, Vec<u8>)> {
    let header = movie.moov().child(b"mvhd").and_then(Mp4Box::data)?;
    let fields = Fields::of(header)?;
    let begins = movie.tracks().iter().flat_map(|track| {
        let in_movie = |start: i64| {
            let ticks = u64::try_from(start).unwrap_or(0).checked_mul(fields.timescale)?;
            Some(ticks.div_ceil(track.timescale.into()))
        };
        track.edits.iter().filter_map(move |edit| in_movie(edit.start))
    });
    let latest = fields.duration.checked_add(begins.max().unwrap_or(0))?;
    let ends = late.iter().filter_map(|media| {
        let ticks = media.end.checked_mul(fields.timescale)?;
        Some(ticks.div_ceil(u64::from(media.timescale).max(1)))
    });
    let length = latest.max(ends.max().unwrap_or(0));
    if length <= fields.duration {
        return None;
    }
    let mut longer = header.to_vec();
    fields.set_duration(&mut longer, length)?;
    Some((header.to_vec(), longer))
}

/// A video without an edit list whose media header states an earlier end than that of its last frame.
struct LateMedia {
    /// The content of the media header, whose fields are those of a movie header (ISO 14496-12, 8.4.2), and what it is to be.
    header: (Vec<u8>, Vec<u8>),
    /// In ticks of the media.
    end: u64,
    timescale: u32,
}

impl LateMedia {
    /// Finds all of a movie. One in fragments has no frames here.
    fn all(movie: &Movie) -> Vec<Self> {
        let tracks = movie.tracks().iter().enumerate();
        let videos = tracks.filter(|(_, track)| track.edits.is_empty() && &track.handler == b"vide");
        videos
            .filter_map(|(index, track)| Self::of(movie, index, track))
            .collect()
    }

    fn of(movie: &Movie, index: usize, track: &Track) -> Option<Self> {
        let header = movie.trak(index)?.at(&[b"mdia", b"mdhd"])?.data()?;
        let fields = Fields::of(header)?;
        let video = movie.video_with_id(track.id).ok()?;
        let end = video
            .presentation_ticks
            .last()?
            .checked_add(video.last_duration().into())?;
        let end = u64::try_from(end).ok().filter(|&end| end > fields.duration)?;
        let mut longer = header.to_vec();
        fields.set_duration(&mut longer, end)?;
        Some(Self {
            header: (header.to_vec(), longer),
            end,
            timescale: track.timescale,
        })
    }
}

/// Where the movie header has its length (ISO 14496-12, 8.2.2).
struct Fields {
    timescale: u64,
    duration: u64,
    place: Range<usize>,
}

impl Fields {
    fn of(header: &[u8]) -> Option<Self> {
        let (timescale, place) = match header.first()? {
            0 => (12..16, 16..20),
            _ => (20..24, 24..32),
        };
        let number = |place: Range<usize>| {
            let bytes = header.get(place)?;
            Some(bytes.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte)))
        };
        Some(Self {
            timescale: number(timescale)?,
            duration: number(place.clone())?,
            place,
        })
    }

    fn set_duration(&self, header: &mut [u8], duration: u64) -> Option<()> {
        let place = header.get_mut(self.place.clone())?;
        let bytes = duration.to_be_bytes();
        let (unused, used) = bytes.split_at(bytes.len() - place.len());
        place.copy_from_slice(used);
        unused.iter().all(|&byte| byte == 0).then_some(())
    }
}

/// Returns the buffer with other headers, if it begins with the box that has them. Of headers that are alike all are changed: a stream ends no later than its
/// last packet.
fn replaced(buffer: &gst::BufferRef, changes: &[(Vec<u8>, Vec<u8>)]) -> Option<gst::Buffer> {
    let mut bytes = {
        let map = buffer.map_readable().ok()?;
        (map.get(4..8) == Some(b"moov")).then(|| map.to_vec())?
    };
    for (header, longer) in changes {
        let mut from = 0;
        while let Some(at) = bytes[from..].windows(header.len()).position(|window| window == header) {
            let place = from + at..from + at + header.len();
            from = place.end;
            bytes[place].copy_from_slice(longer);
        }
    }
    let mut changed = gst::Buffer::from_mut_slice(bytes);
    let kept = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
    buffer.copy_into(changed.make_mut(), kept, ..).ok()?;
    Some(changed)
}
