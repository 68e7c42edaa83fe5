// SPDX-License-Identifier: MPL-2.0

//! Big-endian numbers in the bytes of a box. Every read is checked against what is left.

/// Reads fields from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub struct ByteReader<'a>(&'a [u8]);

impl<'a> ByteReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns what has not been read yet.
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

    pub fn four_cc(&mut self) -> Option<[u8; 4]> {
        self.array()
    }

    /// Reads version and flags, with which most boxes begin.
    pub fn version_and_flags(&mut self) -> Option<(u8, u32)> {
        let both = self.u32()?;
        Some(((both >> 24) as u8, both & 0x00ff_ffff))
    }

    /// Reads a 32-bit count and that many entries of `width` bytes. Returns `None` where fewer bytes are left than that.
    pub fn entries(&mut self, width: usize) -> Option<impl ExactSizeIterator<Item = ByteReader<'a>> + use<'a>> {
        let count = self.u32()? as usize;
        let bytes = self.bytes(count.checked_mul(width)?)?;
        Some(bytes.chunks_exact(width).map(ByteReader))
    }
}
