// SPDX-License-Identifier: MPL-2.0

//! A frame of any layout, as the engine's callers see it.

use super::{Finish, View, ViewMut, YuvView, YuvViewMut, convert, write_restored, write_restored_yuv, yuv_to_rgbx};

/// A frame to read.
#[derive(Debug, Clone, Copy)]
pub enum Picture<'a> {
    Packed(View<'a>),
    Yuv(YuvView<'a>),
}

/// A frame to write.
#[derive(Debug)]
pub enum PictureMut<'a> {
    Packed(ViewMut<'a>),
    Yuv(YuvViewMut<'a>),
}

impl<'a> Picture<'a> {
    /// The frame itself, if it is a tensor as it lies.
    pub fn as_tensor(&self) -> Option<&'a [u8]> {
        match self {
            Self::Packed(view) => view.as_tensor(),
            Self::Yuv(_) => None,
        }
    }

    /// Copies the frame into tight RGBx, which holds width x height x 4 bytes.
    pub fn to_rgbx(&self, rgbx: &mut [u8]) {
        match self {
            Self::Packed(view) => convert::to_rgbx(*view, rgbx),
            Self::Yuv(view) => yuv_to_rgbx(view, rgbx),
        }
    }
}

impl PictureMut<'_> {
    /// The frame itself, if it is a tensor as it lies.
    pub fn as_tensor_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Packed(view) => view.as_tensor_mut(),
            Self::Yuv(_) => None,
        }
    }

    /// Writes the restored frame: `rgbx` is what [`Picture::to_rgbx`] made of `original`, which has this frame's layout and size.
    ///
    /// # Panics
    /// If the layouts differ: both are those of the same caps.
    pub fn write_restored(&mut self, original: &Picture<'_>, rgbx: &[u8], restored: &[u8], finish: Finish) {
        match (original, self) {
            (Picture::Packed(original), Self::Packed(out)) => write_restored(*original, restored, finish, out),
            (Picture::Yuv(original), Self::Yuv(out)) => write_restored_yuv(original, rgbx, restored, finish, out),
            _ => unreachable!("a frame goes out in the layout that it came in"),
        }
    }

    /// The original as it is.
    ///
    /// # Panics
    /// As [`PictureMut::write_restored`].
    pub fn copy(&mut self, original: &Picture<'_>) {
        match (original, self) {
            (Picture::Packed(original), Self::Packed(out)) => {
                for (from, to) in original.rows().zip(out.rows_mut()) {
                    to.copy_from_slice(from);
                }
            }
            (Picture::Yuv(original), Self::Yuv(out)) => out.copy(original),
            _ => unreachable!("a frame goes out in the layout that it came in"),
        }
    }
}
