// SPDX-License-Identifier: MPL-2.0

//! `blurdm restore`: files restored offline.

pub mod mp4;
