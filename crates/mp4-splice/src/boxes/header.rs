// SPDX-License-Identifier: MPL-2.0

use super::byte_reader::ByteReader;

/// The type of a box, four characters.
pub type FourCc = [u8; 4];

/// The header of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: FourCc,
    /// Bytes of the header itself, 8 or 16.
    pub length: u64,
    /// Bytes of header and body together. `None` for a box that extends to the end of the file.
    pub size: Option<u64>,
}

impl Header {
    /// Parses the first bytes of a box. Returns `None` where these cannot be a header.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes);
        let (small, kind) = (reader.u32()?, reader.four_cc()?);
        let (length, size) = match small {
            0 => (8, None),
            1 => (16, Some(reader.u64()?)),
            size => (8, Some(size.into())),
        };
        size.is_none_or(|size| size >= length)
            .then_some(Self { kind, length, size })
    }

    /// Returns the header of a box of `size` bytes in all, in the 16-byte form if `wide`.
    pub fn to_bytes(kind: FourCc, size: u64, wide: bool) -> Vec<u8> {
        let small = if wide { 1 } else { size as u32 };
        let mut bytes = small.to_be_bytes().to_vec();
        bytes.extend(kind);
        if wide {
            bytes.extend(size.to_be_bytes());
        }
        bytes
    }
}

/// Returns a type as text: `moov`, `©too`.
pub fn name(kind: FourCc) -> String {
    kind.iter().map(|&byte| char::from(byte)).collect()
}
