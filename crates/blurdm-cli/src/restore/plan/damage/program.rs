// SPDX-License-Identifier: MPL-2.0

//! MPEG program streams (ISO/IEC 13818-1, section 2.5, and ISO/IEC 11172-1): packs, which consist of a header and packets that state their length.

use std::{collections::BTreeMap, io, ops::RangeInclusive, path::Path};

use super::{
    bytes::Bytes,
    kind::Damage,
    walk::{self, Format, Unit},
};

const PREFIX: [u8; 3] = [0, 0, 1];
const END: u8 = 0xb9;
const PACK: u8 = 0xba;
const MAP: u8 = 0xbc;
const PRIVATE_DATA: u8 = 0xbd;

/// Streams of sound and video. Others have what is of no use outside of a disc or a network, or nothing.
const MEDIA: [RangeInclusive<u8>; 2] = [0xc0..=0xef, 0xfd..=0xfd];

/// Private data begins with the number of its stream, but for AC-3 as VDR records it, which begins with its own mark.
const AC3_MARK: [u8; 2] = [0x0b, 0x77];
const AC3: u8 = 0x80;

/// Longer than the header of a packet may be, with what stuffs it.
const MAX_HEADER: usize = 300;

/// Returns what a file lacks. `None` where it is no program stream as well.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut bytes = Bytes::open(path).ok()?;
    bytes.array(0).ok()?.filter(|&first| first == [0, 0, 1, PACK])?;
    let end = bytes.length;
    walk::damage(&mut Packets::default(), &mut bytes, 0..end).ok()?
}

/// A stream of a file.
#[derive(Debug, Default)]
pub struct ProgramStream {
    pub packets: usize,
    /// How maps of the program state that it is coded (ISO/IEC 13818-1, table 2-34), in the order of the file.
    pub kinds: Vec<u8>,
}

/// Returns the streams of sound, video and private data in a file, by their numbers. None where it is no program stream.
///
/// # Errors
/// Errors in reading.
pub fn streams(path: &Path) -> io::Result<BTreeMap<u8, ProgramStream>> {
    let mut bytes = Bytes::open(path)?;
    let mut packets = Packets {
        streams: Some(BTreeMap::new()),
    };
    if bytes.array(0)? == Some([0, 0, 1, PACK]) {
        let end = bytes.length;
        walk::damage(&mut packets, &mut bytes, 0..end)?;
    }
    let mut streams = packets.streams.unwrap_or_default();
    streams.retain(|_, stream| stream.packets > 0);
    Ok(streams)
}

/// Headers of packs, headers of the system, and packets.
#[derive(Default)]
struct Packets {
    /// What is found of each stream, where that is wanted.
    streams: Option<BTreeMap<u8, ProgramStream>>,
}

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
    fn pass(&mut self, bytes: &mut Bytes, at: u64) -> io::Result<()> {
        let Some(streams) = &mut self.streams else {
            return Ok(());
        };
        let mut packet = [0; MAX_HEADER];
        let packet = bytes.read(at, &mut packet)?;
        let &[_, _, _, code, high, low, ..] = packet else {
            return Ok(());
        };
        let length = 6 + usize::from(u16::from_be_bytes([high, low]));
        let content = &packet[..packet.len().min(length)];
        let number = match code {
            MAP => {
                for (number, kind) in kinds(content) {
                    let known = &mut streams.entry(number).or_default().kinds;
                    if known.last() != Some(&kind) {
                        known.push(kind);
                    }
                }
                return Ok(());
            }
            PRIVATE_DATA => private_number(payload(content)),
            code => MEDIA.iter().any(|media| media.contains(&code)).then_some(code),
        };
        if let Some(number) = number {
            streams.entry(number).or_default().packets += 1;
        }
        Ok(())
    }
}

/// Returns how the streams are coded that a map of the program names (section 2.5.4).
fn kinds(map: &[u8]) -> Vec<(u8, u8)> {
    let length = |at: usize| {
        let bytes = map.get(at..at + 2)?;
        Some(bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)))
    };
    let mut found = Vec::new();
    let Some(described) = length(8) else { return found };
    let mut at = 12 + described;
    let end = length(at - 2).map_or(0, |length| at + length);
    while at + 4 <= end
        && let (Some(&[kind, number]), Some(described)) = (map.get(at..at + 2), length(at + 2))
    {
        found.push((number, kind));
        at += 4 + described;
    }
    found
}

/// Returns the content of a packet, behind its header in MPEG-2 (section 2.4.3.7) or MPEG-1.
fn payload(packet: &[u8]) -> &[u8] {
    let start = match packet.get(6) {
        Some(first) if first >> 6 == 2 => 9 + packet.get(8).map_or(0, |&length| usize::from(length)),
        _ => {
            let stuffing = packet.iter().skip(6).take_while(|&&byte| byte == 0xff).count();
            let mut at = 6 + stuffing;
            // The size of a buffer.
            at += if packet.get(at).is_some_and(|first| first >> 6 == 1) {
                2
            } else {
                0
            };
            // Times, or none.
            at + match packet.get(at).map(|first| first >> 4) {
                Some(2) => 5,
                Some(3) => 10,
                _ => 1,
            }
        }
    };
    packet.get(start..).unwrap_or_default()
}

fn private_number(payload: &[u8]) -> Option<u8> {
    match payload.starts_with(&AC3_MARK) {
        true => Some(AC3),
        false => payload.first().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_is_known_by_its_first_byte_behind_the_header() {
        let mpeg2 = [0, 0, 1, PRIVATE_DATA, 0, 9, 0x81, 0x80, 5, 0x21, 0, 1, 0, 1, 0x88];
        let mpeg1 = [
            0,
            0,
            1,
            PRIVATE_DATA,
            0,
            9,
            0xff,
            0xff,
            0x60,
            0x20,
            0x21,
            0,
            1,
            0,
            1,
            0x88,
        ];
        let both = [0, 0, 1, PRIVATE_DATA, 0, 9, 0x31, 0, 1, 0, 1, 0x11, 0, 1, 0, 1, 0x88];
        let none = [0, 0, 1, PRIVATE_DATA, 0, 2, 0x0f, 0x88];
        for packet in [&mpeg2[..], &mpeg1, &both, &none] {
            assert_eq!(private_number(payload(packet)), Some(0x88));
            for end in 6..packet.len() {
                assert_eq!(private_number(payload(&packet[..end])), None);
            }
        }
        assert_eq!(private_number(&AC3_MARK), Some(AC3));
    }

    #[test]
    fn a_map_that_is_cut_is_read_as_far_as_it_goes() {
        let map = [
            0, 0, 1, MAP, 0, 0x14, 0xe1, 0xff, 0, 0, 0, 10, 3, 0xc0, 0, 0, 0x1b, 0xe0, 0, 2, 9, 9,
        ];
        assert_eq!(kinds(&map), [(0xc0, 3), (0xe0, 0x1b)]);
        for end in 0..map.len() {
            assert!(kinds(&map[..end]).len() <= 2);
        }
    }
}
