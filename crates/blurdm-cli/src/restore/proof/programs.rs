// SPDX-License-Identifier: MPL-2.0

//! The programs of an MPEG transport stream (ISO/IEC 13818-1, section 2.4.4). GStreamer's demuxer reads one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::Path,
};

use super::packets::Streams;
use crate::media::transport::{Packets, Tables};

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
    let mut tables = Tables::default();
    for _ in 0..SEARCHED {
        let Some(packet) = packets.next()? else { break };
        if let Some(program) = tables.read(&packet) {
            programs.entry(program.number).or_default().extend(program.streams);
        }
    }
    Ok(programs)
}
