// SPDX-License-Identifier: MPL-2.0

//! Where everything behind the `moov` goes: the bytes of the original in their order, with its video taken out and the new one put in its place.
//!
//! Nothing needs to be known of what is kept. So data that no table tells of is kept too, and every place in the original has one in the
//! new file, unless video was there.

use std::ops::Range;

use super::{boxes::header, movie::Region};

/// A chunk of new video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insert {
    /// Where in the original it belongs.
    pub anchor: u64,
    pub bytes: u64,
}

/// What is written, piece by piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// The header of a box whose size has changed.
    Header(Vec<u8>),
    /// Bytes of the original.
    Keep(Range<u64>),
    /// A chunk of new video, by its number.
    Insert(usize),
}

#[derive(Debug)]
pub struct Layout {
    pub pieces: Vec<Piece>,
    /// Where each piece begins, from the end of the `moov`.
    places: Vec<u64>,
    /// Places of the pieces that are kept, by the original's.
    kept: Vec<(Range<u64>, u64)>,
    /// Place of each chunk of new video.
    pub inserted: Vec<u64>,
    pub bytes: u64,
}

impl Layout {
    /// `removed` is ascending and without overlaps. None where a chunk belongs nowhere in the regions.
    pub fn new(regions: &[Region], removed: &[Range<u64>], inserts: &[Insert]) -> Option<Self> {
        let mut order: Vec<usize> = (0..inserts.len()).collect();
        order.sort_by_key(|&number| inserts[number].anchor);
        let mut waiting = order.as_slice();
        let mut pieces = Vec::new();
        for region in regions {
            let before = waiting.partition_point(|&number| inserts[number].anchor < region.start);
            let within = waiting.partition_point(|&number| inserts[number].anchor < region.end);
            if before > 0 {
                return None;
            }
            let (here, later) = waiting.split_at(within);
            waiting = later;
            fill(&mut pieces, region, removed, inserts, here);
        }
        waiting.is_empty().then(|| Self::placed(pieces, inserts))
    }

    fn placed(pieces: Vec<Piece>, inserts: &[Insert]) -> Self {
        let mut layout = Self {
            places: Vec::with_capacity(pieces.len()),
            kept: Vec::new(),
            inserted: vec![0; inserts.len()],
            bytes: 0,
            pieces: Vec::new(),
        };
        for piece in &pieces {
            layout.places.push(layout.bytes);
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

    /// Where a byte of the original is now, from the end of the `moov`. None where it is not kept.
    pub fn moved(&self, offset: u64) -> Option<u64> {
        let after = self.kept.partition_point(|(range, _)| range.start <= offset);
        let (range, place) = self.kept.get(after.checked_sub(1)?)?;
        range.contains(&offset).then(|| place + (offset - range.start))
    }
}

fn fill(pieces: &mut Vec<Piece>, region: &Region, removed: &[Range<u64>], inserts: &[Insert], here: &[usize]) {
    let body = region.start..region.end;
    let kept = without(&body, removed);
    let whole = region.start - region.header..region.end;
    if here.is_empty() && kept == [body.clone()] || body.is_empty() {
        pieces.push(Piece::Keep(whole));
        return;
    }
    let new: u64 = here.iter().map(|&number| inserts[number].bytes).sum();
    let old: u64 = kept.iter().map(|range| range.end - range.start).sum();
    if region.header > 0 {
        let wide = region.header > 8 || old + new + 8 > u64::from(u32::MAX);
        let size = old + new + if wide { 16 } else { 8 };
        pieces.push(Piece::Header(header(region.kind, size, wide)));
    }
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

/// The parts of a range that none of the others covers. These are ascending and without overlaps.
pub fn without(range: &Range<u64>, others: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    let mut from = range.start;
    let first = others.partition_point(|other| other.end <= range.start);
    for other in others[first..].iter().take_while(|other| other.start < range.end) {
        if other.start > from {
            parts.push(from..other.start);
        }
        from = from.max(other.end);
    }
    if from < range.end {
        parts.push(from..range.end);
    }
    parts
}

/// The same bytes as ascending ranges without overlaps.
pub fn united(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut united: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match united.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
}

#[cfg(test)]
mod tests {
    // A test may panic: that is how it fails.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn mdat(start: u64, end: u64) -> Region {
        Region {
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
    fn new_chunks_stand_where_the_old_ones_were_and_all_else_keeps_its_order() {
        let inserts = [10, 30].map(|anchor| Insert { anchor, bytes: 7 });
        let layout = Layout::new(&[mdat(8, 40)], &[10..20, 30..35], &inserts).unwrap();
        let size = 2 + 7 + 10 + 7 + 5;
        let expected = [
            Piece::Header(header(*b"mdat", 8 + size, false)),
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
    fn every_kept_byte_has_a_place_and_the_old_video_has_none() {
        let inserts = [Insert { anchor: 10, bytes: 100 }];
        let layout = Layout::new(&[mdat(8, 40)], &one(10..20), &inserts).unwrap();
        assert_eq!(layout.moved(8), Some(8));
        assert_eq!(layout.moved(9), Some(9));
        assert_eq!(layout.moved(10), None);
        assert_eq!(layout.moved(19), None);
        assert_eq!(layout.moved(20), Some(110));
        assert_eq!(layout.moved(39), Some(129));
        assert_eq!(layout.moved(40), None);
    }

    #[test]
    fn a_box_without_video_is_kept_as_it_is_with_its_header() {
        let free = Region {
            kind: *b"free",
            header: 8,
            start: 48,
            end: 60,
        };
        let layout = Layout::new(&[mdat(8, 40), free], &one(8..40), &[]).unwrap();
        assert_eq!(layout.pieces[1..], [Piece::Keep(40..60)]);
    }

    #[test]
    fn media_data_that_grow_beyond_4_gib_have_a_long_header() {
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

    #[test]
    fn ranges_are_united_and_taken_from_one_another() {
        assert_eq!(united(vec![5..9, 0..2, 2..3, 6..7, 9..9]), [0..3, 5..9]);
        assert_eq!(without(&(0..10), &[2..3, 5..20]), [0..2, 3..5]);
        assert_eq!(without(&(4..10), &[0..4, 10..12]), one(4..10));
        assert_eq!(without(&(4..10), &one(0..12)), []);
    }
}
