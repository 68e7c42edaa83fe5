// SPDX-License-Identifier: MPL-2.0

//! YCbCr and grey frames in memory: planes of values, with rows that may be padded.

use super::coding::Coding;

/// How the colour differences are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chroma {
    /// Not at all: a grey frame.
    None,
    /// In planes of their own, of half the width and height (4:2:0).
    Planar,
    /// In planes of their own, of half the width (4:2:2).
    PlanarHalved,
    /// In planes of their own, one value for each pixel (4:4:4).
    PlanarFull,
    /// In one plane of pairs, of half the width and height (4:2:0).
    Interleaved,
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    Eight,
    /// In the lower bits of 16, little-endian.
    Ten,
    /// In the upper bits of 16, little-endian.
    TenHigh,
    /// In the lower bits of 16, little-endian.
    Twelve,
}

/// A layout of planes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YuvLayout {
    pub chroma: Chroma,
    pub depth: Depth,
}

impl YuvLayout {
    pub const GRAY8: Self = Self::new(Chroma::None, Depth::Eight);
    pub const I420: Self = Self::new(Chroma::Planar, Depth::Eight);
    pub const NV12: Self = Self::new(Chroma::Interleaved, Depth::Eight);
    pub const Y42B: Self = Self::new(Chroma::PlanarHalved, Depth::Eight);
    pub const Y444: Self = Self::new(Chroma::PlanarFull, Depth::Eight);
    pub const I420_10LE: Self = Self::new(Chroma::Planar, Depth::Ten);
    pub const I422_10LE: Self = Self::new(Chroma::PlanarHalved, Depth::Ten);
    pub const Y444_10LE: Self = Self::new(Chroma::PlanarFull, Depth::Ten);
    pub const I420_12LE: Self = Self::new(Chroma::Planar, Depth::Twelve);
    pub const I422_12LE: Self = Self::new(Chroma::PlanarHalved, Depth::Twelve);
    pub const Y444_12LE: Self = Self::new(Chroma::PlanarFull, Depth::Twelve);
    pub const P010_10LE: Self = Self::new(Chroma::Interleaved, Depth::TenHigh);

    const fn new(chroma: Chroma, depth: Depth) -> Self {
        Self { chroma, depth }
    }

    pub fn planes(self) -> usize {
        match self.chroma {
            Chroma::None => 1,
            Chroma::Interleaved => 2,
            Chroma::Planar | Chroma::PlanarHalved | Chroma::PlanarFull => 3,
        }
    }

    /// Returns the number of bytes of a value.
    fn value_bytes(self) -> usize {
        match self.depth {
            Depth::Eight => 1,
            Depth::Ten | Depth::TenHigh | Depth::Twelve => 2,
        }
    }

    pub(super) fn bits(self) -> u32 {
        match self.depth {
            Depth::Eight => 8,
            Depth::Ten | Depth::TenHigh => 10,
            Depth::Twelve => 12,
        }
    }

    /// Returns the number of columns, and of rows, that share a colour difference.
    pub(super) fn subsampling(self) -> (usize, usize) {
        match self.chroma {
            Chroma::None | Chroma::Planar | Chroma::Interleaved => (2, 2),
            Chroma::PlanarHalved => (2, 1),
            Chroma::PlanarFull => (1, 1),
        }
    }

    /// Returns the number of bytes of a row, and the number of rows, of a plane of a frame.
    pub fn plane(self, plane: usize, width: usize, height: usize) -> (usize, usize) {
        let (across, down) = self.subsampling();
        let (columns, rows) = (width.div_ceil(across), height.div_ceil(down));
        match (plane, self.chroma) {
            (0, _) => (width * self.value_bytes(), height),
            (_, Chroma::Interleaved) => (2 * columns * self.value_bytes(), rows),
            _ => (columns * self.value_bytes(), rows),
        }
    }
}

/// A plane is too short for a frame, or its rows are.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("plane {plane} of a frame of {width}x{height} with rows of {stride} bytes does not fit into {length} bytes")]
pub struct PlaneError {
    plane: usize,
    width: usize,
    height: usize,
    stride: usize,
    length: usize,
}

/// The bytes of a plane, and its stride in bytes.
pub type Plane<'a> = (&'a [u8], usize);
pub type PlaneMut<'a> = (&'a mut [u8], usize);

/// A frame to read. Planes beyond those of the layout are ignored.
#[derive(Debug, Clone, Copy)]
pub struct YuvView<'a> {
    planes: [Plane<'a>; 3],
    pub(super) layout: YuvLayout,
    pub(super) coding: Coding,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// A frame to write, with the layout and coding of the frame that it is made from.
#[derive(Debug)]
pub struct YuvViewMut<'a> {
    planes: [PlaneMut<'a>; 3],
    layout: YuvLayout,
    width: usize,
    height: usize,
}

fn check(planes: [(usize, usize); 3], layout: YuvLayout, width: usize, height: usize) -> Result<(), PlaneError> {
    for (plane, (length, stride)) in planes.into_iter().take(layout.planes()).enumerate() {
        let (row, rows) = layout.plane(plane, width, height);
        let needed = rows.checked_sub(1).map_or(0, |rows| rows * stride + row);
        if width == 0 || height == 0 || stride < row || length < needed {
            return Err(PlaneError {
                plane,
                width,
                height,
                stride,
                length,
            });
        }
    }
    Ok(())
}

impl<'a> YuvView<'a> {
    /// Creates a view.
    ///
    /// # Errors
    /// [`PlaneError`] when rows are shorter than their values, or a plane shorter than its rows.
    pub fn new(
        planes: [Plane<'a>; 3],
        layout: YuvLayout,
        coding: Coding,
        width: usize,
        height: usize,
    ) -> Result<Self, PlaneError> {
        check(planes.map(|(data, stride)| (data.len(), stride)), layout, width, height)?;
        Ok(Self {
            planes,
            layout,
            coding,
            width,
            height,
        })
    }

    /// Returns a row of a plane, without padding.
    pub(super) fn row(&self, plane: usize, row: usize) -> &'a [u8] {
        if plane >= self.layout.planes() {
            return &[];
        }
        let (data, stride) = self.planes[plane];
        let (bytes, _) = self.layout.plane(plane, self.width, self.height);
        &data[row * stride..][..bytes]
    }
}

impl<'a> YuvViewMut<'a> {
    /// Creates a view.
    ///
    /// # Errors
    /// As [`YuvView::new`].
    pub fn new(planes: [PlaneMut<'a>; 3], layout: YuvLayout, width: usize, height: usize) -> Result<Self, PlaneError> {
        let lengths = [0, 1, 2].map(|i| (planes[i].0.len(), planes[i].1));
        check(lengths, layout, width, height)?;
        Ok(Self {
            planes,
            layout,
            width,
            height,
        })
    }

    pub(super) fn row_mut(&mut self, plane: usize, row: usize) -> &mut [u8] {
        if plane >= self.layout.planes() {
            return &mut [];
        }
        let (bytes, _) = self.layout.plane(plane, self.width, self.height);
        let (data, stride) = &mut self.planes[plane];
        &mut data[row * *stride..][..bytes]
    }

    /// Copies the original.
    pub fn copy(&mut self, original: &YuvView<'_>) {
        for plane in 0..self.layout.planes() {
            let (_, rows) = self.layout.plane(plane, self.width, self.height);
            for row in 0..rows {
                self.row_mut(plane, row).copy_from_slice(original.row(plane, row));
            }
        }
    }
}
