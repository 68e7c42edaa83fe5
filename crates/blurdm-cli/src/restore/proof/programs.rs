// SPDX-License-Identifier: MPL-2.0

//! The programs of an MPEG transport stream (ISO/IEC 13818-1, section 2.4.4). GStreamer's demuxer reads one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::Path,
};

use super::packets::Streams;
use crate::media::transport::Packets;

/// The stream of the table of programs.
const PROGRAMS: u16 = 0;

/// The ids of that table, and of that of a program.
const PROGRAMS_ID: u8 = 0;
const PROGRAM_ID: u8 = 2;

/// Tables are repeated all the time: so many packets have all of them.
const SEARCHED: usize = 1 << 18;

/// A program that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadProgram {
    number: u16,
    streams: usize,
}

/// As in "program 2 with its 3 streams; GStreamer reads one program of a file".
impl fmt::Display for UnreadProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, streams } = self;
        let noun = if *streams == 1 { "stream" } else { "streams" };
        write!(
            f,
            "program {number} with its {streams} {noun}; GStreamer reads one program of a file"
        )
    }
}

impl UnreadProgram {
    /// Returns those of a file in which GStreamer has found these streams. None where it is no transport stream.
    pub fn all(path: &Path, found: &Streams) -> Vec<Self> {
        let Ok(programs) = programs(path) else {
            // The file has been read before.
            return Vec::new();
        };
        let found: Vec<u16> = found
            .by_id
            .keys()
            .filter_map(|id| u16::from_str_radix(id, 16).ok())
            .collect();
        let is_unread = |streams: &BTreeSet<u16>| !streams.is_empty() && !streams.iter().any(|id| found.contains(id));
        programs
            .into_iter()
            .filter(|(_, streams)| is_unread(streams))
            .map(|(number, streams)| Self {
                number,
                streams: streams.len(),
            })
            .collect()
    }
}

/// Returns the streams of each program, by its number.
fn programs(path: &Path) -> io::Result<BTreeMap<u16, BTreeSet<u16>>> {
    let mut programs: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
    let Some(mut packets) = Packets::open(path)? else {
        return Ok(programs);
    };
    // By the stream that its table is in.
    let mut numbers: BTreeMap<u16, u16> = BTreeMap::new();
    for _ in 0..SEARCHED {
        let Some(packet) = packets.next()? else { break };
        if !packet.begins_unit() {
            continue;
        }
        let stream = packet.stream();
        if stream == PROGRAMS {
            numbers.extend(
                table(packet.payload(), PROGRAMS_ID)
                    .map(programs_of)
                    .unwrap_or_default(),
            );
        } else if let Some(&number) = numbers.get(&stream) {
            let streams = table(packet.payload(), PROGRAM_ID).map(streams_of);
            programs.entry(number).or_default().extend(streams.unwrap_or_default());
        }
    }
    Ok(programs)
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
fn streams_of(table: &[u8]) -> Vec<u16> {
    let length = |bytes: &[u8]| match *bytes {
        [high, low] => usize::from(u16::from_be_bytes([high, low]) & 0x0fff),
        _ => 0,
    };
    let Some(described) = table.get(2..4).map(length) else {
        return Vec::new();
    };
    let mut rest = table.get(4 + described..).unwrap_or_default();
    let mut streams = Vec::new();
    while let Some(&[_, high, low, a, b]) = rest.get(..5) {
        streams.push(u16::from_be_bytes([high, low]) & 0x1fff);
        rest = rest.get(5 + length(&[a, b])..).unwrap_or_default();
    }
    streams
}
