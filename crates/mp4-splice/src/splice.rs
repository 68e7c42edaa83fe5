// SPDX-License-Identifier: MPL-2.0

//! The restored file: the original with new video in it.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    ops::Range,
    path::PathBuf,
};

use super::{
    Movie, Mp4Error, Segment,
    boxes::Mp4Box,
    layout::{Insert, Layout, Piece, united, without},
    moov::moov,
    movie::Region,
    places::not_kept,
    restored::Restored,
    track::Track,
    video::VideoTrack,
};

/// Bytes copied at once.
const COPIED: usize = 1 << 20;

/// A `meta` box outside of `moov` is looked into up to this size.
const LARGEST_META: u64 = 16 << 20;

/// Writes a movie with the frames of `segments` for its video, `moov` first. `ticks` has the presentation time of every frame, in ticks of the media
/// timeline ([`VideoTrack::presentation_ticks`]), in the order of display over all segments; `tags` are added to the movie's own. Everything else is
/// as it was, byte for byte, but for places in the file, which are put right.
///
/// Returned is what could not be kept, a sentence each.
///
/// # Errors
/// What is wrong with the movie or a segment, where there are not as many times as frames, and where reading or writing fails. What
/// has been written by then is no movie.
pub fn splice(
    movie: &Movie,
    segments: &[PathBuf],
    ticks: &[i64],
    tags: &[(&str, &str)],
    mut out: impl Write,
) -> Result<Vec<String>, Mp4Error> {
    let video = movie.video()?;
    let segments = segments
        .iter()
        .map(|path| Segment::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let restored = Restored::new(movie, &video, &segments, ticks)?;
    let mut notes = Vec::new();
    let regions = kept_regions(movie, &mut notes)?;
    let inserts: Vec<Insert> = restored.chunks.iter().map(|chunk| chunk.insert).collect();
    let layout = Layout::new(&regions, &old_video(movie, &video), &inserts)
        .ok_or_else(|| Mp4Error::damaged(movie.path(), "its video is not where media data is"))?;

    let moov = moov(movie, &video, &restored, &layout, tags, &mut notes)?;
    let ftyp = movie.ftyp.as_ref().map(Mp4Box::to_bytes).unwrap_or_default();
    out.write_all(&ftyp).map_err(Mp4Error::Write)?;
    out.write_all(&moov).map_err(Mp4Error::Write)?;
    let mut copier = Copier::new(movie, &segments, &restored, out);
    layout.pieces.iter().try_for_each(|piece| copier.copy(piece))?;
    copier.out.flush().map_err(Mp4Error::Write)?;
    Ok(notes)
}

/// All regions but those that tell where fragments are.
fn kept_regions(movie: &Movie, notes: &mut Vec<String>) -> Result<Vec<Region>, Mp4Error> {
    let mut kept = Vec::with_capacity(movie.regions.len());
    for region in &movie.regions {
        let reason = match &region.kind {
            b"mfra" | b"sidx" | b"ssix" => Some("it is an index of the old data"),
            b"meta" if has_items(movie, region)? => Some("its items are found by their place in the file"),
            _ => None,
        };
        match reason {
            Some(reason) => notes.push(not_kept(&region.kind, reason)),
            None => kept.push(*region),
        }
    }
    Ok(kept)
}

fn has_items(movie: &Movie, region: &Region) -> Result<bool, Mp4Error> {
    let size = region.end - region.start;
    if size > LARGEST_META {
        return Ok(true);
    }
    let mut body = vec![0; size as usize];
    movie.read_at(region.start, &mut body)?;
    Ok(Mp4Box::parse(region.kind, &body).is_ok_and(|meta| meta.child(b"iloc").is_some()))
}

/// The bytes that are the old video's and no other track's.
fn old_video(movie: &Movie, video: &VideoTrack) -> Vec<Range<u64>> {
    let of = |track: &Track| -> Vec<Range<u64>> {
        let here = track.chunks.iter().filter(|chunk| track.is_here(chunk));
        here.map(|chunk| chunk.offset..chunk.end()).collect()
    };
    let others = movie
        .tracks
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != video.index);
    let others = united(others.flat_map(|(_, track)| of(track)).collect());
    let old = united(of(&movie.tracks[video.index]));
    old.iter().flat_map(|range| without(range, &others)).collect()
}

/// Copies pieces from the movie and the segments.
struct Copier<'a, W> {
    movie: &'a Movie,
    segments: &'a [Segment],
    restored: &'a Restored,
    /// The segment read last, by its number.
    open: Option<(usize, File)>,
    buffer: Vec<u8>,
    out: W,
}

impl<'a, W: Write> Copier<'a, W> {
    fn new(movie: &'a Movie, segments: &'a [Segment], restored: &'a Restored, out: W) -> Self {
        Self {
            movie,
            segments,
            restored,
            open: None,
            buffer: vec![0; COPIED],
            out,
        }
    }

    fn copy(&mut self, piece: &Piece) -> Result<(), Mp4Error> {
        match piece {
            Piece::Header(bytes) => self.out.write_all(bytes).map_err(Mp4Error::Write),
            Piece::Keep(range) => self.keep(range.clone()),
            &Piece::Insert(number) => self.insert(number),
        }
    }

    fn keep(&mut self, mut range: Range<u64>) -> Result<(), Mp4Error> {
        while !range.is_empty() {
            let count = (range.end - range.start).min(COPIED as u64);
            let buffer = &mut self.buffer[..count as usize];
            self.movie.read_at(range.start, buffer)?;
            self.out.write_all(buffer).map_err(Mp4Error::Write)?;
            range.start += count;
        }
        Ok(())
    }

    fn insert(&mut self, number: usize) -> Result<(), Mp4Error> {
        let chunk = &self.restored.chunks[number];
        for (segment, sample) in &self.restored.frames[chunk.first..chunk.first + chunk.samples] {
            let path = &self.segments[*segment].path;
            let unreadable = |source| Mp4Error::read(path, source);
            let mut file = match self.open.take() {
                Some((open, file)) if open == *segment => file,
                _ => File::open(path).map_err(unreadable)?,
            };
            file.seek(SeekFrom::Start(sample.offset)).map_err(unreadable)?;
            let mut left = sample.size as usize;
            while left > 0 {
                let count = left.min(COPIED);
                let buffer = &mut self.buffer[..count];
                file.read_exact(buffer).map_err(unreadable)?;
                self.out.write_all(buffer).map_err(Mp4Error::Write)?;
                left -= count;
            }
            self.open = Some((*segment, file));
        }
        Ok(())
    }
}
