// SPDX-License-Identifier: MPL-2.0

//! Matroska and WebM: a file states its length (RFC 8794 for sizes, RFC 9559 for the segment), and so does each of its elements, of which only few kinds
//! may be in a segment and in a cluster.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use super::kind::Damage;
use crate::media::matroska::ebml::{HEADER, Place, SEGMENT, VOID};

const CLUSTER: u32 = 0x1f43_b675;
const BLOCK_GROUP: u32 = 0xa0;
const CRC: u32 = 0xbf;

/// Seek head, information, tracks, cues, attachments, chapters and tags.
const IN_SEGMENT: [u32; 10] = [
    CLUSTER,
    0x114d_9b74,
    0x1549_a966,
    0x1654_ae6b,
    0x1c53_bb6b,
    0x1941_a469,
    0x1043_a770,
    0x1254_c367,
    VOID,
    CRC,
];

/// Timestamp, simple block, group, position, size of the one before, silent tracks and encrypted block.
const IN_CLUSTER: [u32; 9] = [0xe7, 0xa3, BLOCK_GROUP, 0xa7, 0xab, 0x5854, 0xaf, VOID, CRC];

/// How many bytes are searched at once.
const WINDOW: usize = 1 << 16;

/// Whether a file is Matroska, or WebM.
pub fn is_matroska(path: &Path) -> bool {
    let header = File::open(path).and_then(|mut file| Place::read(&mut file, 0));
    header.is_ok_and(|header| header.is_some_and(|header| header.id == HEADER))
}

/// Returns what a file lacks.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let header = Place::read(&mut file, 0).ok()?.filter(|header| header.id == HEADER)?;
    let segment = Place::read(&mut file, header.end?)
        .ok()?
        .filter(|segment| segment.id == SEGMENT)?;
    let missing = segment.end.and_then(|end| end.checked_sub(length));
    if let Some(missing) = missing.filter(|&missing| missing > 0) {
        return Some(Damage::Cut(missing));
    }
    let end = segment.end.unwrap_or(length);
    let mut walk = Walk {
        at: segment.body,
        end,
        cluster: None,
    };
    let mut unreadable = Vec::new();
    loop {
        match walk.next_fault(&mut file).ok()? {
            None => break,
            Some(Fault::Cut(missing)) if segment.end.is_none() && unreadable.is_empty() => {
                return Some(Damage::Cut(missing));
            }
            Some(_) => {
                let start = walk.at;
                if is_padding(&mut file, start..end).ok()? {
                    break;
                }
                // As GStreamer's demuxer does.
                let next = next_cluster(&mut file, start + 1..end).ok()?;
                unreadable.push(start..next.unwrap_or(end));
                let Some(next) = next else { break };
                walk.at = next;
                walk.cluster = None;
            }
        }
    }
    Damage::of_parts(&unreadable)
}

enum Fault {
    /// An element has so many bytes more than the file.
    Cut(u64),
    /// This cannot be here.
    Misplaced,
}

/// A walk over the elements of a segment and of its clusters.
struct Walk {
    at: u64,
    /// The end of the segment.
    end: u64,
    /// The end of the current cluster, where it is in one. Live recordings do not state it.
    cluster: Option<Option<u64>>,
}

impl Walk {
    /// Goes on to the next element that cannot be where it is. `None` at the end.
    fn next_fault(&mut self, file: &mut File) -> io::Result<Option<Fault>> {
        while self.at < self.end {
            if self.cluster == Some(Some(self.at)) {
                self.cluster = None;
            }
            let Some(place) = Place::read(file, self.at)? else {
                return Ok(Some(Fault::Misplaced));
            };
            if self.cluster.flatten().is_none() && place.id == HEADER {
                // Another file is appended, which demuxers do not read.
                return Ok(None);
            }
            let is_in_cluster = self.cluster.is_some() && IN_CLUSTER.contains(&place.id);
            let is_in_segment = self.cluster.flatten().is_none() && IN_SEGMENT.contains(&place.id);
            if !is_in_cluster && !is_in_segment {
                return Ok(Some(Fault::Misplaced));
            }
            let limit = match is_in_cluster {
                true => self.cluster.flatten().unwrap_or(self.end),
                false => self.end,
            };
            match place.end {
                Some(end) if end > limit => {
                    return Ok(Some(match limit == self.end {
                        true => Fault::Cut(end - limit),
                        false => Fault::Misplaced,
                    }));
                }
                None if place.id != CLUSTER => return Ok(Some(Fault::Misplaced)),
                _ => {}
            }
            if place.id == BLOCK_GROUP && !has_whole_children(file, &place)? {
                return Ok(Some(Fault::Misplaced));
            }
            if place.id == CLUSTER {
                self.cluster = Some(place.end);
                self.at = place.body;
            } else {
                if !is_in_cluster {
                    self.cluster = None;
                }
                self.at = place.end.unwrap_or(self.end);
            }
        }
        Ok(None)
    }
}

/// Whether the elements in an element end where it does.
fn has_whole_children(file: &mut File, parent: &Place) -> io::Result<bool> {
    let Some(end) = parent.end else { return Ok(false) };
    let mut at = parent.body;
    while at < end {
        match Place::read(file, at)?.and_then(|child| child.end) {
            Some(next) if next <= end => at = next,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether there is nothing but zeros up to the end, as in a file that was made larger before it was recorded.
fn is_padding(file: &mut File, range: Range<u64>) -> io::Result<bool> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut rest = file.by_ref().take(range.end - range.start);
    let mut window = [0; 1 << 12];
    loop {
        match rest.read(&mut window)? {
            0 => return Ok(true),
            count if window[..count].iter().any(|&byte| byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// Returns where the next cluster begins.
fn next_cluster(file: &mut File, range: Range<u64>) -> io::Result<Option<u64>> {
    let id = CLUSTER.to_be_bytes();
    let mut at = range.start;
    let mut window = Vec::with_capacity(WINDOW);
    while at < range.end {
        window.clear();
        file.seek(SeekFrom::Start(at))?;
        file.by_ref().take(WINDOW as u64).read_to_end(&mut window)?;
        if let Some(found) = window.windows(id.len()).position(|bytes| bytes == id) {
            return Ok(Some(at + found as u64).filter(|&found| found < range.end));
        }
        if window.len() < WINDOW {
            break;
        }
        // It may begin in this window and end in the next one.
        at += (WINDOW - (id.len() - 1)) as u64;
    }
    Ok(None)
}
