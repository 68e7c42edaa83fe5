// SPDX-License-Identifier: MPL-2.0

//! `blurdm restore`: footage from files to files.

mod gpx;
mod inputs;
mod novatek;
mod report;
mod sharpness;
