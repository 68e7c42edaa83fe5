// SPDX-License-Identifier: MPL-2.0

//! Ogg (RFC 3533): each page has a checksum, and a number that follows that of the page before it in the same stream.

use std::{collections::BTreeMap, io, path::Path};

use super::{
    bytes::Bytes,
    kind::Damage,
    walk::{self, Format, Unit},
};

const CAPTURE: [u8; 4] = *b"OggS";

/// A page has a header, of which the last byte is the number of sizes that follow, and the parts of packets that have these sizes.
const HEADER: usize = 27;
const CHECKSUM: std::ops::Range<usize> = 22..26;

/// In the type of a page: a stream begins.
const BEGINS: u8 = 2;

/// More streams than this are not followed.
const MAX_STREAMS: usize = 1 << 12;

/// Returns what a file lacks. `None` where it is no Ogg as well.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut bytes = Bytes::open(path).ok()?;
    bytes.array(0).ok()?.filter(|&first| first == CAPTURE)?;
    let end = bytes.length;
    let mut pages = Pages::default();
    let damage = walk::damage(&mut pages, &mut bytes, 0..end).ok()?;
    let missing = (pages.missing > 0).then_some(Damage::Missing(pages.missing, "pages"));
    damage.or(missing)
}

/// The pages that have come.
#[derive(Debug, Default)]
struct Pages {
    /// The number of the last page of each stream, and whether packets other than headers have come.
    streams: BTreeMap<u32, (u32, bool)>,
    missing: usize,
}

impl Format for Pages {
    // The checksum of each takes time.
    const MAX_TRIES: usize = 1 << 14;

    fn unit(&self, bytes: &mut Bytes, at: u64) -> io::Result<Unit> {
        let mut page = [0; HEADER + 255];
        let page = bytes.read(at, &mut page)?;
        let stated = page.get(HEADER - 1).copied().map_or(0, usize::from);
        let length = HEADER + stated;
        let is_page = page.len() >= CAPTURE.len()
            && page.starts_with(&CAPTURE)
            && page.get(4).is_none_or(|&version| version == 0);
        if !is_page {
            return Ok(Unit::None);
        }
        let Some(header) = page.get(..length) else {
            return Ok(Unit::Cut((length - page.len()) as u64));
        };
        let body: u64 = header[HEADER..].iter().map(|&size| u64::from(size)).sum();
        let start = at + length as u64;
        let end = start + body;
        if end > bytes.length {
            return Ok(Unit::Cut(end - bytes.length));
        }
        // It is computed with zeros in its own place.
        let mut sum = checksum(0, &header[..CHECKSUM.start]);
        sum = checksum(sum, &[0; 4]);
        sum = checksum(sum, &header[CHECKSUM.end..]);
        let stated = little_endian(&header[CHECKSUM]);
        let mut window = [0; 1 << 12];
        let mut next = start;
        while next < end {
            let wanted = window.len().min((end - next) as usize);
            let read = bytes.read(next, &mut window[..wanted])?;
            sum = checksum(sum, read);
            next += read.len().max(1) as u64;
        }
        Ok(match sum == stated {
            true => Unit::Whole(end),
            false => Unit::None,
        })
    }

    fn may_begin(&self, bytes: [u8; 4]) -> bool {
        bytes == CAPTURE
    }

    fn pass(&mut self, bytes: &mut Bytes, at: u64) -> io::Result<()> {
        let Some(header) = bytes.array::<HEADER>(at)? else {
            return Ok(());
        };
        let stream = little_endian(&header[14..18]);
        let number = little_endian(&header[18..22]);
        // Pages with headers have the position 0, and those in which no packet ends -1.
        let is_data = !header[6..14].iter().all(|&byte| byte == 0) && header[6..14] != [0xff; 8];
        let last = self.streams.get(&stream).copied().filter(|_| header[5] & BEGINS == 0);
        if last.is_some() || self.streams.len() < MAX_STREAMS {
            let has_data = last.is_some_and(|(_, has_data)| has_data);
            self.streams.insert(stream, (number, has_data || is_data));
        }
        // The recording of a broadcast has the headers of its start, and then what came from the middle on.
        let Some((last, true)) = last else { return Ok(()) };
        let missing = number.wrapping_sub(last).wrapping_sub(1);
        // Pages may come twice.
        if missing.cast_signed() > 0 {
            self.missing = self.missing.saturating_add(missing as usize);
        }
        Ok(())
    }
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// The remainders of all bytes by the polynomial of RFC 3533, section 6.
const REMAINDERS: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carries = remainder & 0x8000_0000 != 0;
            remainder <<= 1;
            if carries {
                remainder ^= 0x04c1_1db7;
            }
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

fn checksum(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, &byte| {
        sum << 8 ^ REMAINDERS[usize::from((sum >> 24) as u8 ^ byte)]
    })
}
