// SPDX-License-Identifier: MPL-2.0

//! Elements: an id, a size and a body, which may be elements again.

use std::io::{self, Read, Seek, SeekFrom};

pub const HEADER: u32 = 0x1a45_dfa3;
pub const SEGMENT: u32 = 0x1853_8067;
pub const VOID: u32 = 0xec;

/// More elements than this before the one that is looked for are taken for damage.
const MAX_ELEMENTS: usize = 1 << 16;

/// Where an element is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub id: u32,
    pub start: u64,
    pub body: u64,
    /// `None` where its size is not stated.
    pub end: Option<u64>,
}

/// An element in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    pub id: u32,
    pub body: &'a [u8],
}

impl Place {
    /// Reads the id and the size of the element at `start`. `None` where there is none.
    ///
    /// # Errors
    /// Errors in reading.
    pub fn read(file: &mut (impl Read + Seek), start: u64) -> io::Result<Option<Self>> {
        let mut bytes = Vec::with_capacity(12);
        file.seek(SeekFrom::Start(start))?;
        file.by_ref().take(12).read_to_end(&mut bytes)?;
        let Some((id, size, length)) = header(&bytes) else {
            return Ok(None);
        };
        let body = start.saturating_add(length as u64);
        Ok(Some(Self {
            id,
            start,
            body,
            end: size.map(|size| body.saturating_add(size)),
        }))
    }

    /// Finds the first element with this id in the segment of a file, before the first element without a size.
    ///
    /// # Errors
    /// Errors in reading.
    pub fn find(file: &mut (impl Read + Seek), id: u32) -> io::Result<Option<Self>> {
        let header = Self::read(file, 0)?.filter(|header| header.id == HEADER);
        let Some(end) = header.and_then(|header| header.end) else {
            return Ok(None);
        };
        let segment = Self::read(file, end)?.filter(|segment| segment.id == SEGMENT);
        let mut next = segment.map(|segment| segment.body);
        for _ in 0..MAX_ELEMENTS {
            let Some(start) = next else { break };
            match Self::read(file, start)? {
                Some(found) if found.id == id => return Ok(Some(found)),
                found => next = found.and_then(|found| found.end),
            }
        }
        Ok(None)
    }
}

/// Returns the elements of a body, up to the first that is not whole.
pub fn children(body: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (id, size, length) = header(rest)?;
        let end = length.checked_add(usize::try_from(size?).ok()?)?;
        let body = rest.get(length..end)?;
        rest = &rest[end..];
        Some(Element { id, body })
    })
}

impl Element<'_> {
    /// Returns the body as a number. `None` for more than 8 bytes.
    pub fn number(&self) -> Option<u64> {
        let number = |number, &byte: &u8| number << 8 | u64::from(byte);
        (self.body.len() <= 8).then(|| self.body.iter().fold(0, number))
    }

    /// Appends the element to `bytes`, with its size in as few bytes as possible, and at least `width`.
    pub fn write(&self, width: usize, bytes: &mut Vec<u8>) {
        let id = self.id.to_be_bytes();
        let zeros = id.iter().take_while(|&&byte| byte == 0).count();
        bytes.extend(&id[zeros..]);
        let size = self.body.len() as u64;
        // All ones are a size that is not stated.
        let fits = |width: &usize| size < (1 << (7 * width)) - 1;
        let width = (width..8).find(fits).unwrap_or(8);
        let size = (size | 1 << (7 * width)).to_be_bytes();
        bytes.extend(&size[8 - width..]);
        bytes.extend(self.body);
    }
}

/// Returns the id of an element, its size if that is stated, and the length of both.
fn header(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_length).filter(|_| id_length <= 4)?;
    let id = id.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    // The number of leading zeros is the number of further bytes of the size.
    let first = *bytes.get(id_length)?;
    let length = first.leading_zeros() as usize + 1;
    let size = bytes.get(id_length..id_length + length).filter(|_| length <= 8)?;
    let size = size.iter().fold(0, |size, &byte| size << 8 | u64::from(byte));
    let unknown = (1 << (7 * length)) - 1;
    let size = size & unknown;
    Some((id, (size != unknown).then_some(size), id_length + length))
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read_whatever_the_width_of_its_size() {
        for length in [0, 1, 126, 127, 128, 16_382, 16_383, 70_000] {
            for width in [1, 2, 8] {
                let body = vec![7; length];
                let mut bytes = Vec::new();
                let element = Element {
                    id: 0x55aa,
                    body: &body,
                };
                element.write(width, &mut bytes);
                element.write(width, &mut bytes);
                assert_eq!(
                    children(&bytes).collect::<Vec<_>>(),
                    [element; 2],
                    "{length} in {width}"
                );
            }
        }
    }

    #[test]
    fn an_element_that_is_not_whole_is_none() {
        let mut bytes = Vec::new();
        Element { id: 0x88, body: &[1] }.write(1, &mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(children(&bytes[..end]).count(), 0);
        }
        for hostile in [
            &[0x00, 0x81, 1][..],
            &[0x88, 0x00, 1],
            &[0x88, 0xff],
            &[0x88, 0x01, 255, 255, 255, 255, 255, 255, 254],
        ] {
            assert_eq!(children(hostile).count(), 0);
        }
    }

    #[test]
    fn a_file_that_is_none_has_no_elements() {
        for bytes in [&b""[..], b"\x1a\x45\xdf\xa3", b"ftyp and so on"] {
            assert_eq!(Place::find(&mut io::Cursor::new(bytes), VOID).unwrap(), None);
        }
    }
}
