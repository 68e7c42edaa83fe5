// SPDX-License-Identifier: MPL-2.0

//! Places in the file that boxes name: they are put right, or, where that cannot be done, the box goes and a note says so.

use super::{
    Movie, Mp4Error,
    boxes::{Mp4Box, name},
    fields::Fields,
    layout::Layout,
    track::Track,
};

/// What items of a `meta` box lie in the file by, and what means nothing without it.
const OF_ITEMS: [&[u8; 4]; 6] = [b"iloc", b"iinf", b"pitm", b"iref", b"iprp", b"ipro"];

/// A `stco` of 32 bits becomes a `co64`.
pub fn widen(trak: &mut Mp4Box) {
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

/// Writes where the chunks of a track are, into the table that it has.
///
/// # Errors
/// There is a place that needs more bits than the table has.
pub fn set_chunks(trak: &mut Mp4Box, places: &[u64]) -> Result<(), String> {
    let stbl = trak
        .at_mut(&[b"mdia", b"minf", b"stbl"])
        .ok_or("a sample table is gone")?;
    let (kind, width) = match stbl.child(b"stco") {
        Some(_) => (b"stco", 4),
        None => (b"co64", 8),
    };
    let table = stbl
        .child_mut(kind)
        .and_then(Mp4Box::data_mut)
        .and_then(|data| data.get_mut(8..));
    let entries = table.ok_or("a chunk table is gone")?.chunks_exact_mut(width);
    for (entry, place) in entries.zip(places) {
        let bytes = place.to_be_bytes();
        let (high, low) = bytes.split_at(8 - width);
        if high.iter().any(|&byte| byte != 0) {
            return Err("a chunk lies beyond 4 GiB".into());
        }
        entry.copy_from_slice(low);
    }
    Ok(())
}

/// Where the chunks of a track whose samples are kept are now, from `base`, the end of the `moov`.
///
/// # Errors
/// A chunk is not in media data, or lies across the video's.
pub fn moved_chunks(track: &Track, layout: &Layout, base: u64) -> Result<Vec<u64>, String> {
    let moved = track.chunks.iter().map(|chunk| {
        if !track.is_here(chunk) {
            return Some(chunk.offset);
        }
        if chunk.bytes == 0 {
            return Some(base + layout.moved(chunk.offset).unwrap_or(0));
        }
        let (first, last) = (layout.moved(chunk.offset)?, layout.moved(chunk.end() - 1)?);
        (last - first == chunk.bytes - 1).then_some(base + first)
    });
    moved
        .collect::<Option<_>>()
        .ok_or_else(|| format!("data of track {} is not where media data is", track.id))
}

/// Auxiliary information of samples (`saio`), which encrypted sound has, say. False where one of its places cannot be put right; that table is
/// as it was then.
pub fn set_saio(trak: &mut Mp4Box, moved: impl Fn(u64) -> Option<u64>) -> bool {
    let Some(stbl) = trak.at_mut(&[b"mdia", b"minf", b"stbl"]) else {
        return true;
    };
    let Some(children) = stbl.children_mut() else {
        return true;
    };
    let mut tables = children.iter_mut().filter(|child| &child.kind == b"saio");
    tables.all(|saio| match saio.data().and_then(|data| moved_saio(data, &moved)) {
        Some(data) => {
            *saio = Mp4Box::bytes(b"saio", data);
            true
        }
        None => false,
    })
}

fn moved_saio(data: &[u8], moved: impl Fn(u64) -> Option<u64>) -> Option<Vec<u8>> {
    let mut fields = Fields::new(data);
    let (version, flags) = fields.version_and_flags()?;
    if flags & 1 == 1 {
        fields.bytes(8)?;
    }
    let head = data.len() - fields.rest().len() + 4;
    let mut out = data.get(..head)?.to_vec();
    for mut entry in fields.entries(if version == 0 { 4 } else { 8 })? {
        if version == 0 {
            let place = moved(entry.u32()?.into())?;
            out.extend(u32::try_from(place).ok()?.to_be_bytes());
        } else {
            out.extend(moved(entry.u64()?)?.to_be_bytes());
        }
    }
    Some(out)
}

/// Places and sizes of Novatek's GPS blocks: two 32-bit numbers each, behind 8 bytes. In the blocks themselves no place is named.
const GPS_HEAD: usize = 8;

/// Whether every place in a `gps ` box is that of a GPS block which is kept, so that it can be put right.
pub fn is_gps_known(movie: &Movie, gps: &[u8], layout: &Layout) -> Result<bool, Mp4Error> {
    for entry in gps.get(GPS_HEAD..).unwrap_or(&[]).chunks_exact(8) {
        let mut fields = Fields::new(entry);
        let (Some(place), Some(size)) = (fields.u32().map(u64::from), fields.u32().map(u64::from)) else {
            return Ok(false);
        };
        if place == 0 && size == 0 {
            continue;
        }
        let kept = |place| layout.moved(place);
        let whole = size >= 12
            && kept(place + size - 1)
                .zip(kept(place))
                .is_some_and(|(last, first)| last - first == size - 1);
        if !whole {
            return Ok(false);
        }
        let mut block = [0; 12];
        movie.read_at(place, &mut block)?;
        if &block[4..] != b"freeGPS " {
            return Ok(false);
        }
    }
    Ok(true)
}

pub fn set_gps(gps: &mut [u8], moved: impl Fn(u64) -> Option<u64>) -> Option<()> {
    for entry in gps.get_mut(GPS_HEAD..)?.chunks_exact_mut(8) {
        let place = Fields::new(entry).u32()?;
        if place > 0 {
            let place = u32::try_from(moved(place.into())?).ok()?;
            entry[..4].copy_from_slice(&place.to_be_bytes());
        }
    }
    Some(())
}

/// Takes out the items of all `meta` boxes in a box that lie somewhere in the file, with a note for each.
pub fn drop_items(parent: &mut Mp4Box, notes: &mut Vec<String>) {
    let is_meta = &parent.kind == b"meta";
    let Some(children) = parent.children_mut() else { return };
    if is_meta && children.iter().any(|child| &child.kind == b"iloc") {
        children.retain(|child| !OF_ITEMS.contains(&&child.kind));
        notes.push("items of a meta box (iloc) are not kept: they are found by their place in the file".into());
    }
    children.iter_mut().for_each(|child| drop_items(child, notes));
}

/// The note for a box that is not kept.
pub fn not_kept(kind: &[u8; 4], reason: &str) -> String {
    format!("box '{}' is not kept: {reason}", name(*kind))
}

#[cfg(test)]
mod tests {
    // A test may panic: that is how it fails.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::timing::table;

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
    fn places_beyond_4_gib_need_the_wide_table() {
        let mut trak = trak(vec![table(b"stco", 0, [[10], [20]].into_iter())]);
        assert!(set_chunks(&mut trak.clone(), &[1, FAR]).is_err());
        widen(&mut trak);
        assert_eq!(stbl(&trak, b"stco"), None);
        let wide = table(b"co64", 0, [[0, 10], [0, 20]].into_iter());
        assert_eq!(stbl(&trak, b"co64"), wide.data());
        set_chunks(&mut trak, &[1, FAR]).unwrap();
        let set = table(b"co64", 0, [[0, 1], [1, 1 << 30]].into_iter());
        assert_eq!(stbl(&trak, b"co64"), set.data());
    }

    #[test]
    fn auxiliary_information_is_found_where_it_is_now() {
        for (version, entries) in [(0, vec![7u32]), (1, vec![0, 7])] {
            for flags in [0, 1] {
                let mut data = vec![version, 0, 0, flags];
                data.extend(vec![0xee; 8 * usize::from(flags)]);
                data.extend(1u32.to_be_bytes());
                let mut expected = data.clone();
                data.extend(entries.iter().flat_map(|entry| entry.to_be_bytes()));
                let moved = entries.iter().map(|&entry| if entry == 7 { 107 } else { 0u32 });
                expected.extend(moved.flat_map(u32::to_be_bytes));
                let mut trak = trak(vec![Mp4Box::bytes(b"saio", data)]);
                assert!(set_saio(&mut trak, |place| Some(place + 100)));
                assert_eq!(stbl(&trak, b"saio"), Some(expected.as_slice()));
                let before = trak.clone();
                assert!(!set_saio(&mut trak, |_| None));
                assert_eq!(trak, before);
            }
        }
    }

    #[test]
    fn items_that_lie_in_the_file_go_and_the_tags_beside_them_stay() {
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
