// SPDX-License-Identifier: MPL-2.0

//! Writing the new file.

use std::{io::Write, ops::Range, sync::Arc};

use super::{
    layout::{Insert, Layout, Piece},
    moov::moov,
    offsets::not_kept,
    ranges::{merge, subtract},
    replacement::Replacement,
};
use crate::{Error, Movie, ReadAt, Sample, Segment, TopLevelBox, Track, VideoTrack, boxes::Mp4Box};

/// Bytes that are copied at once.
const BLOCK: usize = 1 << 20;

/// A larger `meta` box outside of `moov` is not parsed.
const MAX_META: u64 = 16 << 20;

/// Writes a movie whose video track has the frames of `segments`, `moov` first. Everything else stays byte for byte as it was, but for
/// offsets in the file, which are corrected.
///
/// `ticks` holds the presentation time of every frame, in ticks of the media timeline ([`VideoTrack::presentation_ticks`]) and in
/// presentation order over all segments. `tags`, names and texts, are added to those of the movie.
///
/// Returns a sentence about each thing that could not be kept.
///
/// # Errors
/// Those of [`Movie::video`]; [`Error::Frames`] where the number of times is not that of frames, or the times are not in order;
/// [`Error::Read`] and [`Error::Write`]. What has been written by then is no movie.
pub fn splice(
    movie: &Movie,
    segments: &[Segment],
    ticks: &[i64],
    tags: &[(&str, &str)],
    out: impl Write,
) -> Result<Vec<String>, Error> {
    let video = movie.video()?;
    splice_tracks(
        movie,
        &[NewVideo {
            video: &video,
            segments,
            ticks,
        }],
        tags,
        out,
    )
}

/// The frames of a track.
#[derive(Debug, Clone, Copy)]
pub struct NewVideo<'a> {
    /// The track whose samples are replaced.
    pub video: &'a VideoTrack,
    pub segments: &'a [Segment],
    /// The presentation time of every frame, in ticks of the media timeline and in presentation order over all segments.
    pub ticks: &'a [i64],
}

/// As [`splice`], for any video tracks, each once.
///
/// # Errors
/// As [`splice`]; [`Error::Frames`] where a track is named twice or none is.
pub fn splice_tracks(
    movie: &Movie,
    videos: &[NewVideo],
    tags: &[(&str, &str)],
    mut out: impl Write,
) -> Result<Vec<String>, Error> {
    let mut indices: Vec<usize> = videos.iter().map(|new| new.video.index()).collect();
    indices.sort_unstable();
    if indices.is_empty() || indices.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::frames(movie.path(), "no track is named, or one is named twice"));
    }
    let new: Vec<Replacement> = videos
        .iter()
        .map(|new| Replacement::new(movie, new.video, new.segments, new.ticks))
        .collect::<Result<_, _>>()?;
    let mut notes = Vec::new();
    let boxes = kept_boxes(movie, &mut notes)?;
    let inserts: Vec<Insert> = new
        .iter()
        .flat_map(|new| new.chunks.iter().map(|chunk| chunk.insert))
        .collect();
    let layout = Layout::new(&boxes, &old_videos(movie, &indices), &inserts)
        .ok_or_else(|| Error::damaged(movie.path(), "its video is not in media data"))?;

    let pairs: Vec<(&VideoTrack, &Replacement)> = videos.iter().map(|new| new.video).zip(&new).collect();
    let moov = moov(movie, &pairs, &layout, tags, &mut notes)?;
    let ftyp = movie.ftyp().map(Mp4Box::to_bytes).unwrap_or_default();
    out.write_all(&ftyp).map_err(Error::Write)?;
    out.write_all(&moov).map_err(Error::Write)?;
    let chunks = videos.iter().zip(&new).flat_map(|(video, new)| {
        let frames = new
            .chunks
            .iter()
            .map(|chunk| &new.frames[chunk.first..chunk.first + chunk.samples]);
        frames.map(|frames| (video.segments, frames))
    });
    let mut copier = Copier::new(movie, chunks.collect(), out);
    layout.pieces.iter().try_for_each(|piece| copier.copy(piece))?;
    copier.out.flush().map_err(Error::Write)?;
    Ok(notes)
}

/// Returns the top-level boxes without those that hold offsets which cannot be corrected.
fn kept_boxes(movie: &Movie, notes: &mut Vec<String>) -> Result<Vec<TopLevelBox>, Error> {
    let mut kept = Vec::with_capacity(movie.boxes().len());
    for region in movie.boxes() {
        let reason = match &region.kind {
            b"mfra" | b"sidx" | b"ssix" => Some("it is an index of the old data"),
            b"meta" if has_items(movie, region)? => Some("its items are located by offsets in the file"),
            _ => None,
        };
        match reason {
            Some(reason) => notes.push(not_kept(&region.kind, reason)),
            None => kept.push(*region),
        }
    }
    Ok(kept)
}

fn has_items(movie: &Movie, region: &TopLevelBox) -> Result<bool, Error> {
    let size = region.end - region.start;
    if size > MAX_META {
        return Ok(true);
    }
    let mut body = vec![0; size as usize];
    movie.read_at(region.start, &mut body)?;
    Ok(Mp4Box::parse(region.kind, &body).is_ok_and(|meta| meta.child(b"iloc").is_some()))
}

/// Returns the ranges that belong to the replaced tracks and to no other.
fn old_videos(movie: &Movie, replaced: &[usize]) -> Vec<Range<u64>> {
    let of = |is_replaced: bool| {
        let tracks = movie.tracks().iter().enumerate();
        let tracks = tracks.filter(|(index, _)| replaced.contains(index) == is_replaced);
        merge(tracks.flat_map(|(_, track)| ranges(track)).collect())
    };
    let others = of(false);
    of(true).iter().flat_map(|range| subtract(range, &others)).collect()
}

fn ranges(track: &Track) -> Vec<Range<u64>> {
    let own = track.chunks.iter().filter(|chunk| track.is_in_this_file(chunk));
    own.map(|chunk| chunk.offset..chunk.end()).collect()
}

/// The frames of a chunk, each with the index of its segment, and these segments.
type ChunkFrames<'a> = (&'a [Segment], &'a [(usize, Sample)]);

/// Copies pieces of the movie and of the segments to the output.
struct Copier<'a, W> {
    movie: &'a Movie,
    chunks: Vec<ChunkFrames<'a>>,
    /// The segment that was read last, and its samples.
    open: Option<(&'a Segment, Arc<dyn ReadAt>)>,
    buffer: Vec<u8>,
    out: W,
}

impl<'a, W: Write> Copier<'a, W> {
    fn new(movie: &'a Movie, chunks: Vec<ChunkFrames<'a>>, out: W) -> Self {
        Self {
            movie,
            chunks,
            open: None,
            buffer: vec![0; BLOCK],
            out,
        }
    }

    fn copy(&mut self, piece: &Piece) -> Result<(), Error> {
        match piece {
            Piece::Header(bytes) => self.out.write_all(bytes).map_err(Error::Write),
            Piece::Keep(range) => self.keep(range.clone()),
            &Piece::Insert(number) => self.insert(number),
        }
    }

    fn keep(&mut self, mut range: Range<u64>) -> Result<(), Error> {
        while !range.is_empty() {
            let count = (range.end - range.start).min(BLOCK as u64);
            let buffer = &mut self.buffer[..count as usize];
            self.movie.read_at(range.start, buffer)?;
            self.out.write_all(buffer).map_err(Error::Write)?;
            range.start += count;
        }
        Ok(())
    }

    fn insert(&mut self, number: usize) -> Result<(), Error> {
        let (segments, frames) = self.chunks[number];
        for (index, sample) in frames {
            let segment = &segments[*index];
            let source = match self.open.take() {
                Some((open, source)) if std::ptr::eq(open, segment) => source,
                _ => segment.source()?,
            };
            let (mut offset, mut left) = (sample.offset, sample.size as usize);
            while left > 0 {
                let count = left.min(BLOCK);
                let buffer = &mut self.buffer[..count];
                let read = source.read_at(offset, buffer);
                read.map_err(|error| Error::read(segment.path(), error))?;
                self.out.write_all(buffer).map_err(Error::Write)?;
                offset += count as u64;
                left -= count;
            }
            self.open = Some((segment, source));
        }
        Ok(())
    }
}
