// SPDX-License-Identifier: MPL-2.0

//! Files that consist of units, one behind the other, each of which states its length. Behind bytes that are no unit the next one is searched.

use std::{io, ops::Range};

use super::{bytes::Bytes, kind::Damage};

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A unit, which ends here.
    Whole(u64),
    /// A unit, or the start of one, that has so many bytes more than the file.
    Cut(u64),
    /// What follows is not known, or not read by demuxers.
    Last,
    None,
}

/// A kind of files.
pub trait Format {
    /// So many zeros are the start of each unit.
    const ZEROS: u64 = 0;

    /// So many places are looked at where a unit may begin. Behind them the file counts as unreadable.
    const MAX_TRIES: usize = 1 << 20;

    /// Returns what is at a place.
    fn unit(&self, bytes: &mut Bytes, at: u64) -> io::Result<Unit>;

    /// Whether a unit may begin with these bytes. It need not be right where it says yes.
    fn may_begin(&self, bytes: [u8; 4]) -> bool;

    /// Goes on to the unit at this place, which is whole.
    fn pass(&mut self, _bytes: &mut Bytes, _at: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what lacks in a part of a file, which begins with a unit.
pub fn damage<F: Format>(format: &mut F, bytes: &mut Bytes, range: Range<u64>) -> io::Result<Option<Damage>> {
    let Range { start: mut at, end } = range;
    let mut unreadable = Parts::default();
    let mut tries = F::MAX_TRIES;
    while at < end {
        let unit = bounded(format.unit(bytes, at)?, bytes, end);
        match unit {
            Unit::Whole(next) if next > at => {
                format.pass(bytes, at)?;
                at = next;
                continue;
            }
            Unit::Last => break,
            _ => {}
        }
        if !matches!(unit, Unit::Cut(_)) {
            let Some(data) = bytes.skip_zeros(at..end)? else {
                // A file that was made larger before it was recorded.
                break;
            };
            let data = data.saturating_sub(F::ZEROS).max(at);
            if data > at && is_sure(format, bytes, data, end)? {
                // Units may be aligned, as those of a Video CD to its sectors.
                at = data;
                continue;
            }
        }
        let next = next_unit(format, bytes, at + 1..end, &mut tries)?;
        if let (Unit::Cut(missing), None, None) = (unit, next, &unreadable.first) {
            return Ok(Some(Damage::Cut(missing)));
        }
        unreadable.add(at..next.unwrap_or(end));
        let Some(next) = next else { break };
        at = next;
    }
    Ok(unreadable.damage())
}

/// The parts of a file that cannot be read: the first, and the number of further ones.
#[derive(Debug, Default)]
pub struct Parts {
    first: Option<Range<u64>>,
    further: usize,
}

impl Parts {
    pub fn add(&mut self, part: Range<u64>) {
        match &mut self.first {
            Some(_) => self.further += 1,
            first => *first = Some(part),
        }
    }

    pub fn damage(self) -> Option<Damage> {
        Some(Damage::Unreadable(self.first?, self.further))
    }
}

/// A unit that goes on behind the end of the file is cut, and one that goes on behind another end is none.
fn bounded(unit: Unit, bytes: &Bytes, end: u64) -> Unit {
    match unit {
        Unit::Whole(next) if next > end && end == bytes.length => Unit::Cut(next - end),
        Unit::Whole(next) if next > end => Unit::None,
        other => other,
    }
}

/// Whether a unit begins here, and another one behind it.
fn is_sure(format: &impl Format, bytes: &mut Bytes, at: u64, end: u64) -> io::Result<bool> {
    match bounded(format.unit(bytes, at)?, bytes, end) {
        Unit::Whole(next) if next == end => Ok(true),
        Unit::Whole(next) if next > at => Ok(format.unit(bytes, next)? != Unit::None),
        _ => Ok(false),
    }
}

/// Returns where the next unit begins.
fn next_unit(format: &impl Format, bytes: &mut Bytes, range: Range<u64>, tries: &mut usize) -> io::Result<Option<u64>> {
    let mut window = [0; 1 << 14];
    let mut at = range.start;
    while at < range.end {
        let read = bytes.read(at, &mut window)?;
        // A unit may begin in this window and end in the next one.
        let step = read.len().saturating_sub(3);
        if step == 0 {
            break;
        }
        for (place, first) in (at..range.end).zip(read.windows(4)) {
            if !first.try_into().is_ok_and(|first| format.may_begin(first)) {
                continue;
            }
            if *tries == 0 {
                return Ok(None);
            }
            *tries -= 1;
            if is_sure(format, bytes, place, range.end)? {
                return Ok(Some(place));
            }
        }
        at += step as u64;
    }
    Ok(None)
}
