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
    movie::Region,
    places::{self, not_kept},
    restored::Restored,
    tags,
    track::Track,
    video::{self, VideoTrack},
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

/// The new `moov`, written out.
fn moov(
    movie: &Movie,
    video: &VideoTrack,
    restored: &Restored,
    layout: &Layout,
    tags: &[(&str, &str)],
    notes: &mut Vec<String>,
) -> Result<Vec<u8>, Mp4Error> {
    let damaged = |reason: String| Mp4Error::damaged(movie.path(), reason);
    let mut moov = movie.moov.clone();
    if let Err(reason) = tags::add(&mut moov, tags) {
        notes.push(format!("no tags are added: {reason}"));
    }
    let ftyp = movie.ftyp.as_ref().map_or(0, Mp4Box::size);
    // What is added below, and what `co64` adds, is little to what is spared.
    let narrow = ftyp + 2 * moov.size() + video_tables(restored) + layout.bytes;
    let wide = narrow > u64::from(u32::MAX);
    places::drop_items(&mut moov, notes);
    drop_gps(movie, &mut moov, layout, wide, notes)?;

    let old = std::mem::take(moov.children_mut().ok_or_else(|| damaged("its moov is empty".into()))?);
    let mut tracks = movie.tracks.iter().enumerate();
    let (mut children, mut kept) = (Vec::with_capacity(old.len()), Vec::new());
    for mut child in old {
        if &child.kind == b"trak" {
            let Some((index, track)) = tracks.next() else { continue };
            if &track.handler == b"hint" && track.refers_to(b"hint", video.id) {
                notes.push(format!(
                    "track {} is not kept: it tells a server how to stream the old video",
                    track.id
                ));
                continue;
            }
            if index == video.index {
                put_video(&mut child, movie, video, restored, wide, notes);
            } else {
                keep_auxiliary(&mut child, track, layout, wide, notes);
            }
            if wide {
                places::widen(&mut child);
            }
            kept.push((index, children.len()));
        }
        children.push(child);
    }
    if let Some(new) = moov.children_mut() {
        *new = children;
    }

    let base = ftyp + moov.size();
    let moved = |place| layout.moved(place).map(|place| place + base);
    if let Some(children) = moov.children_mut() {
        for (index, place) in kept {
            let places = if index == video.index {
                layout.inserted.iter().map(|place| place + base).collect()
            } else {
                places::moved_chunks(&movie.tracks[index], layout, base).map_err(damaged)?
            };
            if places.is_empty() {
                continue;
            }
            places::set_chunks(&mut children[place], &places).map_err(damaged)?;
            places::set_saio(&mut children[place], moved);
        }
    }
    if let Some(gps) = moov.child_mut(b"gps ").and_then(Mp4Box::data_mut) {
        places::set_gps(gps, moved).ok_or_else(|| damaged("its GPS blocks are out of reach".into()))?;
    }
    Ok(moov.to_bytes())
}

/// At most what the new video's tables take.
fn video_tables(restored: &Restored) -> u64 {
    const PER_FRAME: u64 = 8 + 8 + 4 + 4;
    const PER_CHUNK: u64 = 12 + 8;
    restored.frames.len() as u64 * PER_FRAME + restored.chunks.len() as u64 * PER_CHUNK + (1 << 20)
}

fn put_video(
    trak: &mut Mp4Box,
    movie: &Movie,
    video: &VideoTrack,
    restored: &Restored,
    wide: bool,
    notes: &mut Vec<String>,
) {
    if let Some(stbl) = trak.at_mut(&[b"mdia", b"minf", b"stbl"]) {
        restored.fill(stbl, wide);
    }
    let Some((width, height)) = restored.entry().and_then(video::size) else {
        return;
    };
    if (width, height) == (video.width, video.height) {
        return;
    }
    if let Some(tkhd) = trak.child_mut(b"tkhd").and_then(Mp4Box::data_mut) {
        scale(tkhd, (width, height), (video.width, video.height));
    }
    if let Some(children) = trak.children_mut()
        && children.iter().any(|child| &child.kind == b"tapt")
    {
        children.retain(|child| &child.kind != b"tapt");
        notes.push(not_kept(b"tapt", "it has the size of the old pictures"));
    }
    notes.push(format!(
        "the pictures of '{}' were {}x{} pixels, and are {width}x{height}",
        movie.path().display(),
        video.width,
        video.height
    ));
}

/// Width and height of presentation, 16.16 numbers that end the track header, in proportion to the pictures' own.
fn scale(tkhd: &mut [u8], new: (u16, u16), old: (u16, u16)) {
    let Some(start) = tkhd.len().checked_sub(8) else { return };
    let (width, height) = tkhd[start..].split_at_mut(4);
    for (side, new, old) in [(width, new.0, old.0), (height, new.1, old.1)] {
        let Ok(bytes) = <[u8; 4]>::try_from(&*side) else { return };
        let scaled = u64::from(u32::from_be_bytes(bytes)) * u64::from(new) / u64::from(old.max(1));
        side.copy_from_slice(&u32::try_from(scaled).unwrap_or(u32::MAX).to_be_bytes());
    }
}

/// Auxiliary information of samples goes where its place could not be put right.
fn keep_auxiliary(trak: &mut Mp4Box, track: &Track, layout: &Layout, wide: bool, notes: &mut Vec<String>) {
    let reach = |place| layout.moved(place).filter(|_| !wide);
    if places::set_saio(&mut trak.clone(), reach) {
        return;
    }
    if let Some(children) = trak.at_mut(&[b"mdia", b"minf", b"stbl"]).and_then(Mp4Box::children_mut) {
        children.retain(|child| !matches!(&child.kind, b"saio" | b"saiz"));
        notes.push(format!(
            "auxiliary information of samples (saio) of track {} is not kept: its place is not known",
            track.id
        ));
    }
}

fn drop_gps(
    movie: &Movie,
    moov: &mut Mp4Box,
    layout: &Layout,
    wide: bool,
    notes: &mut Vec<String>,
) -> Result<(), Mp4Error> {
    let Some(gps) = moov.child(b"gps ").and_then(Mp4Box::data) else {
        return Ok(());
    };
    if wide || !places::is_gps_known(movie, gps, layout)? {
        if let Some(children) = moov.children_mut() {
            children.retain(|child| &child.kind != b"gps ");
        }
        notes.push(not_kept(
            b"gps ",
            "what it names is not where GPS blocks are, or lies beyond 4 GiB",
        ));
    }
    Ok(())
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
