// SPDX-License-Identifier: MPL-2.0

//! What `blurdm restore` promises to someone with a folder of clips.

// A test fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod all_videos;
mod both_eyes;
mod broadcasts;
mod changes;
mod choices;
mod clips;
mod colour;
#[path = "../common/mod.rs"]
mod common;
mod containers;
mod damaged;
mod frame_order;
mod isolated;
mod joined;
mod kept;
mod labels;
mod laced;
mod losses;
mod pictures;
mod proven;
mod refused;
mod replaced;
mod resumed;
mod sounds;
mod times;
mod upright;
mod videos;
