// SPDX-License-Identifier: MPL-2.0

//! The new `moov`: the original's with the tables of the new samples, more tags, and corrected offsets.

use super::{
    layout::Layout,
    offsets::{self, not_kept},
    replacement::Replacement,
    tags,
};
use crate::{
    Error, Movie, Track, VideoTrack,
    boxes::{Mp4Box, sample_entry},
};

/// Returns the bytes of the new `moov`, in which these tracks have new samples, laid out in this order. Adds to `notes` what is not kept.
pub fn moov(
    movie: &Movie,
    videos: &[(&VideoTrack, &Replacement)],
    layout: &Layout,
    tags: &[(&str, &str)],
    notes: &mut Vec<String>,
) -> Result<Vec<u8>, Error> {
    let damaged = |reason: String| Error::damaged(movie.path(), reason);
    let mut moov = movie.moov().clone();
    if let Err(reason) = tags::add(&mut moov, tags) {
        notes.push(format!("no tags are added: {reason}"));
    }
    let ftyp = movie.ftyp().map_or(0, Mp4Box::size);
    // An upper bound for what is done to the `moov` below: `co64` is twice as large as `stco`.
    let at_most = ftyp + 2 * moov.size() + max_table_size(videos) + layout.bytes;
    let wide = at_most > u64::from(u32::MAX);
    offsets::drop_items(&mut moov, notes);
    drop_gps(movie, &mut moov, layout, wide, notes)?;

    let old_children = std::mem::take(moov.children_mut().ok_or_else(|| damaged("its moov is empty".into()))?);
    let mut tracks = movie.tracks().iter().enumerate();
    let (mut children, mut kept) = (Vec::with_capacity(old_children.len()), Vec::new());
    for mut child in old_children {
        if &child.kind == b"trak" {
            let Some((index, track)) = tracks.next() else { continue };
            if &track.handler == b"hint" && videos.iter().any(|(video, _)| track.refers_to(b"hint", video.id)) {
                notes.push(format!(
                    "track {} is not kept: it holds hints for streaming the old video",
                    track.id
                ));
                continue;
            }
            if let Some((video, new)) = videos.iter().find(|(video, _)| video.index() == index) {
                replace_samples(&mut child, video, new, wide, notes);
            } else {
                check_auxiliary(&mut child, track, layout, wide, notes);
            }
            if wide {
                offsets::widen_chunk_table(&mut child);
            }
            kept.push((index, children.len()));
        }
        children.push(child);
    }
    if let Some(emptied) = moov.children_mut() {
        *emptied = children;
    }

    let base = ftyp + moov.size();
    let new_offset = |offset| layout.new_offset(offset).map(|offset| offset + base);
    if let Some(children) = moov.children_mut() {
        for (index, position) in kept {
            let chunk_offsets = match inserted(videos, layout, index) {
                Some(inserted) => inserted.iter().map(|offset| offset + base).collect(),
                None => offsets::new_chunk_offsets(&movie.tracks()[index], layout, base).map_err(damaged)?,
            };
            if chunk_offsets.is_empty() {
                continue;
            }
            offsets::set_chunk_offsets(&mut children[position], &chunk_offsets).map_err(damaged)?;
            offsets::set_saio(&mut children[position], new_offset);
        }
    }
    if let Some(gps) = moov.child_mut(b"gps ").and_then(Mp4Box::data_mut) {
        offsets::set_gps(gps, new_offset).ok_or_else(|| damaged("its GPS blocks are beyond 4 GiB".into()))?;
    }
    if ftyp + moov.size() != base {
        return Err(damaged(
            "a box of its moov changes its size when offsets are corrected".into(),
        ));
    }
    Ok(moov.to_bytes())
}

/// Returns where the new chunks of a track are, from the end of the `moov`. `None` for a track whose samples are kept.
fn inserted<'a>(videos: &[(&VideoTrack, &Replacement)], layout: &'a Layout, index: usize) -> Option<&'a [u64]> {
    let position = videos.iter().position(|(video, _)| video.index() == index)?;
    let before: usize = videos[..position].iter().map(|(_, new)| new.chunks.len()).sum();
    layout.inserted.get(before..before + videos[position].1.chunks.len())
}

/// Returns an upper bound for the size of the new tables.
fn max_table_size(videos: &[(&VideoTrack, &Replacement)]) -> u64 {
    const PER_FRAME: u64 = 8 + 8 + 4 + 4;
    const PER_CHUNK: u64 = 12 + 8;
    let tables = videos
        .iter()
        .map(|(_, new)| new.frames.len() as u64 * PER_FRAME + new.chunks.len() as u64 * PER_CHUNK + (1 << 20));
    tables.sum()
}

/// Puts the new tables into the `trak` of the video, and adapts what depends on the size of the pictures.
fn replace_samples(trak: &mut Mp4Box, video: &VideoTrack, new: &Replacement, wide: bool, notes: &mut Vec<String>) {
    if let Some(stbl) = trak.at_mut(&[b"mdia", b"minf", b"stbl"]) {
        new.write_tables(stbl, wide);
    }
    let Some((width, height)) = new.entry().and_then(sample_entry::size) else {
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
}

/// Scales the presentation size, two 16.16 numbers at the end of the track header, as the pictures are.
fn scale(tkhd: &mut [u8], new: (u16, u16), old: (u16, u16)) {
    let Some(start) = tkhd.len().checked_sub(8) else { return };
    let (width, height) = tkhd[start..].split_at_mut(4);
    for (side, new, old) in [(width, new.0, old.0), (height, new.1, old.1)] {
        let Ok(bytes) = <[u8; 4]>::try_from(&*side) else { return };
        let scaled = u64::from(u32::from_be_bytes(bytes)) * u64::from(new) / u64::from(old.max(1));
        side.copy_from_slice(&u32::try_from(scaled).unwrap_or(u32::MAX).to_be_bytes());
    }
}

/// Drops auxiliary sample information whose offsets cannot be corrected.
fn check_auxiliary(trak: &mut Mp4Box, track: &Track, layout: &Layout, wide: bool, notes: &mut Vec<String>) {
    // The end of the `moov` is not known yet. Only the width of the offsets matters here.
    let base = if wide { 1 << 32 } else { 0 };
    let new_offset = |offset| layout.new_offset(offset).map(|offset| offset + base);
    if offsets::set_saio(&mut trak.clone(), new_offset) {
        return;
    }
    if let Some(children) = trak.at_mut(&[b"mdia", b"minf", b"stbl"]).and_then(Mp4Box::children_mut) {
        children.retain(|child| !matches!(&child.kind, b"saio" | b"saiz"));
        notes.push(format!(
            "auxiliary sample information (saio) of track {} is not kept: its offsets cannot be corrected",
            track.id
        ));
    }
}

/// Drops a `gps ` box whose offsets cannot be corrected.
fn drop_gps(
    movie: &Movie,
    moov: &mut Mp4Box,
    layout: &Layout,
    wide: bool,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let Some(gps) = moov.child(b"gps ").and_then(Mp4Box::data) else {
        return Ok(());
    };
    if wide || !offsets::is_gps_correctable(movie, gps, layout)? {
        if let Some(children) = moov.children_mut() {
            children.retain(|child| &child.kind != b"gps ");
        }
        notes.push(not_kept(
            b"gps ",
            "its offsets are not those of GPS blocks, or would be beyond 4 GiB",
        ));
    }
    Ok(())
}
