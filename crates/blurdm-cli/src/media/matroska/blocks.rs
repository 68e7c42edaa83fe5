// SPDX-License-Identifier: MPL-2.0

//! Blocks: the packets of tracks, with a time each (RFC 9559, section 10).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    ebml::{HEADER, Place, SEGMENT, children},
    tracks::codec_delays,
};

pub const CLUSTER: u32 = 0x1f43_b675;
pub const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const TIME: u32 = 0xe7;
const INFORMATION: u32 = 0x1549_a966;
const TIME_SCALE: u32 = 0x002a_d7b1;

/// Nanoseconds per unit of time, where the file does not state it.
const DEFAULT_SCALE: u64 = 1_000_000;
/// A block of a later cluster, whose own time has two bytes, cannot be before 0.
const LAST_TIME: u64 = 1 << 15;
/// More bytes are not before the end of the flags of a block.
pub const HEAD: usize = 11;
/// More bytes of information are taken for damage.
const MAX_INFORMATION: u64 = 1 << 20;

/// The packets of a track before time 0, where `matroskademux` gives all of them the time 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Early {
    pub blocks: usize,
    /// How long the first of them is before 0, in nanoseconds.
    pub by: u64,
}

/// Returns those of each track that has any, by its number. None where the file is not Matroska. What is within the delay of a decoder is not meant: that is not presented.
///
/// # Errors
/// Errors in reading.
pub fn early(path: &Path) -> io::Result<BTreeMap<u64, Early>> {
    let mut file = File::open(path)?;
    if Place::read(&mut file, 0)?.is_none_or(|first| first.id != HEADER) {
        return Ok(BTreeMap::new());
    }
    let delays = codec_delays(path);
    let mut found: BTreeMap<u64, Early> = BTreeMap::new();
    let (mut at, mut scale, mut cluster) = (0, DEFAULT_SCALE, 0);
    while let Some(place) = Place::read(&mut file, at)? {
        at = match place.id {
            // Their elements take their place.
            SEGMENT | CLUSTER | BLOCK_GROUP => place.body,
            HEADER => place.end.unwrap_or(place.body),
            _ => match place.end {
                Some(end) => end,
                None => break,
            },
        };
        match place.id {
            INFORMATION => {
                let body = body(&mut file, place, MAX_INFORMATION)?;
                let stated = children(&body).find(|element| element.id == TIME_SCALE);
                scale = stated.and_then(|stated| stated.number()).unwrap_or(DEFAULT_SCALE);
            }
            TIME => {
                let bytes = body(&mut file, place, 8)?;
                cluster = bytes.iter().fold(0, |time, &byte| time << 8 | u64::from(byte));
                if cluster > LAST_TIME {
                    break;
                }
            }
            SIMPLE_BLOCK | BLOCK => {
                let head = body(&mut file, place, HEAD as u64)?;
                let Some((track, time)) = time_of(&head) else { continue };
                let before = u64::from(time.min(0).unsigned_abs()).saturating_sub(cluster);
                let by = before.saturating_mul(scale);
                let delay = delays.get(&track).copied().unwrap_or(0);
                // Times are rounded.
                if by > delay.saturating_add(scale) {
                    let early = found.entry(track).or_default();
                    early.blocks += 1;
                    early.by = early.by.max(by);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Reads the first bytes of an element.
fn body(file: &mut File, place: Place, limit: u64) -> io::Result<Vec<u8>> {
    let size = place.end.map_or(limit, |end| end.saturating_sub(place.body)).min(limit);
    let mut body = Vec::new();
    file.seek(SeekFrom::Start(place.body))?;
    Read::take(&mut *file, size).read_to_end(&mut body)?;
    Ok(body)
}

/// Returns the track of a block, and its time from that of the cluster on.
fn time_of(head: &[u8]) -> Option<(u64, i16)> {
    let (track, length) = track_of(head)?;
    let time = head.get(length..length + 2)?;
    Some((track, i16::from_be_bytes(time.try_into().ok()?)))
}

/// Returns the number of a track, whose leading zeros say how many bytes it has, and how many these are.
pub fn track_of(head: &[u8]) -> Option<(u64, usize)> {
    let first = *head.first()?;
    let length = first.leading_zeros() as usize + 1;
    let bytes = head.get(..length)?;
    let number = bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
    Some((number & !(1 << (7 * length)), length))
}
