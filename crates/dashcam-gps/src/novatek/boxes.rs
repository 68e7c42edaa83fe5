// SPDX-License-Identifier: MPL-2.0

//! The boxes of an ISO base media file (ISO/IEC 14496-12, 4.2), as far as one is to be found by its name.

use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

/// A file that has more boxes at one level was made to keep us busy.
const MOST_BOXES: usize = 1 << 16;

pub struct Boxes<'a, F> {
    file: &'a mut F,
    within: Range<u64>,
}

#[derive(Debug)]
pub struct Found {
    pub payload: Range<u64>,
}

impl<'a, F: Read + Seek> Boxes<'a, F> {
    pub fn within(file: &'a mut F, within: Range<u64>) -> Self {
        Self { file, within }
    }

    /// The first box of this name. None if there is none before the boxes end or make no sense.
    pub fn find(mut self, name: [u8; 4]) -> io::Result<Option<Found>> {
        for _ in 0..MOST_BOXES {
            let Some((found, payload)) = self.next()? else {
                return Ok(None);
            };
            if found == name {
                return Ok(Some(Found { payload }));
            }
        }
        Ok(None)
    }

    fn next(&mut self) -> io::Result<Option<([u8; 4], Range<u64>)>> {
        let start = self.within.start;
        if start.checked_add(8).is_none_or(|head| head > self.within.end) {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(start))?;
        let (size, name) = (self.bytes()?, self.bytes()?);
        let (head, size) = match u32::from_be_bytes(size) {
            // To the end of what it lies in.
            0 => (8, self.within.end - start),
            // The size does not fit into 32 bits.
            1 if self.within.end - start >= 16 => (16, u64::from_be_bytes(self.bytes()?)),
            size => (8, u64::from(size)),
        };
        let end = start
            .checked_add(size)
            .filter(|end| size >= head && *end <= self.within.end);
        let Some(end) = end else { return Ok(None) };
        self.within.start = end;
        Ok(Some((name, start + head..end)))
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
