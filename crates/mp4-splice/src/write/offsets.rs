// SPDX-License-Identifier: MPL-2.0

//! Offsets in the file that boxes hold. They are corrected; where that cannot be done the box is dropped, with a note.

use super::layout::Layout;
use crate::{
    Error, Movie, Track,
    boxes::{ByteReader, FourCc, Mp4Box, name},
};

/// The boxes of a `meta` box that locate items in the file, and those that mean nothing without them.
const ITEM_BOXES: [&FourCc; 6] = [b"iloc", b"iinf", b"pitm", b"iref", b"iprp", b"ipro"];

/// Converts a `stco`, which has 32-bit offsets, to a `co64`.
pub fn widen_chunk_table(trak: &mut Mp4Box) {
    let Some(stbl) = trak.at_mut(&[b"mdia", b"minf", b"stbl"]) else {
        return;
    };
    let Some(stco) = stbl.child_mut(b"stco") else { return };
    let Some(data) = stco.data() else { return };
    let (head, offsets) = data.split_at(data.len().min(8));
    let mut wide = head.to_vec();
    for offset in offsets.chunks_exact(4) {
        wide.extend([0; 4]);
        wide.extend(offset);
    }
    *stco = Mp4Box::bytes(b"co64", wide);
}

/// Writes the offsets of the chunks of a track into its chunk table, `stco` or `co64`.
///
/// # Errors
/// An offset needs more bits than the table has.
pub fn set_chunk_offsets(trak: &mut Mp4Box, offsets: &[u64]) -> Result<(), String> {
    let stbl = trak
        .at_mut(&[b"mdia", b"minf", b"stbl"])
        .ok_or("a sample table is missing")?;
    let (kind, width) = match stbl.child(b"stco") {
        Some(_) => (b"stco", 4),
        None => (b"co64", 8),
    };
    let table = stbl
        .child_mut(kind)
        .and_then(Mp4Box::data_mut)
        .and_then(|data| data.get_mut(8..));
    let entries = table.ok_or("a chunk table is missing")?.chunks_exact_mut(width);
    for (entry, offset) in entries.zip(offsets) {
        let bytes = offset.to_be_bytes();
        let (high, low) = bytes.split_at(8 - width);
        if high.iter().any(|&byte| byte != 0) {
            return Err("a chunk is beyond 4 GiB".into());
        }
        entry.copy_from_slice(low);
    }
    Ok(())
}

/// Returns the new offsets of the chunks of a track whose samples are kept. `base` is the end of the `moov`.
///
/// # Errors
/// A chunk is not in media data, or overlaps the old video.
pub fn new_chunk_offsets(track: &Track, layout: &Layout, base: u64) -> Result<Vec<u64>, String> {
    let offsets = track.chunks.iter().map(|chunk| {
        if !track.is_in_this_file(chunk) {
            return Some(chunk.offset);
        }
        if chunk.bytes == 0 {
            return Some(base + layout.new_offset(chunk.offset).unwrap_or(0));
        }
        let (first, last) = (layout.new_offset(chunk.offset)?, layout.new_offset(chunk.end() - 1)?);
        (last - first == chunk.bytes - 1).then_some(base + first)
    });
    offsets
        .collect::<Option<_>>()
        .ok_or_else(|| format!("data of track {} is not in media data", track.id))
}

/// Corrects the offsets of auxiliary sample information (`saio`), as encrypted audio has it. Returns `false` where `new_offset` has none for
/// one of them; that table is not changed then.
pub fn set_saio(trak: &mut Mp4Box, new_offset: impl Fn(u64) -> Option<u64>) -> bool {
    let Some(stbl) = trak.at_mut(&[b"mdia", b"minf", b"stbl"]) else {
        return true;
    };
    let Some(children) = stbl.children_mut() else {
        return true;
    };
    let mut tables = children.iter_mut().filter(|child| &child.kind == b"saio");
    tables.all(
        |saio| match saio.data().and_then(|data| corrected_saio(data, &new_offset)) {
            Some(data) => {
                *saio = Mp4Box::bytes(b"saio", data);
                true
            }
            None => false,
        },
    )
}

fn corrected_saio(data: &[u8], new_offset: impl Fn(u64) -> Option<u64>) -> Option<Vec<u8>> {
    let mut reader = ByteReader::new(data);
    let (version, flags) = reader.version_and_flags()?;
    if flags & 1 == 1 {
        reader.bytes(8)?;
    }
    let head = data.len() - reader.rest().len() + 4;
    let mut out = data.get(..head)?.to_vec();
    let entries = reader.entries(if version == 0 { 4 } else { 8 })?;
    for mut entry in entries {
        if version == 0 {
            let offset = new_offset(entry.u32()?.into())?;
            out.extend(u32::try_from(offset).ok()?.to_be_bytes());
        } else {
            out.extend(new_offset(entry.u64()?)?.to_be_bytes());
        }
    }
    // What follows the entries is kept. The size of the box must not change.
    out.extend(reader.rest());
    Some(out)
}

/// Bytes before the entries of Novatek's `gps ` box. An entry has two 32-bit numbers, the offset of a GPS block and its size. The blocks
/// themselves hold no offsets.
const GPS_HEAD: usize = 8;

/// Whether every offset in a `gps ` box is that of a GPS block that is kept, so that it can be corrected.
pub fn is_gps_correctable(movie: &Movie, gps: &[u8], layout: &Layout) -> Result<bool, Error> {
    for entry in gps.get(GPS_HEAD..).unwrap_or(&[]).chunks_exact(8) {
        let mut reader = ByteReader::new(entry);
        let (Some(offset), Some(size)) = (reader.u32().map(u64::from), reader.u32().map(u64::from)) else {
            return Ok(false);
        };
        if offset == 0 && size == 0 {
            continue;
        }
        let whole = size >= 12
            && layout
                .new_offset(offset + size - 1)
                .zip(layout.new_offset(offset))
                .is_some_and(|(last, first)| last - first == size - 1);
        if !whole {
            return Ok(false);
        }
        let mut block = [0; 12];
        movie.read_at(offset, &mut block)?;
        if &block[4..] != b"freeGPS " {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Corrects the offsets of a `gps ` box. Returns `None` where `new_offset` has none for one of them.
pub fn set_gps(gps: &mut [u8], new_offset: impl Fn(u64) -> Option<u64>) -> Option<()> {
    for entry in gps.get_mut(GPS_HEAD..)?.chunks_exact_mut(8) {
        let offset = ByteReader::new(entry).u32()?;
        if offset > 0 {
            let offset = u32::try_from(new_offset(offset.into())?).ok()?;
            entry[..4].copy_from_slice(&offset.to_be_bytes());
        }
    }
    Some(())
}

/// Removes the items of all `meta` boxes within a box that are located by offsets, with a note for each.
pub fn drop_items(parent: &mut Mp4Box, notes: &mut Vec<String>) {
    let is_meta = &parent.kind == b"meta";
    let Some(children) = parent.children_mut() else { return };
    if is_meta && children.iter().any(|child| &child.kind == b"iloc") {
        children.retain(|child| !ITEM_BOXES.contains(&&child.kind));
        notes.push("items of a meta box (iloc) are not kept: they are located by offsets in the file".into());
    }
    children.iter_mut().for_each(|child| drop_items(child, notes));
}

/// Returns the note for a box that is not kept.
pub fn not_kept(kind: &FourCc, reason: &str) -> String {
    format!("box '{}' is not kept: {reason}", name(*kind))
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn trak(tables: Vec<Mp4Box>) -> Mp4Box {
        let inside = |kind, children| Mp4Box::boxes(kind, Vec::new(), children);
        let stbl = inside(b"stbl", tables);
        inside(b"trak", vec![inside(b"mdia", vec![inside(b"minf", vec![stbl])])])
    }

    fn stbl<'a>(trak: &'a Mp4Box, kind: &[u8; 4]) -> Option<&'a [u8]> {
        trak.at(&[b"mdia", b"minf", b"stbl", kind]).and_then(Mp4Box::data)
    }

    const FAR: u64 = 5 << 30;

    #[test]
    fn offsets_beyond_4_gib_need_the_wide_table() {
        let mut trak = trak(vec![Mp4Box::table(b"stco", 0, [[10], [20]].into_iter())]);
        assert!(set_chunk_offsets(&mut trak.clone(), &[1, FAR]).is_err());
        widen_chunk_table(&mut trak);
        assert_eq!(stbl(&trak, b"stco"), None);
        let wide = Mp4Box::table(b"co64", 0, [[0, 10], [0, 20]].into_iter());
        assert_eq!(stbl(&trak, b"co64"), wide.data());
        set_chunk_offsets(&mut trak, &[1, FAR]).unwrap();
        let set = Mp4Box::table(b"co64", 0, [[0, 1], [1, 1 << 30]].into_iter());
        assert_eq!(stbl(&trak, b"co64"), set.data());
    }

    #[test]
    fn offsets_of_auxiliary_information_are_corrected() {
        for (version, entries) in [(0, vec![7u32]), (1, vec![0, 7])] {
            for flags in [0, 1] {
                let mut data = vec![version, 0, 0, flags];
                data.extend(vec![0xee; 8 * usize::from(flags)]);
                data.extend(1u32.to_be_bytes());
                let mut expected = data.clone();
                data.extend(entries.iter().flat_map(|entry| entry.to_be_bytes()));
                let corrected = entries.iter().map(|&entry| if entry == 7 { 107 } else { 0u32 });
                expected.extend(corrected.flat_map(u32::to_be_bytes));
                let mut trak = trak(vec![Mp4Box::bytes(b"saio", data)]);
                assert!(set_saio(&mut trak, |offset| Some(offset + 100)));
                assert_eq!(stbl(&trak, b"saio"), Some(expected.as_slice()));
                let before = trak.clone();
                assert!(!set_saio(&mut trak, |_| None));
                assert_eq!(trak, before);
            }
        }
    }

    #[test]
    fn what_follows_the_offsets_of_auxiliary_information_is_kept() {
        let mut data = vec![0; 4];
        data.extend(1u32.to_be_bytes());
        data.extend(7u32.to_be_bytes());
        data.extend([0xee; 24]);
        let mut expected = data.clone();
        expected[8..12].copy_from_slice(&107u32.to_be_bytes());
        let mut trak = trak(vec![Mp4Box::bytes(b"saio", data)]);
        assert!(set_saio(&mut trak, |offset| Some(offset + 100)));
        assert_eq!(stbl(&trak, b"saio"), Some(expected.as_slice()));
    }

    #[test]
    fn items_that_are_located_by_offsets_are_dropped_and_the_tags_beside_them_kept() {
        let children = [b"hdlr", b"iloc", b"iinf", b"ilst"].map(|kind| Mp4Box::bytes(kind, vec![0; 8]));
        let meta = Mp4Box::boxes(b"meta", vec![0; 4], children.into());
        let mut moov = Mp4Box::boxes(b"moov", Vec::new(), vec![meta]);
        let mut notes = Vec::new();
        drop_items(&mut moov, &mut notes);
        let left: Vec<_> = moov
            .child(b"meta")
            .unwrap()
            .children()
            .iter()
            .map(|child| child.kind)
            .collect();
        assert_eq!(left, [*b"hdlr", *b"ilst"]);
        assert_eq!(notes.len(), 1);
        drop_items(&mut moov, &mut notes);
        assert_eq!(notes.len(), 1);
    }
}
