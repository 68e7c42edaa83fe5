// SPDX-License-Identifier: MPL-2.0

//! What follows the `moov`: the bytes of the original in their order, with the chunks of the old video replaced by the new ones.
//!
//! Nothing needs to be known of the bytes that are kept, so data that no table refers to is kept too. Every offset in the original has a
//! counterpart in the new file, unless old video was there.

use std::ops::Range;

use super::ranges::subtract;
use crate::{TopLevelBox, boxes::Header};

/// A chunk of new video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insert {
    /// The offset in the original before which the chunk is inserted.
    pub anchor: u64,
    pub bytes: u64,
}

/// A piece of the output.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// The header of a box whose size has changed.
    Header(Vec<u8>),
    /// A range of the original.
    Keep(Range<u64>),
    /// A chunk of new video, by its index.
    Insert(usize),
}

#[derive(Debug)]
pub struct Layout {
    pub pieces: Vec<Piece>,
    /// Ranges of the original that are kept, in ascending order, and their offsets from the end of the `moov`.
    kept: Vec<(Range<u64>, u64)>,
    /// Offset of each chunk of new video from the end of the `moov`.
    pub inserted: Vec<u64>,
    /// Size of all pieces together.
    pub bytes: u64,
}

impl Layout {
    /// Lays out `boxes` of the original without the ranges `removed`, which are ascending and do not overlap. Returns `None` where the
    /// anchor of a chunk is in none of the boxes, or where bytes without a header would change: they could be read as boxes then.
    pub fn new(boxes: &[TopLevelBox], removed: &[Range<u64>], inserts: &[Insert]) -> Option<Self> {
        let mut order: Vec<usize> = (0..inserts.len()).collect();
        order.sort_by_key(|&number| inserts[number].anchor);
        let mut pending = order.as_slice();
        let mut pieces = Vec::new();
        for region in boxes {
            let before = pending.partition_point(|&number| inserts[number].anchor < region.start);
            let within = pending.partition_point(|&number| inserts[number].anchor < region.end);
            let (here, later) = pending.split_at(within);
            if before > 0 || region.header == 0 && !is_kept(region, removed, here) {
                return None;
            }
            pending = later;
            fill(&mut pieces, region, removed, inserts, here);
        }
        pending.is_empty().then(|| Self::placed(pieces, inserts))
    }

    fn placed(pieces: Vec<Piece>, inserts: &[Insert]) -> Self {
        let mut layout = Self {
            kept: Vec::new(),
            inserted: vec![0; inserts.len()],
            bytes: 0,
            pieces: Vec::new(),
        };
        for piece in &pieces {
            layout.bytes += match piece {
                Piece::Header(bytes) => bytes.len() as u64,
                Piece::Keep(range) => {
                    layout.kept.push((range.clone(), layout.bytes));
                    range.end - range.start
                }
                &Piece::Insert(number) => {
                    layout.inserted[number] = layout.bytes;
                    inserts[number].bytes
                }
            };
        }
        layout.pieces = pieces;
        layout
    }

    /// Returns the new offset, from the end of the `moov`, of a byte of the original. `None` where it is not kept.
    pub fn new_offset(&self, offset: u64) -> Option<u64> {
        let after = self.kept.partition_point(|(range, _)| range.start <= offset);
        let (range, start) = self.kept.get(after.checked_sub(1)?)?;
        range.contains(&offset).then(|| start + (offset - range.start))
    }
}

/// Whether the body of a box stays what it was.
fn is_kept(region: &TopLevelBox, removed: &[Range<u64>], here: &[usize]) -> bool {
    let body = region.start..region.end;
    body.is_empty() || here.is_empty() && subtract(&body, removed) == [body]
}

fn fill(pieces: &mut Vec<Piece>, region: &TopLevelBox, removed: &[Range<u64>], inserts: &[Insert], here: &[usize]) {
    let body = region.start..region.end;
    if is_kept(region, removed, here) {
        pieces.push(Piece::Keep(region.start - region.header..region.end));
        return;
    }
    let kept = subtract(&body, removed);
    let new: u64 = here.iter().map(|&number| inserts[number].bytes).sum();
    let old: u64 = kept.iter().map(|range| range.end - range.start).sum();
    let wide = region.header > 8 || old + new + 8 > u64::from(u32::MAX);
    let size = old + new + if wide { 16 } else { 8 };
    pieces.push(Piece::Header(Header::to_bytes(region.kind, size, wide)));
    let mut here = here.iter().copied().peekable();
    for range in kept {
        let mut from = range.start;
        while let Some(number) = here.next_if(|&number| inserts[number].anchor < range.end) {
            let at = inserts[number].anchor.max(from);
            keep(pieces, from..at);
            pieces.push(Piece::Insert(number));
            from = at;
        }
        keep(pieces, from..range.end);
    }
    pieces.extend(here.map(Piece::Insert));
}

fn keep(pieces: &mut Vec<Piece>, range: Range<u64>) {
    if !range.is_empty() {
        pieces.push(Piece::Keep(range));
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn mdat(start: u64, end: u64) -> TopLevelBox {
        TopLevelBox {
            kind: *b"mdat",
            header: 8,
            start,
            end,
        }
    }

    fn one(range: Range<u64>) -> [Range<u64>; 1] {
        [range]
    }

    #[test]
    fn new_chunks_are_where_the_old_ones_were_and_all_else_keeps_its_order() {
        let inserts = [10, 30].map(|anchor| Insert { anchor, bytes: 7 });
        let layout = Layout::new(&[mdat(8, 40)], &[10..20, 30..35], &inserts).unwrap();
        let size = 2 + 7 + 10 + 7 + 5;
        let expected = [
            Piece::Header(Header::to_bytes(*b"mdat", 8 + size, false)),
            Piece::Keep(8..10),
            Piece::Insert(0),
            Piece::Keep(20..30),
            Piece::Insert(1),
            Piece::Keep(35..40),
        ];
        assert_eq!(layout.pieces, expected);
        assert_eq!(layout.inserted, [10, 27]);
        assert_eq!(layout.bytes, 8 + size);
    }

    #[test]
    fn every_kept_byte_has_a_new_offset_and_the_old_video_has_none() {
        let inserts = [Insert { anchor: 10, bytes: 100 }];
        let layout = Layout::new(&[mdat(8, 40)], &one(10..20), &inserts).unwrap();
        assert_eq!(layout.new_offset(8), Some(8));
        assert_eq!(layout.new_offset(9), Some(9));
        assert_eq!(layout.new_offset(10), None);
        assert_eq!(layout.new_offset(19), None);
        assert_eq!(layout.new_offset(20), Some(110));
        assert_eq!(layout.new_offset(39), Some(129));
        assert_eq!(layout.new_offset(40), None);
    }

    #[test]
    fn a_box_without_video_is_kept_as_it_is_with_its_header() {
        let free = TopLevelBox {
            kind: *b"free",
            header: 8,
            start: 48,
            end: 60,
        };
        let layout = Layout::new(&[mdat(8, 40), free], &one(8..40), &[]).unwrap();
        assert_eq!(layout.pieces[1..], [Piece::Keep(40..60)]);
    }

    #[test]
    fn media_data_that_grows_beyond_4_gib_has_a_long_header() {
        let inserts = [Insert {
            anchor: 8,
            bytes: u32::MAX.into(),
        }];
        let layout = Layout::new(&[mdat(8, 40)], &[], &inserts).unwrap();
        let Piece::Header(bytes) = &layout.pieces[0] else {
            panic!("{:?}", layout.pieces)
        };
        assert_eq!(bytes.len(), 16);
        assert_eq!(layout.inserted, [16]);
    }

    #[test]
    fn a_chunk_outside_of_all_boxes_has_no_layout() {
        for anchor in [0, 7, 40, 41, u64::MAX] {
            assert!(
                Layout::new(&[mdat(8, 40)], &[], &[Insert { anchor, bytes: 1 }]).is_none(),
                "{anchor}"
            );
        }
    }
}
