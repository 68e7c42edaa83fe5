// SPDX-License-Identifier: MPL-2.0

#![doc = include_str!("../README.md")]

pub mod gpx;
pub mod novatek;
mod track;

pub use track::{Fix, Track};
