// SPDX-License-Identifier: MPL-2.0

//! What GStreamer's demuxer does not read of an MPEG transport stream (ISO/IEC 13818-1, section 2.4.4): all programs but one, and of that one the streams that it
//! does not know, as sound that FFmpeg writes into M2TS as private data.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::Path,
};

use super::packets::Streams;
use crate::media::transport::{Packets, Tables, are_tables_moved};

/// Tables are repeated all the time: so many packets have all of them.
const SEARCHED: usize = 1 << 18;

/// What is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    Program {
        number: u16,
        streams: usize,
    },
    Stream {
        id: u16,
        /// How its program says that it is coded.
        kind: u8,
    },
    /// What is stored before the first table that names the stream.
    Early {
        id: u16,
        units: usize,
        /// Whether one says that decoding may begin there.
        is_decodable: bool,
    },
}

/// As in "program 2 with its 3 streams; GStreamer reads one program of a file".
impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { number, streams } => {
                let noun = if *streams == 1 { "stream" } else { "streams" };
                write!(
                    f,
                    "program {number} with its {streams} {noun}; GStreamer reads one program of a file"
                )
            }
            Self::Stream { id, kind } => {
                let name = match kind {
                    0x05 | 0x0b..=0x0d | 0x14 | 0x86 => "tables",
                    0x06 => "private data, which may be sound or subtitles",
                    0x15..=0x19 => "metadata",
                    _ => "a kind that it does not know",
                };
                write!(
                    f,
                    "stream {id:08x}, which GStreamer does not read: {name} (stream type {kind:#04x})"
                )
            }
            Self::Early { id, units, .. } => {
                let noun = if *units == 1 {
                    "frame or packet"
                } else {
                    "frames or packets"
                };
                write!(
                    f,
                    "{units} {noun} of stream {id:08x} before the first table that names it, and what cannot be decoded without them"
                )
            }
        }
    }
}

impl Unread {
    /// Whether it is a part of what is restored or copied, and could have been: a recording that begins anywhere has frames that nothing decodes.
    pub fn is_gap(&self) -> bool {
        matches!(self, Self::Early { is_decodable: true, .. })
    }

    /// Returns those of a file in which GStreamer has found these streams. None where it is no transport stream.
    pub fn all(path: &Path, found: &Streams) -> Vec<Self> {
        let Ok(Contents {
            programs,
            with_data,
            early,
        }) = Contents::of(path)
        else {
            // The file has been read before.
            return Vec::new();
        };
        let found: BTreeSet<u16> = found
            .by_id
            .keys()
            .filter_map(|id| u16::from_str_radix(id, 16).ok())
            .collect();
        let is_kept = are_tables_moved(path);
        let early = early.into_iter().filter(|(id, _)| !is_kept && found.contains(id));
        let early = early.map(|(id, Early { units, is_decodable })| Self::Early {
            id,
            units,
            is_decodable,
        });
        let mut unread: Vec<_> = early.collect();
        for (number, streams) in programs {
            let (read, rest): (Vec<_>, Vec<_>) = streams.iter().partition(|(id, _)| found.contains(id));
            if read.is_empty() && !rest.is_empty() {
                let streams = rest.len();
                unread.push(Self::Program { number, streams });
            } else {
                let lost = rest.into_iter().filter(|(id, _)| with_data.contains(id));
                unread.extend(lost.map(|(&id, &kind)| Self::Stream { id, kind }));
            }
        }
        unread
    }
}

/// What a file consists of.
#[derive(Debug, Default)]
struct Contents {
    /// The kinds of the streams of each program, by their ids.
    programs: BTreeMap<u16, BTreeMap<u16, u8>>,
    /// The streams that have data.
    with_data: BTreeSet<u16>,
    /// What streams have before a table names them.
    early: BTreeMap<u16, Early>,
}

#[derive(Debug, Default)]
struct Early {
    units: usize,
    is_decodable: bool,
}

impl Contents {
    fn of(path: &Path) -> io::Result<Self> {
        let mut contents = Self::default();
        let Some(mut packets) = Packets::open(path)? else {
            return Ok(contents);
        };
        let (mut tables, mut named) = (Tables::default(), BTreeSet::new());
        for _ in 0..SEARCHED {
            let Some(packet) = packets.next()? else { break };
            if !packet.payload().is_empty() {
                contents.with_data.insert(packet.stream());
            }
            if packet.begins_unit() && !named.contains(&packet.stream()) {
                let early = contents.early.entry(packet.stream()).or_default();
                early.units += 1;
                early.is_decodable |= packet.allows_access();
            }
            if let Some(program) = tables.read(&packet) {
                let kinds = program.streams.iter().map(|stream| (stream.id, stream.kind));
                contents.programs.entry(program.number).or_default().extend(kinds);
                named.extend(program.streams.iter().map(|stream| stream.id));
            }
        }
        Ok(contents)
    }
}
