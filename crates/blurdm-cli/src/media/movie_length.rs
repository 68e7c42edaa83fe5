// SPDX-License-Identifier: MPL-2.0

//! The length of a movie whose edit list begins later than its media, as of a clip that was trimmed without encoding.
//!
//! GStreamer 1.22's `qtdemux` ends a stream at the first key frame whose time in the media is beyond the length of the movie, though that counts from where
//! the edit list begins. Frames up to its end are lost then. So the demuxer is given a longer length: it still ends where the edit list does.

use std::{ops::Range, path::Path};

use gst::prelude::*;
use mp4_splice::{Movie, boxes::Mp4Box};

use super::log::CAT;

/// Makes `qtdemux` read all of a movie that `source`, a `filesrc`, gives it from `path`.
pub fn correct(source: &gst::Element, path: &Path) {
    let Some((header, longer)) = Movie::open(path).ok().as_ref().and_then(longer_header) else {
        return;
    };
    let Some(pad) = source.static_pad("src") else { return };
    gst::debug!(CAT, obj = source, "the movie is made longer for its demuxer");
    pad.add_probe(gst::PadProbeType::PULL | gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Some(changed) = replaced(buffer, &header, &longer)
        {
            *buffer = changed;
        }
        gst::PadProbeReturn::Ok
    });
}

/// Returns the content of the movie header, and what it is to be. `None` where it can stay.
fn longer_header(movie: &Movie) -> Option<(Vec<u8>, Vec<u8>)> {
    let header = movie.moov().child(b"mvhd").and_then(Mp4Box::data)?;
    let fields = Fields::of(header)?;
    let begins = movie.tracks().iter().flat_map(|track| {
        let in_movie = |start: i64| {
            let ticks = u64::try_from(start).unwrap_or(0).checked_mul(fields.timescale)?;
            Some(ticks.div_ceil(track.timescale.into()))
        };
        track.edits.iter().filter_map(move |edit| in_movie(edit.start))
    });
    let latest = begins.max().filter(|&latest| latest > 0)?;
    let mut longer = header.to_vec();
    fields.set_duration(&mut longer, fields.duration.checked_add(latest)?)?;
    Some((header.to_vec(), longer))
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

/// Returns the buffer with another movie header, if it begins with the box that has it.
fn replaced(buffer: &gst::BufferRef, header: &[u8], longer: &[u8]) -> Option<gst::Buffer> {
    let mut bytes = {
        let map = buffer.map_readable().ok()?;
        (map.get(4..8) == Some(b"moov")).then(|| map.to_vec())?
    };
    let at = bytes.windows(header.len()).position(|window| window == header)?;
    bytes[at..at + header.len()].copy_from_slice(longer);
    let mut changed = gst::Buffer::from_mut_slice(bytes);
    let kept = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
    buffer.copy_into(changed.make_mut(), kept, ..).ok()?;
    Some(changed)
}
