// SPDX-License-Identifier: MPL-2.0

//! Changing how the pictures of a track are placed, in a file that is written already.

use std::{
    fs::OpenOptions,
    io::{Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
};

use crate::{
    Error, Placement, ReadAt,
    boxes::{ByteReader, FourCc, Header},
};

/// Overwrites how players place the pictures of track `id` in the file at `path`. All other bytes stay as they are.
///
/// # Errors
/// [`Error::Read`] and [`Error::Write`]; [`Error::Damaged`] where the file has no such track.
pub fn place(path: &Path, id: u32, placement: &Placement) -> Result<(), Error> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| Error::read(path, error))?;
    let size = file.metadata().map_err(|error| Error::read(path, error))?.len();
    let at = find(&file, size, id).map_err(|error| Error::read(path, error))?;
    let at = at.ok_or_else(|| Error::damaged(path, format!("it has no header of a track {id}")))?;
    file.seek(SeekFrom::Start(at))
        .and_then(|_| file.write_all(&placement.to_bytes()))
        .map_err(Error::Write)
}

/// Returns where the fields of the track are in the file.
fn find(file: &impl ReadAt, size: u64, id: u32) -> std::io::Result<Option<u64>> {
    for moov in boxes(file, 0..size, b"moov")? {
        for trak in boxes(file, moov, b"trak")? {
            for tkhd in boxes(file, trak, b"tkhd")? {
                let mut start = [0; 24];
                if tkhd.end - tkhd.start < start.len() as u64 {
                    continue;
                }
                file.read_at(tkhd.start, &mut start)?;
                let fields = Placement::range(&start).filter(|_| track_id(&start) == Some(id));
                let fields = fields.filter(|fields| fields.end as u64 <= tkhd.end - tkhd.start);
                if let Some(fields) = fields {
                    return Ok(Some(tkhd.start + fields.start as u64));
                }
            }
        }
    }
    Ok(None)
}

fn track_id(tkhd: &[u8]) -> Option<u32> {
    let mut reader = ByteReader::new(tkhd);
    let (version, _) = reader.version_and_flags()?;
    reader.bytes(if version == 1 { 16 } else { 8 })?;
    reader.u32()
}

/// Returns the content of all boxes of this type that lie directly in a part of the file.
fn boxes(file: &impl ReadAt, part: Range<u64>, kind: &FourCc) -> std::io::Result<Vec<Range<u64>>> {
    let (mut found, mut at) = (Vec::new(), part.start);
    while at + 8 <= part.end {
        let mut bytes = [0; 16];
        let available = (part.end - at).min(16) as usize;
        file.read_at(at, &mut bytes[..available])?;
        let Some(header) = Header::parse(&bytes[..available]) else {
            break;
        };
        let end = header.size.map_or(Some(part.end), |size| at.checked_add(size));
        let Some(end) = end.filter(|&end| end <= part.end) else {
            break;
        };
        if &header.kind == kind {
            found.push(at + header.length..end);
        }
        at = end;
    }
    Ok(found)
}
