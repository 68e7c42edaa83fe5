// SPDX-License-Identifier: MPL-2.0

//! Packed RGB frames in memory, with rows that may be padded.

use thiserror::Error;

/// A packed 8-bit RGB layout: the number of bytes of a pixel, and the positions of red, green and blue in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    bytes: usize,
    rgb: [usize; 3],
    fourth: Option<usize>,
}

impl Layout {
    /// RGBx and RGBA, which the graphs take.
    pub const RGBX: Self = Self {
        bytes: 4,
        rgb: [0, 1, 2],
        fourth: Some(3),
    };
    /// BGRx and BGRA.
    pub const BGRX: Self = Self {
        bytes: 4,
        rgb: [2, 1, 0],
        fourth: Some(3),
    };
    pub const XRGB: Self = Self {
        bytes: 4,
        rgb: [1, 2, 3],
        fourth: Some(0),
    };
    pub const RGB: Self = Self {
        bytes: 3,
        rgb: [0, 1, 2],
        fourth: None,
    };
    pub const BGR: Self = Self {
        bytes: 3,
        rgb: [2, 1, 0],
        fourth: None,
    };

    /// Returns the number of bytes of a pixel, 3 or 4.
    pub fn bytes(self) -> usize {
        self.bytes
    }

    /// Returns the positions of red, green and blue in a pixel.
    pub(super) fn rgb(self) -> [usize; 3] {
        self.rgb
    }

    /// Returns the position of the byte that is neither red, green nor blue.
    pub(super) fn fourth(self) -> Option<usize> {
        self.fourth
    }
}

/// The data is too short for a frame, or its rows are.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "a frame of {width}x{height} with {pixel} bytes a pixel and rows of {stride} bytes does not fit into {length} bytes"
)]
pub struct LayoutError {
    width: usize,
    height: usize,
    pixel: usize,
    stride: usize,
    length: usize,
}

fn check(length: usize, layout: Layout, width: usize, height: usize, stride: usize) -> Result<(), LayoutError> {
    let row = width * layout.bytes;
    let needed = height.checked_sub(1).map_or(0, |rows| rows * stride + row);
    if width == 0 || height == 0 || stride < row || length < needed {
        return Err(LayoutError {
            width,
            height,
            pixel: layout.bytes,
            stride,
            length,
        });
    }
    Ok(())
}

/// A frame to read: rows of `stride` bytes, of which the first `width` pixels belong to the frame.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    data: &'a [u8],
    layout: Layout,
    width: usize,
    height: usize,
    stride: usize,
}

impl<'a> View<'a> {
    /// Creates a view.
    ///
    /// # Errors
    /// [`LayoutError`] when the rows are shorter than their pixels, or the data shorter than the rows.
    pub fn new(
        data: &'a [u8],
        layout: Layout,
        width: usize,
        height: usize,
        stride: usize,
    ) -> Result<Self, LayoutError> {
        check(data.len(), layout, width, height, stride)?;
        Ok(Self {
            data,
            layout,
            width,
            height,
            stride,
        })
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the rows from top to bottom, without padding.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let row = self.width * self.layout.bytes;
        self.data
            .chunks(self.stride)
            .take(self.height)
            .map(move |line| &line[..row])
    }

    /// Returns the frame's memory if it is RGBx without row padding, and thus a tensor.
    pub fn as_tensor(&self) -> Option<&'a [u8]> {
        let row = self.width * self.layout.bytes;
        (self.layout == Layout::RGBX && self.stride == row).then(|| &self.data[..row * self.height])
    }
}

/// A frame to write, as [`View`].
#[derive(Debug)]
pub struct ViewMut<'a> {
    data: &'a mut [u8],
    layout: Layout,
    width: usize,
    height: usize,
    stride: usize,
}

impl<'a> ViewMut<'a> {
    /// Creates a view.
    ///
    /// # Errors
    /// As [`View::new`].
    pub fn new(
        data: &'a mut [u8],
        layout: Layout,
        width: usize,
        height: usize,
        stride: usize,
    ) -> Result<Self, LayoutError> {
        check(data.len(), layout, width, height, stride)?;
        Ok(Self {
            data,
            layout,
            width,
            height,
            stride,
        })
    }

    /// Returns the rows from top to bottom, without padding.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let row = self.width * self.layout.bytes;
        self.data
            .chunks_mut(self.stride)
            .take(self.height)
            .map(move |line| &mut line[..row])
    }

    /// Returns the frame's memory if it is RGBx without row padding, and thus a tensor.
    pub fn as_tensor_mut(&mut self) -> Option<&mut [u8]> {
        let row = self.width * self.layout.bytes;
        (self.layout == Layout::RGBX && self.stride == row).then(|| &mut self.data[..row * self.height])
    }
}
