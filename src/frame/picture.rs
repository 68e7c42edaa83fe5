// SPDX-License-Identifier: MPL-2.0

//! A frame of any layout.

use super::{
    convert::{self, write_restored},
    finish::Finish,
    layout::{View, ViewMut},
    planes::{YuvView, YuvViewMut},
    yuv::{write_restored_yuv, yuv_to_rgbx},
};

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
    /// Returns the frame's memory if it is a tensor.
    pub fn as_tensor(&self) -> Option<&'a [u8]> {
        match self {
            Self::Packed(view) => view.as_tensor(),
            Self::Yuv(_) => None,
        }
    }

    /// Copies the frame into RGBx without row padding. `rgbx` has width x height x 4 bytes.
    pub fn to_rgbx(&self, rgbx: &mut [u8]) {
        match self {
            Self::Packed(view) => convert::to_rgbx(*view, rgbx),
            Self::Yuv(view) => yuv_to_rgbx(view, rgbx),
        }
    }
}

impl PictureMut<'_> {
    /// Returns the frame's memory if it is a tensor.
    pub fn as_tensor_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Packed(view) => view.as_tensor_mut(),
            Self::Yuv(_) => None,
        }
    }

    /// Writes the restored frame. `original` has this frame's layout and size, and `rgbx` is the result of its
    /// [`Picture::to_rgbx`].
    ///
    /// # Panics
    /// If the layouts differ. Callers create both from the same caps.
    pub fn write_restored(&mut self, original: &Picture<'_>, rgbx: &[u8], restored: &[u8], finish: Finish) {
        match (original, self) {
            (Picture::Packed(original), Self::Packed(out)) => write_restored(*original, restored, finish, out),
            (Picture::Yuv(original), Self::Yuv(out)) => write_restored_yuv(original, rgbx, restored, finish, out),
            _ => unreachable!("both frames have the layout of the same caps"),
        }
    }

    /// Copies the original.
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
            _ => unreachable!("both frames have the layout of the same caps"),
        }
    }
}
