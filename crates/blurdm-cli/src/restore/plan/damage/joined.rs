// SPDX-License-Identifier: MPL-2.0

//! Recordings that were joined byte by byte. Demuxers of MP4, AVI, Matroska, ASF and FLV read only the first of them, without an
//! error. That of MP4 goes on with fragments.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::{asf, flash, fragments};
use crate::media::matroska::ebml::{HEADER, Place, SEGMENT};

/// More parts of a file than this are not looked at.
const MAX_PARTS: usize = 1 << 20;

/// Says what of a file is not read, if further recordings were joined to the first.
pub fn damage(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mp4 = next_mp4(&mut file, length).ok().flatten();
    let next = next_avi(&mut file).or_else(|_| next_matroska(&mut file)).ok().flatten();
    let next = next
        .or(mp4.map(|(next, _)| next))
        .or_else(|| asf::next_recording(path))
        .or_else(|| flash::next_recording(path));
    let bytes = length.checked_sub(next?)?;
    let read = match mp4 {
        // Their times overlap, and they are decoded with the parameters of the first.
        Some((_, true)) => "fragments of all are read as if they were of the first",
        _ => "only the first is read",
    };
    Some(format!(
        "is several recordings that were joined, and {read}: {bytes} bytes follow its end; restore them as files of their own, or join them with a program \
         that writes one recording"
    ))
}

/// Returns where the next recording begins. OpenDML continues one in further chunks of the form `AVIX`.
fn next_avi(file: &mut File) -> io::Result<Option<u64>> {
    if riff(file, 0)?.is_none_or(|(form, _)| &form != b"AVI ") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut start = 0;
    for _ in 0..MAX_PARTS {
        let Some((form, end)) = riff(file, start)? else { break };
        if start > 0 && &form == b"AVI " {
            return Ok(Some(start));
        }
        start = end;
    }
    Ok(None)
}

/// Returns the form of the RIFF chunk at `start`, and its end. `None` where there is none.
fn riff(file: &mut File, start: u64) -> io::Result<Option<([u8; 4], u64)>> {
    let mut bytes = Vec::with_capacity(12);
    file.seek(SeekFrom::Start(start))?;
    file.by_ref().take(12).read_to_end(&mut bytes)?;
    let [b'R', b'I', b'F', b'F', a, b, c, d, form @ ..] = &bytes[..] else {
        return Ok(None);
    };
    let size = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    let end = start.saturating_add(8 + size + size % 2);
    Ok(form.try_into().ok().map(|form| (form, end)))
}

/// Returns where the next recording begins: with a file type or an index behind the first index, since a file has one of each (ISO/IEC 14496-12, sections 4.3
/// and 8.2.1). And whether both have fragments.
fn next_mp4(file: &mut File, length: u64) -> io::Result<Option<(u64, bool)>> {
    let (mut at, mut has_index, mut has_fragments) = (0, false, false);
    let mut next = None;
    for _ in 0..MAX_PARTS {
        let Some(found) = (at < length)
            .then(|| fragments::header(file, at))
            .transpose()?
            .flatten()
        else {
            break;
        };
        match &found.kind {
            b"moof" if next.is_some() => return Ok(next.map(|next| (next, has_fragments))),
            b"moof" => has_fragments = true,
            b"ftyp" | b"moov" if has_index => next = next.or(Some(at)),
            b"moov" => has_index = true,
            _ => {}
        }
        // One without a size ends where the file does.
        let Some(size) = found.size else { break };
        at = at.saturating_add(size);
    }
    Ok(next.map(|next| (next, false)))
}

/// Returns where the next recording begins: with a header, or a segment, behind the first segment. One without a stated length ends where its elements do.
fn next_matroska(file: &mut File) -> io::Result<Option<u64>> {
    let header = Place::read(file, 0)?.filter(|header| header.id == HEADER);
    let Some(end) = header.and_then(|header| header.end) else {
        return Ok(None);
    };
    let segment = Place::read(file, end)?.filter(|segment| segment.id == SEGMENT);
    let mut start = segment.map(|segment| segment.end.unwrap_or(segment.body));
    for _ in 0..MAX_PARTS {
        let Some(found) = start.map(|start| Place::read(file, start)).transpose()?.flatten() else {
            break;
        };
        if found.id == HEADER || found.id == SEGMENT {
            return Ok(Some(found.start));
        }
        // A cluster of a live recording has no stated length either. Its elements follow.
        start = Some(found.end.unwrap_or(found.body));
    }
    Ok(None)
}
