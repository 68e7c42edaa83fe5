// SPDX-License-Identifier: MPL-2.0

//! The tables that say what a transport stream consists of (ISO/IEC 13818-1, section 2.4.4).

use std::collections::BTreeMap;

use super::packets::Packet;

/// The stream of the table of programs.
const PROGRAMS: u16 = 0;

/// The ids of that table, and of that of a program.
const PROGRAMS_ID: u8 = 0;
const PROGRAM_ID: u8 = 2;

/// A program, as its table describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub number: u16,
    /// The stream that has its clock.
    pub clock: u16,
    pub streams: Vec<Stream>,
}

/// A stream of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    pub id: u16,
    /// How it is coded (table 2-34).
    pub kind: u8,
}

/// What has been read of the tables.
#[derive(Debug, Default)]
pub struct Tables {
    /// The numbers of programs, by the stream that their table is in.
    numbers: BTreeMap<u16, u16>,
}

impl Packet {
    /// Whether the table of programs begins in it.
    pub(super) fn is_table_of_programs(&self) -> bool {
        self.stream() == PROGRAMS && self.begins_unit()
    }
}

impl Tables {
    /// Returns how many programs are known.
    pub(super) fn programs(&self) -> usize {
        self.numbers.len()
    }

    /// Reads a packet. Returns the program whose table begins in it, as far as it is in this packet.
    pub fn read(&mut self, packet: &Packet) -> Option<Program> {
        if !packet.begins_unit() {
            return None;
        }
        let stream = packet.stream();
        if stream == PROGRAMS {
            let found = table(packet.payload(), PROGRAMS_ID).map(programs_of);
            self.numbers.extend(found.unwrap_or_default());
            return None;
        }
        let number = *self.numbers.get(&stream)?;
        let table = table(packet.payload(), PROGRAM_ID)?;
        Some(Program {
            number,
            clock: u16::from_be_bytes(table.get(..2)?.try_into().ok()?) & 0x1fff,
            streams: streams_of(table),
        })
    }
}

/// Returns what of a table with this id is in the packet that it begins in, without its head and its checksum.
fn table(payload: &[u8], id: u8) -> Option<&[u8]> {
    let (&before, rest) = payload.split_first()?;
    let table = rest.get(usize::from(before)..)?;
    let &[found, high, low, ..] = table else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]) & 0x0fff);
    let end = (3 + length).saturating_sub(4).min(table.len());
    table.get(8..end).filter(|_| found == id)
}

/// Returns the stream that the table of each program is in, and its number. Number 0 is that of the network.
fn programs_of(table: &[u8]) -> Vec<(u16, u16)> {
    let entries = table.as_chunks::<4>().0.iter();
    entries
        .map(|&[a, b, c, d]| (u16::from_be_bytes([c, d]) & 0x1fff, u16::from_be_bytes([a, b])))
        .filter(|&(_, number)| number != 0)
        .collect()
}

/// Returns the streams of a program.
fn streams_of(table: &[u8]) -> Vec<Stream> {
    let length = |bytes: &[u8]| match *bytes {
        [high, low] => usize::from(u16::from_be_bytes([high, low]) & 0x0fff),
        _ => 0,
    };
    let Some(described) = table.get(2..4).map(length) else {
        return Vec::new();
    };
    let mut rest = table.get(4 + described..).unwrap_or_default();
    let mut streams = Vec::new();
    while let Some(&[kind, high, low, a, b]) = rest.get(..5) {
        let id = u16::from_be_bytes([high, low]) & 0x1fff;
        streams.push(Stream { id, kind });
        rest = rest.get(5 + length(&[a, b])..).unwrap_or_default();
    }
    streams
}
