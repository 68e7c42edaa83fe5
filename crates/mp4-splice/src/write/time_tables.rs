// SPDX-License-Identifier: MPL-2.0

//! Writing time tables: `stts`, `ctts` and `cslg`. ISO/IEC 14496-12, section 8.6.

use crate::boxes::Mp4Box;

/// The time tables of a track.
#[derive(Debug, PartialEq, Eq)]
pub struct TimeTables {
    /// Runs of samples and their duration in ticks.
    deltas: Vec<(u32, u32)>,
    /// Runs of samples and their composition offset in ticks.
    offsets: Vec<(u32, i32)>,
    /// Composition time of the first frame, and the end of the last one.
    span: (i64, i64),
}

impl TimeTables {
    /// Makes the tables for samples in decoding order. `decoding` begins with 0. `last` is the duration of the last sample, which the frame
    /// that is presented last has too.
    ///
    /// # Errors
    /// The reason, as a part of a sentence: times that are not in order, or differences that need more than 32 bits.
    pub fn new(decoding: &[i64], composition: &[i64], last: u32) -> Result<Self, String> {
        let (Some(&first), Some(&end)) = (composition.iter().min(), composition.iter().max()) else {
            return Err("there are no frames".into());
        };
        let mut deltas = Vec::new();
        for pair in decoding.windows(2) {
            let delta = pair[1].checked_sub(pair[0]).and_then(|delta| u32::try_from(delta).ok());
            add(&mut deltas, delta.ok_or("frames are not in order, or too far apart")?);
        }
        add(&mut deltas, last);
        let mut offsets = Vec::new();
        for (presented, &decoded) in composition.iter().zip(decoding) {
            let offset = presented
                .checked_sub(decoded)
                .and_then(|offset| i32::try_from(offset).ok());
            add(
                &mut offsets,
                offset.ok_or("a frame is presented too long after it is decoded")?,
            );
        }
        Ok(Self {
            deltas,
            offsets,
            span: (first, end.saturating_add(last.into())),
        })
    }

    pub fn boxes(&self) -> Vec<Mp4Box> {
        let deltas = self.deltas.iter().map(|(samples, delta)| [*samples, *delta]);
        let mut boxes = vec![Mp4Box::table(b"stts", 0, deltas)];
        let lowest = self.offsets.iter().map(|run| run.1).min().unwrap_or(0);
        let highest = self.offsets.iter().map(|run| run.1).max().unwrap_or(0);
        if lowest != 0 || highest != 0 {
            let offsets = self.offsets.iter().map(|(samples, offset)| [*samples, *offset as u32]);
            boxes.push(Mp4Box::table(b"ctts", u8::from(lowest < 0), offsets));
        }
        if lowest < 0 {
            boxes.extend(self.cslg(lowest, highest));
        }
        boxes
    }

    /// Returns what readers of unsigned offsets have to add to them. `None` where that needs more than 32 bits.
    fn cslg(&self, lowest: i32, highest: i32) -> Option<Mp4Box> {
        let (start, end) = (i32::try_from(self.span.0).ok()?, i32::try_from(self.span.1).ok()?);
        let fields = [0, lowest.checked_neg()?, lowest, highest, start, end];
        let bytes = fields.into_iter().flat_map(i32::to_be_bytes).collect();
        Some(Mp4Box::bytes(b"cslg", bytes))
    }
}

/// Extends the last run, or starts a new one.
fn add<T: PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some((samples, last)) if *last == value => *samples += 1,
        _ => runs.push((1, value)),
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::read::sample_table::Times;

    /// Reads the tables back.
    fn read(timing: &TimeTables, count: usize) -> Times {
        Times::read(&Mp4Box::boxes(b"stbl", Vec::new(), timing.boxes()), count).unwrap()
    }

    fn version(timing: &TimeTables) -> Option<u8> {
        let boxes = timing.boxes();
        let ctts = boxes.iter().find(|table| &table.kind == b"ctts")?;
        Some(ctts.data().unwrap()[0])
    }

    #[test]
    fn frames_that_are_presented_when_they_are_decoded_need_no_offsets() {
        let timing = TimeTables::new(&[0, 10, 25, 27], &[0, 10, 25, 27], 3).unwrap();
        let times = read(&timing, 4);
        assert_eq!(times.composition, [0, 10, 25, 27]);
        assert_eq!(times.last, 3);
        assert_eq!(version(&timing), None);
    }

    #[test]
    fn every_frame_is_presented_at_its_tick_whatever_the_decoding_order() {
        let decoding = [0, 10, 25, 27, 40, 41, 90];
        let composition = [0, 27, 10, 25, 90, 41, 40];
        let timing = TimeTables::new(&decoding, &composition, 9).unwrap();
        let times = read(&timing, decoding.len());
        assert_eq!(times.decoding, decoding);
        assert_eq!(times.composition, composition);
        assert_eq!(version(&timing), Some(1));
        let cslg = timing.boxes().into_iter().find(|table| &table.kind == b"cslg").unwrap();
        let fields = cslg.data().unwrap().chunks(4);
        let fields: Vec<_> = fields
            .map(|field| i32::from_be_bytes(field.try_into().unwrap()))
            .collect();
        assert_eq!(fields, [0, 50, -50, 50, 0, 99]);
    }

    #[test]
    fn a_movie_that_begins_late_needs_no_signed_offsets() {
        let timing = TimeTables::new(&[0, 100, 200, 300], &[200, 500, 300, 400], 100).unwrap();
        assert_eq!(read(&timing, 4).composition, [200, 500, 300, 400]);
        assert_eq!(version(&timing), Some(0));
    }

    #[test]
    fn times_that_need_more_than_32_bits_are_refused() {
        assert!(TimeTables::new(&[], &[], 1).is_err());
        assert!(TimeTables::new(&[0, 5, 4], &[0, 5, 4], 1).is_err());
        assert!(TimeTables::new(&[0, 1 << 32], &[0, 1 << 32], 1).is_err());
        assert!(TimeTables::new(&[0, 1], &[1 << 31, (1 << 31) + 1], 1).is_err());
        assert!(TimeTables::new(&[i64::MIN, i64::MAX], &[0, 0], 1).is_err());
    }
}
