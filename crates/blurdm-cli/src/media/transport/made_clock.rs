// SPDX-License-Identifier: MPL-2.0

//! A clock for programs without one (PCR), of which `tsdemux` gives nothing a time.
//!
//! One time of the clock is enough for it: those of frames and sound are exact from there, wherever they are stored. It is put into the first packet with the
//! table of the program, ahead of the table, and the table names its own stream as that of the clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use super::{
    packets::{PACKET, Packet, Packets},
    stamps::{Bytes, CLOCK_SCALE, PERIOD, within, write_all},
    tables::Tables,
};

/// Bytes of the header of a packet.
const HEADER: usize = 4;
/// What is between the header of a packet and its payload where there is a time of the clock: a length, flags, and the time.
const ADAPTATION: usize = 8;
const HAS_ADAPTATION: u8 = 0x20;
const HAS_CLOCK: u8 = 0x10;
/// The flags of that and of all other fields there.
const HAS_FIELDS: u8 = 0x1f;
/// Where the stream of the clock is in a table of a program, and the first bits there.
const CLOCK_STREAM: usize = 8;
const RESERVED: u16 = 0xe000;
const CHECKSUM: usize = 4;
const POLYNOMIAL: u32 = 0x04c1_1db7;
/// What follows a table in its packet.
const UNUSED: u8 = 0xff;

/// What replaces bytes of a file.
#[derive(Debug, Default)]
pub struct MadeClocks {
    /// The first table of each program, with the time of the clock.
    first: Vec<Bytes<PACKET>>,
    /// In all other tables: the stream of the clock, and the checksum.
    streams: Vec<Bytes<2>>,
    checksums: Vec<Bytes<CHECKSUM>>,
}

impl MadeClocks {
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Whether any are at least in part within bytes of the file.
    pub fn are_within(&self, start: u64, length: u64) -> bool {
        !within(&self.first, start, length).is_empty()
            || !within(&self.streams, start, length).is_empty()
            || !within(&self.checksums, start, length).is_empty()
    }

    /// Changes bytes of the file, of which these begin at `start`.
    pub fn write_all(&self, bytes: &mut [u8], start: u64) {
        write_all(&self.first, bytes, start);
        write_all(&self.streams, bytes, start);
        write_all(&self.checksums, bytes, start);
    }
}

/// Returns the clocks for those programs of a file whose own stream of the clock has none, which `has_clock` tells. A program whose table has no room for one
/// gets none.
///
/// # Errors
/// Errors in reading.
pub fn of(path: &Path, has_clock: impl Fn(u16) -> bool) -> io::Result<MadeClocks> {
    let Some(mut packets) = Packets::open(path)? else {
        return Ok(MadeClocks::default());
    };
    let (mut tables, mut programs, mut earliest) = (Tables::default(), BTreeMap::new(), BTreeMap::new());
    while let Some(packet) = packets.next()? {
        if packet.is_faulty() {
            continue;
        }
        if let Some(time) = packet.times().map(|time| time.ticks()).min() {
            let known = earliest.entry(packet.stream()).or_insert(time);
            // A time that is less than half a period behind another is the earlier one.
            if (*known + PERIOD - time) % PERIOD < PERIOD / 2 {
                *known = time;
            }
        }
        if let Some(program) = tables.read(&packet).filter(|program| !has_clock(program.clock)) {
            let found: &mut Found = programs.entry(packet.stream()).or_default();
            found.streams.extend(program.streams.iter().map(|stream| stream.id));
            found.first.get_or_insert(packet);
            found.tables.push(Table::of(&packet));
        }
    }
    let mut made = MadeClocks::default();
    for program in programs.into_values() {
        let time = program.streams.iter().filter_map(|stream| earliest.get(stream)).min();
        if let Some((first, rest)) = time.and_then(|&time| program.with_clock(time)) {
            made.first.push(first);
            made.streams.extend(rest.iter().map(|table| table.stream));
            made.checksums.extend(rest.iter().map(|table| table.checksum));
        }
    }
    // In the order of the file, where there are several programs.
    made.first.sort_by_key(|bytes| bytes.position);
    made.streams.sort_by_key(|bytes| bytes.position);
    made.checksums.sort_by_key(|bytes| bytes.position);
    Ok(made)
}

/// A program without a clock.
#[derive(Debug, Default)]
struct Found {
    streams: BTreeSet<u16>,
    first: Option<Packet>,
    /// `None` for one that cannot be changed.
    tables: Vec<Option<Table>>,
}

impl Found {
    /// Returns the first packet with its table, with a time of the clock, and what is changed in all others. `None` where there is no room for it.
    fn with_clock(self, time: u64) -> Option<(Bytes<PACKET>, Vec<Table>)> {
        let (first, mut tables) = (self.first?, self.tables.into_iter());
        let mut bytes = first.bytes;
        let table = tables.next()??;
        write_all(&[table.stream], &mut bytes, first.position());
        write_all(&[table.checksum], &mut bytes, first.position());
        let stamp = Bytes {
            position: 0,
            bytes: [UNUSED; 6],
        };
        let bytes = with_stamp(&first, bytes, &stamp.with_ticks(time * CLOCK_SCALE).bytes)?;
        let position = first.position();
        let rest: Option<Vec<Table>> = tables.collect();
        Some((Bytes { position, bytes }, rest?))
    }
}

/// Returns the bytes of a packet with a time of the clock: in the room before its payload, or ahead of that where there is room behind it.
fn with_stamp(packet: &Packet, mut bytes: [u8; PACKET], stamp: &[u8; 6]) -> Option<[u8; PACKET]> {
    let (length, flags) = (bytes[HEADER], bytes[HEADER + 1]);
    if packet.has_adaptation() {
        let is_empty = usize::from(length) + 1 >= ADAPTATION && flags & HAS_FIELDS == 0;
        bytes[HEADER + 1] |= HAS_CLOCK;
        bytes[HEADER + 2..HEADER + ADAPTATION].copy_from_slice(stamp);
        return is_empty.then_some(bytes);
    }
    let (payload, unused) = bytes[HEADER..].split_at(PACKET - HEADER - ADAPTATION);
    let mut made = [UNUSED; PACKET];
    made[..HEADER].copy_from_slice(&bytes[..HEADER]);
    made[HEADER - 1] |= HAS_ADAPTATION;
    made[HEADER..HEADER + 2].copy_from_slice(&[ADAPTATION as u8 - 1, HAS_CLOCK]);
    made[HEADER + 2..HEADER + ADAPTATION].copy_from_slice(stamp);
    made[HEADER + ADAPTATION..].copy_from_slice(payload);
    unused.iter().all(|&byte| byte == UNUSED).then_some(made)
}

/// What is changed in the table of a program, so that its own stream is that of the clock.
#[derive(Debug, Clone, Copy)]
struct Table {
    stream: Bytes<2>,
    checksum: Bytes<CHECKSUM>,
}

impl Table {
    /// `None` where the table is not whole in this packet.
    fn of(packet: &Packet) -> Option<Self> {
        let start = packet.payload_start() + 1 + usize::from(*packet.payload().first()?);
        let mut table = packet.bytes.get(start..)?.to_vec();
        let length = usize::from(u16::from_be_bytes([*table.get(1)?, *table.get(2)?]) & 0x0fff);
        let checked = (3 + length)
            .checked_sub(CHECKSUM)
            .filter(|&checked| checked >= CLOCK_STREAM + 2)?;
        table.get(checked..checked + CHECKSUM)?;
        table.truncate(checked);
        let stream = (RESERVED | packet.stream()).to_be_bytes();
        table[CLOCK_STREAM..CLOCK_STREAM + 2].copy_from_slice(&stream);
        let at = |place: usize| packet.position() + (start + place) as u64;
        Some(Self {
            stream: Bytes {
                position: at(CLOCK_STREAM),
                bytes: stream,
            },
            checksum: Bytes {
                position: at(checked),
                bytes: checksum(&table).to_be_bytes(),
            },
        })
    }
}

/// Returns the checksum of a table (ISO/IEC 13818-1, annex A).
fn checksum(table: &[u8]) -> u32 {
    table.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| {
            let divided = if sum >> 31 == 1 { POLYNOMIAL } else { 0 };
            sum << 1 ^ divided
        })
    })
}
