// SPDX-License-Identifier: MPL-2.0

//! What GStreamer's demuxer does not read of an MPEG program stream (ISO/IEC 13818-1, section 2.5): streams that begin more than two seconds behind the first
//! one, as where two recordings are joined, and those that it does not know. A stream whose coding changes it goes on to read as before.

use std::{fmt, path::Path};

use super::packets::Streams;
use crate::restore::plan::{ProgramStream, program_streams};

/// What is not read.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    Stream { number: u8, packets: usize },
    Change { number: u8, from: u8, to: u8 },
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Stream { number, packets } => {
                let name = match number {
                    0x20..=0x3f => "subtitles of a DVD",
                    0x80..=0x87 => "AC-3",
                    0x88..=0x8f => "DTS",
                    0xa0..=0xaf => "PCM",
                    0xc0..=0xdf => "sound",
                    0xe0..=0xef | 0xfd => "video or sound",
                    _ => "private data",
                };
                let noun = if packets == 1 { "packet" } else { "packets" };
                write!(
                    f,
                    "stream {number:02x}, which GStreamer does not read: {name}, {packets} {noun}"
                )
            }
            Self::Change { number, from, to } => write!(
                f,
                "what follows in stream {number:02x} where its coding changes from stream type {from:#04x} to {to:#04x}, which GStreamer does not read"
            ),
        }
    }
}

impl Unread {
    /// Returns those of a file in which GStreamer has found these streams. None where it is no program stream.
    pub fn all(path: &Path, found: &Streams) -> Vec<Self> {
        // The file has been read before.
        let streams = program_streams(path).unwrap_or_default();
        let unread = streams.into_iter().flat_map(|(number, stream)| {
            let is_read = found.by_id.contains_key(&format!("{number:02x}"));
            of(number, &stream, is_read)
        });
        unread.collect()
    }
}

fn of(number: u8, stream: &ProgramStream, is_read: bool) -> Vec<Unread> {
    if !is_read {
        let packets = stream.packets;
        return vec![Unread::Stream { number, packets }];
    }
    let changes = stream.kinds.windows(2).map(|kinds| Unread::Change {
        number,
        from: kinds[0],
        to: kinds[1],
    });
    changes.collect()
}
