// SPDX-License-Identifier: MPL-2.0

//! Pixel layouts as views over borrowed memory, and the way to the RGBx frames that graphs take and back.

mod convert;
mod layout;

pub use convert::{Finish, Split, to_rgbx, write_restored};
pub use layout::{Layout, LayoutError, View, ViewMut};
