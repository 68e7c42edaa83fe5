// SPDX-License-Identifier: MPL-2.0

//! The new `moov`: the original's with the new video's tables, our tags, and the places of now.

use super::{
    Movie, Mp4Error,
    boxes::Mp4Box,
    layout::Layout,
    places::{self, not_kept},
    restored::Restored,
    tags,
    track::Track,
    video::{self, VideoTrack},
};

/// The new `moov`, written out.
pub fn moov(
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
    // No `moov` is larger than this, whatever is put into it below: `co64` takes twice of what `stco` takes.
    let at_most = ftyp + 2 * moov.size() + video_tables(restored) + layout.bytes;
    let wide = at_most > u64::from(u32::MAX);
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
    // Where the `moov` ends is not known yet; what counts is whether 32 bits do.
    let base = if wide { 1 << 32 } else { 0 };
    let reach = |place| layout.moved(place).map(|place| place + base);
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
