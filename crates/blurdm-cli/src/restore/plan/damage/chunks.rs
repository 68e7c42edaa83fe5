// SPDX-License-Identifier: MPL-2.0

//! AVI (Microsoft, AVI RIFF File Reference; OpenDML AVI File Format Extensions 1.02): chunks in lists, of which those named `movi` have the frames.

use std::{io, path::Path};

use super::{
    bytes::Bytes,
    kind::Damage,
    walk::{self, Format, Unit},
};

/// An id and a size.
const HEADER: u64 = 8;

/// More chunks than this outside of the frames are taken for damage.
const MAX_CHUNKS: usize = 1 << 12;

/// Sizes that stand for an unknown one: recordings that were not completed have them.
const UNKNOWN: [u32; 2] = [0, u32::MAX];

/// Returns what a file lacks. `None` where it is no AVI as well.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut bytes = Bytes::open(path).ok()?;
    let first: [u8; 12] = bytes.array(0).ok()??;
    (first.starts_with(b"RIFF") && first.ends_with(b"AVI ")).then_some(())?;
    let mut at = 0;
    let mut whole_file = 0;
    for _ in 0..MAX_CHUNKS {
        let Some([a, b, c, d, size @ ..]) = bytes.array::<8>(at).ok()? else {
            break;
        };
        let size = u32::from_le_bytes(size);
        let form = bytes.array::<4>(at + HEADER).ok()?;
        let end = end(at, size);
        at = match (&[a, b, c, d], form.as_ref()) {
            (b"RIFF", Some(b"AVI " | b"AVIX")) => {
                // Another recording that was joined is not read.
                if at > 0 && form.as_ref() == Some(b"AVI ") {
                    break;
                }
                whole_file = end;
                at + HEADER + 4
            }
            (b"LIST", Some(b"movi")) => {
                let is_known = !UNKNOWN.contains(&size);
                let frames = at + HEADER + 4..if is_known { end } else { bytes.length };
                if frames.end > bytes.length {
                    return Some(Damage::Cut(frames.end.max(whole_file) - bytes.length));
                }
                let damage = walk::damage(&mut Chunks, &mut bytes, frames.clone()).ok()?;
                if damage.is_some() {
                    return damage;
                }
                frames.end
            }
            _ => end,
        };
    }
    None
}

/// Chunks have an even length.
fn end(at: u64, size: u32) -> u64 {
    let size = u64::from(size);
    at + HEADER + size + size % 2
}

/// The chunks in a list of frames, and the lists in it.
struct Chunks;

impl Format for Chunks {
    fn unit(&self, bytes: &mut Bytes, at: u64) -> io::Result<Unit> {
        let Some([a, b, c, d, size @ ..]) = bytes.array::<8>(at)? else {
            return Ok(Unit::None);
        };
        if !is_name([a, b, c, d]) {
            return Ok(Unit::None);
        }
        // The chunks of a list take its place.
        if &[a, b, c, d] == b"LIST" {
            return Ok(Unit::Whole(at + HEADER + 4));
        }
        let size = u32::from_le_bytes(size);
        let (exact, even) = (at + HEADER + u64::from(size), end(at, size));
        if exact == even {
            return Ok(Unit::Whole(exact));
        }
        // Some programs leave the byte out that makes the length even.
        let is_next = |next: Option<[u8; 4]>| next.is_some_and(is_name);
        let is_exact = !is_next(bytes.array(even)?) && (is_next(bytes.array(exact)?) || exact == bytes.length);
        Ok(Unit::Whole(if is_exact { exact } else { even }))
    }

    fn may_begin(&self, id: [u8; 4]) -> bool {
        let is_frame = id[..2].iter().all(u8::is_ascii_digit) && id[2..].iter().all(u8::is_ascii_lowercase);
        is_frame || [*b"LIST", *b"JUNK"].contains(&id)
    }
}

/// Whether these bytes may name a chunk.
fn is_name(id: [u8; 4]) -> bool {
    id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ')
}
