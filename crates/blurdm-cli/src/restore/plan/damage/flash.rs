// SPDX-License-Identifier: MPL-2.0

//! FLV (Adobe Flash Video File Format Specification 10.1, annex E): tags, behind each of which its size stands again.

use std::{io, path::Path};

use super::{
    bytes::Bytes,
    kind::Damage,
    walk::{self, Format, Unit},
};

const SIGNATURE: [u8; 4] = *b"FLV\x01";

/// The header of a tag, and the size behind it.
const HEADER: u64 = 11;
const SIZE: u64 = 4;

/// Sound, video, and data in two forms.
const TYPES: [u8; 4] = [8, 9, 15, 18];

/// In the type of a tag.
const IS_ENCRYPTED: u8 = 0x20;

/// Some programs write another size behind tags. Where so many are right, all must be.
const SURE: usize = 8;

/// Returns what a file lacks. `None` where it is no FLV as well.
pub fn damage(path: &Path) -> Option<Damage> {
    let (mut bytes, start) = open(path)?;
    let end = bytes.length;
    let damage = walk::damage(&mut Tags { right: Some(0) }, &mut bytes, start.min(end)..end).ok()?;
    // GStreamer's demuxer finds no tag behind one that is none.
    damage.map(|damage| match damage {
        Damage::Unreadable(part, _) => Damage::Unreadable(part.start..end, 0),
        other => other,
    })
}

/// Returns where another file begins that was joined to the first.
pub fn next_recording(path: &Path) -> Option<u64> {
    let (mut bytes, mut at) = open(path)?;
    while let Some(first) = bytes.array::<4>(at).ok()? {
        if first == SIGNATURE {
            return Some(at);
        }
        if !TYPES.contains(&(first[0] & !IS_ENCRYPTED)) {
            break;
        }
        let (end, _) = Tags::tag(&mut bytes, at).ok()??;
        at = end + SIZE;
    }
    None
}

/// Returns a file, and where its first tag begins.
fn open(path: &Path) -> Option<(Bytes, u64)> {
    let mut bytes = Bytes::open(path).ok()?;
    bytes.array(0).ok()?.filter(|&first| first == SIGNATURE)?;
    let header = u32::from_be_bytes(bytes.array(5).ok()??);
    Some((bytes, u64::from(header) + SIZE))
}

/// The tags that have come.
#[derive(Debug)]
struct Tags {
    /// How many had the right size behind them. `None` after one that had not.
    right: Option<usize>,
}

impl Tags {
    /// Returns the end of a tag at a place, without the size behind it, and whether that is right. `None` where the file ends before it.
    fn tag(bytes: &mut Bytes, at: u64) -> io::Result<Option<(u64, Option<bool>)>> {
        let Some([_, a, b, c]) = bytes.array(at)? else {
            return Ok(None);
        };
        let length = HEADER + u64::from(u32::from_be_bytes([0, a, b, c]));
        let behind = bytes.array(at + length)?.map(u32::from_be_bytes);
        Ok(Some((at + length, behind.map(|behind| u64::from(behind) == length))))
    }
}

impl Format for Tags {
    fn unit(&self, bytes: &mut Bytes, at: u64) -> io::Result<Unit> {
        let mut header = [0; HEADER as usize];
        let header = bytes.read(at, &mut header)?;
        if header
            .first()
            .is_none_or(|kind| !TYPES.contains(&(kind & !IS_ENCRYPTED)))
        {
            // Of joined files the demuxer reads the header of the next as a tag.
            return Ok(match header.starts_with(&SIGNATURE) {
                true => Unit::Last,
                false => Unit::None,
            });
        }
        if header.len() < HEADER as usize {
            return Ok(Unit::Cut(HEADER - header.len() as u64));
        }
        let Some((end, is_right)) = Self::tag(bytes, at)? else {
            return Ok(Unit::None);
        };
        Ok(match is_right {
            None if end > bytes.length => Unit::Cut(end - bytes.length),
            // Nothing is lost where only the size behind the last tag is.
            None => Unit::Whole(bytes.length),
            Some(false) if self.right >= Some(SURE) => Unit::None,
            Some(_) => Unit::Whole(end + SIZE),
        })
    }

    fn may_begin(&self, bytes: [u8; 4]) -> bool {
        TYPES.contains(&(bytes[0] & !IS_ENCRYPTED))
    }

    fn pass(&mut self, bytes: &mut Bytes, at: u64) -> io::Result<()> {
        let is_right = Self::tag(bytes, at)?.and_then(|(_, is_right)| is_right);
        self.right = self.right.filter(|_| is_right != Some(false)).map(|right| right + 1);
        Ok(())
    }
}
