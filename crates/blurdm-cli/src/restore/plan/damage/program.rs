// SPDX-License-Identifier: MPL-2.0

//! MPEG program streams (ISO/IEC 13818-1, section 2.5, and ISO/IEC 11172-1): packs, which consist of a header and packets that state their length.

use std::{io, path::Path};

use super::{
    bytes::Bytes,
    kind::Damage,
    walk::{self, Format, Unit},
};

const PREFIX: [u8; 3] = [0, 0, 1];
const END: u8 = 0xb9;
const PACK: u8 = 0xba;

/// Returns what a file lacks. `None` where it is no program stream as well.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut bytes = Bytes::open(path).ok()?;
    bytes.array(0).ok()?.filter(|&first| first == [0, 0, 1, PACK])?;
    let end = bytes.length;
    walk::damage(&mut Packets, &mut bytes, 0..end).ok()?
}

/// Headers of packs, headers of the system, and packets.
struct Packets;

impl Format for Packets {
    const ZEROS: u64 = 2;

    fn unit(&self, bytes: &mut Bytes, at: u64) -> io::Result<Unit> {
        let mut unit = [0; 14];
        let unit = bytes.read(at, &mut unit)?;
        let (Some(prefix), Some(&code)) = (unit.get(..3), unit.get(3)) else {
            return Ok(Unit::None);
        };
        if prefix != PREFIX || code < END {
            return Ok(Unit::None);
        }
        let missing = |length: usize| Unit::Cut((length - unit.len()) as u64);
        Ok(match (code, unit.get(4), unit.get(4..6)) {
            (END, ..) => Unit::Whole(at + 4),
            (_, None, _) => missing(6),
            // MPEG-2 has stuffing of up to 7 bytes at the end of the header.
            (PACK, Some(first), _) if first >> 6 == 1 => match unit.get(13) {
                Some(stuffing) => Unit::Whole(at + 14 + u64::from(stuffing & 7)),
                None => missing(14),
            },
            (PACK, Some(first), _) if first >> 4 == 2 => Unit::Whole(at + 12),
            (PACK, ..) => Unit::None,
            (_, _, None) => missing(6),
            // A packet whose length is not stated, which only transport streams may have.
            (_, _, Some([0, 0])) => Unit::Last,
            (_, _, Some(length)) => {
                let length = length.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
                Unit::Whole(at + 6 + length)
            }
        })
    }

    fn may_begin(&self, bytes: [u8; 4]) -> bool {
        bytes[..3] == PREFIX && bytes[3] >= PACK
    }
}
