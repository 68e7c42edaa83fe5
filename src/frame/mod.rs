// SPDX-License-Identifier: MPL-2.0

//! Pixel layouts as views over borrowed memory, and their conversion to the RGBx frames that the graphs take and back.

mod coding;
mod convert;
mod finish;
mod layout;
mod picture;
mod planes;
mod scale;
mod yuv;

pub use coding::Coding;
pub use convert::{to_rgbx, write_restored};
pub use finish::{Finish, Split};
pub use layout::{Layout, LayoutError, View, ViewMut};
pub use picture::{Picture, PictureMut};
pub use planes::{Chroma, Depth, Plane, PlaneError, PlaneMut, YuvLayout, YuvView, YuvViewMut};
pub use scale::{REDUCTIONS, add_change, reduce, reduced_side};
pub use yuv::{write_restored_yuv, yuv_to_rgbx};
