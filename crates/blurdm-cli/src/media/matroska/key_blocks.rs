// SPDX-License-Identifier: MPL-2.0

//! The flag of blocks with which decoding can begin (RFC 9559, section 10.2). GStreamer 1.22's muxer gives it to video alone, and FFmpeg 9, unlike 5.1, drops
//! AAC without it where it copies.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use super::{
    blocks::{CLUSTER, HEAD, SIMPLE_BLOCK, track_of},
    ebml::{Element, HEADER, Place, SEGMENT, children},
    tracks::{self, number},
};

const TRACK_TYPE: u32 = 0x83;
const CODEC: u32 = 0x86;
const VIDEO: u64 = 1;
/// Codecs of sound in which decoding begins with some packets only.
const WITH_KEY_PACKETS: [&[u8]; 2] = [b"A_TRUEHD", b"A_MLP"];
const IS_KEY: u8 = 0x80;

/// Sets the flag of all simple blocks of tracks in which decoding can begin anywhere.
///
/// # Errors
/// Errors in reading and writing.
pub fn mark(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let body = tracks::read(&mut file)?.map(|(_, body)| body).unwrap_or_default();
    let marked: BTreeSet<u64> = tracks::entries(&body).filter_map(begins_anywhere).collect();
    if marked.is_empty() {
        return Ok(());
    }
    let mut at = 0;
    while let Some(place) = Place::read(&mut file, at)? {
        at = match place.id {
            // Their elements take their place.
            SEGMENT | CLUSTER => place.body,
            HEADER => place.end.unwrap_or(place.body),
            _ => match place.end {
                Some(end) => end,
                None => break,
            },
        };
        if place.id == SIMPLE_BLOCK {
            mark_block(&mut file, place, &marked)?;
        }
    }
    file.sync_all()
}

/// Returns the number of a track in which decoding can begin anywhere.
fn begins_anywhere(entry: Element) -> Option<u64> {
    let of = |id| children(entry.body).find(|element| element.id == id);
    let is_video = of(TRACK_TYPE)?.number()? == VIDEO;
    let has_key_packets = WITH_KEY_PACKETS.contains(&of(CODEC)?.body);
    number(entry.body).filter(|_| !is_video && !has_key_packets)
}

/// A block begins with the number of its track, its time in two bytes, and its flags.
fn mark_block(file: &mut File, block: Place, marked: &BTreeSet<u64>) -> io::Result<()> {
    let mut head = Vec::with_capacity(HEAD);
    file.seek(SeekFrom::Start(block.body))?;
    Read::take(&mut *file, HEAD as u64).read_to_end(&mut head)?;
    let Some((track, length)) = track_of(&head) else {
        return Ok(());
    };
    let at = length + 2;
    if let Some(&flags) = head.get(at).filter(|_| marked.contains(&track))
        && flags & IS_KEY == 0
    {
        file.seek(SeekFrom::Start(block.body + at as u64))?;
        file.write_all(&[flags | IS_KEY])?;
    }
    Ok(())
}
