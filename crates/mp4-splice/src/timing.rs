// SPDX-License-Identifier: MPL-2.0

//! Time tables, written: `stts`, `ctts` and `cslg` for frames that are to be shown at given ticks. ISO/IEC 14496-12, section 8.6.

use super::boxes::Mp4Box;

/// Time tables of a track.
#[derive(Debug, PartialEq, Eq)]
pub struct Timing {
    /// Runs of samples and the ticks each lasts.
    deltas: Vec<(u32, u32)>,
    /// Runs of samples and how much later than decoded they are shown.
    offsets: Vec<(u32, i32)>,
    /// Ticks at which the first frame is shown, and at which the last one ends.
    shown: (i64, i64),
}

impl Timing {
    /// Of samples in decoding order, decoded at `decoding`, which begins with 0, and shown at `composition`. The last one is decoded for `last` ticks,
    /// and the one shown last is shown as long.
    ///
    /// # Errors
    /// What cannot be written in 32 bits, or is not in order, as a part of a sentence.
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
        for (shown, &decoded) in composition.iter().zip(decoding) {
            let offset = shown.checked_sub(decoded).and_then(|offset| i32::try_from(offset).ok());
            add(
                &mut offsets,
                offset.ok_or("a frame is shown too long after it is decoded")?,
            );
        }
        Ok(Self {
            deltas,
            offsets,
            shown: (first, end.saturating_add(last.into())),
        })
    }

    pub fn boxes(&self) -> Vec<Mp4Box> {
        let deltas = self.deltas.iter().map(|(samples, delta)| [*samples, *delta]);
        let mut boxes = vec![table(b"stts", 0, deltas)];
        let lowest = self.offsets.iter().map(|run| run.1).min().unwrap_or(0);
        let highest = self.offsets.iter().map(|run| run.1).max().unwrap_or(0);
        if lowest != 0 || highest != 0 {
            let offsets = self.offsets.iter().map(|(samples, offset)| [*samples, *offset as u32]);
            boxes.push(table(b"ctts", u8::from(lowest < 0), offsets));
        }
        if lowest < 0 {
            boxes.extend(self.cslg(lowest, highest));
        }
        boxes
    }

    /// What a reader that wants offsets without a sign has to add to them. Left out where its 32 bits do not do.
    fn cslg(&self, lowest: i32, highest: i32) -> Option<Mp4Box> {
        let shown = (i32::try_from(self.shown.0).ok()?, i32::try_from(self.shown.1).ok()?);
        let fields = [0, lowest.checked_neg()?, lowest, highest, shown.0, shown.1];
        let bytes = fields.into_iter().flat_map(i32::to_be_bytes).collect();
        Some(Mp4Box::bytes(b"cslg", bytes))
    }
}

fn add<T: PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some((samples, last)) if *last == value => *samples += 1,
        _ => runs.push((1, value)),
    }
}

/// A box of version and flags, a count, and entries of 32-bit numbers.
pub fn table<const N: usize>(kind: &[u8; 4], version: u8, entries: impl ExactSizeIterator<Item = [u32; N]>) -> Mp4Box {
    let mut bytes = vec![version, 0, 0, 0];
    bytes.extend((entries.len() as u32).to_be_bytes());
    bytes.extend(entries.flatten().flat_map(u32::to_be_bytes));
    Mp4Box::bytes(kind, bytes)
}

#[cfg(test)]
mod tests {
    // A test may panic: that is how it fails.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::table::Times;

    /// What a reader makes of the tables.
    fn read(timing: &Timing, count: usize) -> Times {
        Times::read(&Mp4Box::boxes(b"stbl", Vec::new(), timing.boxes()), count).unwrap()
    }

    fn version(timing: &Timing) -> Option<u8> {
        let boxes = timing.boxes();
        let ctts = boxes.iter().find(|table| &table.kind == b"ctts")?;
        Some(ctts.data().unwrap()[0])
    }

    #[test]
    fn frames_that_are_shown_when_they_are_decoded_need_no_offsets() {
        let timing = Timing::new(&[0, 10, 25, 27], &[0, 10, 25, 27], 3).unwrap();
        let times = read(&timing, 4);
        assert_eq!(times.composition, [0, 10, 25, 27]);
        assert_eq!(times.last, 3);
        assert_eq!(version(&timing), None);
    }

    #[test]
    fn every_frame_is_shown_at_its_tick_whatever_the_order_of_decoding() {
        let decoding = [0, 10, 25, 27, 40, 41, 90];
        let composition = [0, 27, 10, 25, 90, 41, 40];
        let timing = Timing::new(&decoding, &composition, 9).unwrap();
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
    fn a_movie_that_begins_late_hides_the_reordering_in_offsets_without_a_sign() {
        let timing = Timing::new(&[0, 100, 200, 300], &[200, 500, 300, 400], 100).unwrap();
        assert_eq!(read(&timing, 4).composition, [200, 500, 300, 400]);
        assert_eq!(version(&timing), Some(0));
    }

    #[test]
    fn what_32_bits_do_not_hold_is_refused() {
        assert!(Timing::new(&[], &[], 1).is_err());
        assert!(Timing::new(&[0, 5, 4], &[0, 5, 4], 1).is_err());
        assert!(Timing::new(&[0, 1 << 32], &[0, 1 << 32], 1).is_err());
        assert!(Timing::new(&[0, 1], &[1 << 31, (1 << 31) + 1], 1).is_err());
        assert!(Timing::new(&[i64::MIN, i64::MAX], &[0, 0], 1).is_err());
    }
}
