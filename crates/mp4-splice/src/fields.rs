// SPDX-License-Identifier: MPL-2.0

//! Big-endian numbers in the bytes of a box, each read checked against what is left.

use super::boxes::Kind;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn kind(&mut self) -> Option<Kind> {
        self.array()
    }

    /// Version and flags, which most boxes begin with.
    pub fn version_and_flags(&mut self) -> Option<(u8, u32)> {
        let both = self.u32()?;
        Some(((both >> 24) as u8, both & 0x00ff_ffff))
    }

    /// A 32-bit count and as many entries of `width` bytes. None where the count promises more than there is.
    pub fn entries(&mut self, width: usize) -> Option<impl ExactSizeIterator<Item = Fields<'a>> + use<'a>> {
        let count = self.u32()? as usize;
        let bytes = self.bytes(count.checked_mul(width)?)?;
        Some(bytes.chunks_exact(width).map(Fields))
    }
}
