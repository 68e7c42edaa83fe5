// SPDX-License-Identifier: MPL-2.0

//! Finding a box of an ISO base media file (ISO/IEC 14496-12, section 4.2) by its type.

use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

/// The greatest number of boxes at one level that is searched.
const MAX_BOXES: usize = 1 << 16;

/// The boxes in a range of a file.
pub struct Boxes<'a, F> {
    file: &'a mut F,
    /// The range that has not been searched.
    rest: Range<u64>,
}

impl<'a, F: Read + Seek> Boxes<'a, F> {
    pub fn new(file: &'a mut F, range: Range<u64>) -> Self {
        Self { file, rest: range }
    }

    /// Returns the payload of the first box of this type. `None` if there is none before the end, or before a header that is invalid.
    pub fn find(mut self, kind: [u8; 4]) -> io::Result<Option<Range<u64>>> {
        for _ in 0..MAX_BOXES {
            let Some((found, payload)) = self.next()? else {
                return Ok(None);
            };
            if found == kind {
                return Ok(Some(payload));
            }
        }
        Ok(None)
    }

    fn next(&mut self) -> io::Result<Option<([u8; 4], Range<u64>)>> {
        let start = self.rest.start;
        if start.checked_add(8).is_none_or(|head| head > self.rest.end) {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(start))?;
        let (size, kind) = (self.bytes()?, self.bytes()?);
        let (head, size) = match u32::from_be_bytes(size) {
            // The box extends to the end.
            0 => (8, self.rest.end - start),
            // A 64-bit size follows.
            1 if self.rest.end - start >= 16 => (16, u64::from_be_bytes(self.bytes()?)),
            size => (8, u64::from(size)),
        };
        let end = start
            .checked_add(size)
            .filter(|end| size >= head && *end <= self.rest.end);
        let Some(end) = end else { return Ok(None) };
        self.rest.start = end;
        Ok(Some((kind, start + head..end)))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
