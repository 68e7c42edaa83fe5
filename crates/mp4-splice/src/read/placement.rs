// SPDX-License-Identifier: MPL-2.0

//! How players place the pictures of a track: turned, mirrored, scaled. ISO/IEC 14496-12, sections 8.2.2 and 8.3.2.

use std::ops::Range;

use crate::boxes::ByteReader;

/// A transformation `a b u, c d v, x y w` by which a point `(p, q, 1)` of the picture is multiplied from the right. The third of each three is in 2.30, the others
/// are in 16.16. The vertical axis points down.
pub type Matrix = [i32; 9];

/// The fields at the end of a track header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    pub matrix: Matrix,
    /// Size at which pictures are shown before the matrix applies, in pixels as 16.16.
    pub width: u32,
    pub height: u32,
}

impl Placement {
    pub(super) fn read(tkhd: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(tkhd.get(Self::range(tkhd)?)?);
        Some(Self {
            matrix: matrix(&mut reader)?,
            width: reader.u32()?,
            height: reader.u32()?,
        })
    }

    /// Returns where the fields are in the content of a track header, which begins with these bytes.
    pub(crate) fn range(tkhd: &[u8]) -> Option<Range<usize>> {
        // Version and flags; times, id and duration; layer, group and volume.
        let start = if tkhd.first()? == &1 { 52 } else { 40 };
        Some(start..start + 44)
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let matrix = self.matrix.into_iter().flat_map(i32::to_be_bytes);
        let size = [self.width, self.height].into_iter().flat_map(u32::to_be_bytes);
        matrix.chain(size).collect()
    }
}

/// Returns the matrix in the content of a movie header.
pub fn movie_matrix(mvhd: &[u8]) -> Option<Matrix> {
    let mut reader = ByteReader::new(mvhd);
    let (version, _) = reader.version_and_flags()?;
    // Times, timescale and duration; rate, volume and reserved fields.
    reader.bytes(if version == 1 { 28 } else { 16 } + 16)?;
    matrix(&mut reader)
}

fn matrix(reader: &mut ByteReader) -> Option<Matrix> {
    let mut matrix = [0; 9];
    for field in &mut matrix {
        *field = reader.i32()?;
    }
    Some(matrix)
}
