// SPDX-License-Identifier: MPL-2.0

//! Reading the positions of dash cams with Novatek chips. The box `gps ` in `moov` lists the offsets of blocks, one per second, each a box
//! `free` whose content begins with `GPS `.

mod boxes;
mod layout;
mod plausibility;

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

use crate::Track;
use boxes::Boxes;
use layout::Block;

/// Why the GPS data of a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("its GPS data cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("its GPS data is not understood: {0}")]
    Unsupported(String),
}

/// The greatest number of blocks, which is that of a day. No camera writes files with more.
const MAX_BLOCKS: u64 = 24 * 60 * 60;
/// Bytes of a block that are read. All known layouts are within.
const BLOCK: usize = 192;
/// Bytes of version and number of blocks, before the entries.
const INDEX_HEAD: u64 = 8;
/// Bytes of an entry: offset and size, big-endian with four bytes each.
const INDEX_ENTRY: u64 = 8;

/// Reads the positions of a file. `None` if it is not an MP4 or MOV file, or has no such data. A track without fixes means that the camera
/// had no reception.
///
/// # Errors
/// [`Error::Io`]. [`Error::Unsupported`] for positions in an unknown layout, or that contradict the speeds.
pub fn track(file: &Path) -> Result<Option<Track>, Error> {
    read(&mut BufReader::new(File::open(file)?))
}

/// As [`track`], for an open file or for bytes in memory.
///
/// # Errors
/// As [`track`].
pub fn read(file: &mut (impl Read + Seek)) -> Result<Option<Track>, Error> {
    let Some(index) = find_index(file)? else {
        return Ok(None);
    };
    let mut fixes = Vec::new();
    let (mut blocks, mut without, mut unknown) = (0_usize, 0_usize, 0_usize);
    for offset in block_offsets(file, index)? {
        blocks += 1;
        match layout::read(&read_block(file, offset)?) {
            Block::Fix(fix) if fixes.last() == Some(&fix) => {}
            Block::Fix(fix) => fixes.push(fix),
            Block::NoFix => without += 1,
            Block::Unknown => unknown += 1,
        }
    }
    if unknown > 0 && fixes.is_empty() {
        return Err(Error::Unsupported(format!(
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
    notes.extend(plausibility::check(&mut fixes).map_err(Error::Unsupported)?);
    Ok(Some(Track { fixes, notes }))
}

/// Returns the payload of the box `gps `.
fn find_index(file: &mut (impl Read + Seek)) -> io::Result<Option<Range<u64>>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(movie) = Boxes::new(file, 0..length).find(*b"moov")? else {
        return Ok(None);
    };
    Boxes::new(file, movie).find(*b"gps ")
}

/// Returns the offsets of the blocks.
fn block_offsets(file: &mut (impl Read + Seek), index: Range<u64>) -> Result<Vec<u64>, Error> {
    let size = index.end - index.start;
    if size < INDEX_HEAD {
        return Ok(Vec::new());
    }
    let capacity = (size - INDEX_HEAD) / INDEX_ENTRY;
    file.seek(SeekFrom::Start(index.start))?;
    let [_version, listed] = [word(file)?, word(file)?];
    let count = capacity.min(u64::from(listed));
    if count > MAX_BLOCKS {
        return Err(Error::Unsupported(format!("it lists {count} blocks")));
    }
    let mut offsets = Vec::new();
    for _ in 0..count {
        let [offset, size] = [word(file)?, word(file)?];
        // Unused entries are zero.
        if offset != 0 && size != 0 {
            offsets.push(u64::from(offset));
        }
    }
    Ok(offsets)
}

fn word(file: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

/// Reads the start of the block at an offset. Empty beyond the end of the file.
fn read_block(file: &mut (impl Read + Seek), offset: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(BLOCK);
    file.take(BLOCK as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
