// SPDX-License-Identifier: MPL-2.0

//! GPS of dash cams with chips of Novatek, which they write where no remultiplexer looks: the box `gps ` in `moov` lists the places
//! of blocks that begin with `GPS ` in boxes `free`, one for each second. The layout of the blocks is nowhere specified; what is known of
//! it was found out by others (<https://sergei.nz/extracting-gps-data-from-viofo-a119-and-other-novatek-powered-cameras/>, ExifTool's
//! QuickTimeStream).
//!
//! Some cameras obfuscate their positions. Positions are therefore held against the speeds that come with them, and nothing is given
//! out where the two do not agree.

mod boxes;
mod layout;
mod plausible;

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use crate::gpx::Track;
use boxes::{Boxes, Found};
use layout::Block;

#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("its GPS data cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("its GPS data is not understood: {0}")]
    NotUnderstood(String),
}

/// Blocks are listed for at most this many seconds: a day. A file that lists more is none that a camera has written.
const MOST_BLOCKS: u64 = 24 * 60 * 60;
/// What of a block is read. All known layouts lie within.
const BLOCK: usize = 192;
/// Version and number of blocks, before the places themselves.
const INDEX_HEAD: u64 = 8;
/// Offset and size, big-endian, four bytes each.
const INDEX_ENTRY: u64 = 8;

/// The way that a file tells; `None` if it is no MP4 or MOV, or has no such data. A track without fixes means that the camera had no
/// reception.
///
/// # Errors
/// Where the file cannot be read, or has positions that are not understood or do not agree with its speeds.
pub fn track(file: &Path) -> Result<Option<Track>, Unread> {
    read(&mut BufReader::new(File::open(file)?))
}

pub fn read(file: &mut (impl Read + Seek)) -> Result<Option<Track>, Unread> {
    let Some(index) = find(file)? else { return Ok(None) };
    let mut fixes = Vec::new();
    let (mut blocks, mut without, mut unknown) = (0_usize, 0_usize, 0_usize);
    for place in places(file, &index)? {
        blocks += 1;
        match layout::read(&block(file, place)?) {
            Block::Fix(fix) if fixes.last() == Some(&fix) => {}
            Block::Fix(fix) => fixes.push(fix),
            Block::NoFix => without += 1,
            Block::Unknown => unknown += 1,
        }
    }
    if unknown > 0 && fixes.is_empty() {
        return Err(Unread::NotUnderstood(format!(
            "{unknown} of {blocks} blocks have a layout that is not known"
        )));
    }
    let mut notes = Vec::new();
    if without > 0 {
        notes.push(format!("no reception in {without} of {blocks} blocks"));
    }
    if unknown > 0 {
        notes.push(format!("{unknown} of {blocks} blocks are not understood"));
    }
    notes.extend(plausible::check(&mut fixes).map_err(Unread::NotUnderstood)?);
    Ok(Some(Track { fixes, notes }))
}

/// The payload of the box `gps `.
fn find(file: &mut (impl Read + Seek)) -> io::Result<Option<Found>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(movie) = Boxes::within(file, 0..length).find(*b"moov")? else {
        return Ok(None);
    };
    Boxes::within(file, movie.payload).find(*b"gps ")
}

/// The offsets at which blocks lie.
fn places(file: &mut (impl Read + Seek), index: &Found) -> Result<Vec<u64>, Unread> {
    let payload = index.payload.clone();
    let room = (payload.end - payload.start).saturating_sub(INDEX_HEAD) / INDEX_ENTRY;
    file.seek(SeekFrom::Start(payload.start))?;
    if payload.end - payload.start < INDEX_HEAD {
        return Ok(Vec::new());
    }
    let [_version, listed] = [word(file)?, word(file)?];
    let count = room.min(u64::from(listed));
    if count > MOST_BLOCKS {
        return Err(Unread::NotUnderstood(format!("it lists {count} blocks")));
    }
    let mut places = Vec::new();
    for _ in 0..count {
        let [offset, size] = [word(file)?, word(file)?];
        // Unused entries are zero.
        if offset != 0 && size != 0 {
            places.push(u64::from(offset));
        }
    }
    Ok(places)
}

fn word(file: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

/// The beginning of the block at an offset: nothing where the file has none.
fn block(file: &mut (impl Read + Seek), at: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::with_capacity(BLOCK);
    file.take(BLOCK as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
