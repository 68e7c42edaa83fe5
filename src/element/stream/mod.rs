// SPDX-License-Identifier: MPL-2.0

//! What the streaming thread owns, from start to stop, and the way of one frame.
//!
//! [`buffer_check::check`] compares each buffer with the size that its caps and metas state before it is mapped. A frame without a thread of its
//! own goes [`transform::generate`] → [`buffers::with_pictures`] → [`deblurrers::Deblurrers::restore`] → the engine and back. With
//! `frames-in-flight=2` it goes [`transform::generate`] → [`in_flight::InFlight::submit`] → the thread of [`in_flight`] →
//! [`deblurrers::Deblurrers::submit`] → the engine, and comes back through [`in_flight::SubmittedFrame::collect`] when the next frame has
//! arrived. Before either, [`transform::decide`] asks [`adaptation`] how much of the work there is time for and [`lateness`] whether it is
//! worth it.
//!
//! The functions get what they need of the element as a [`context::Context`]. They run while the [`state::State`] is taken out of the
//! element, so that no lock is held while something is posted, pushed or run.

mod adaptation;
mod buffer_check;
mod buffers;
pub mod context;
#[cfg(feature = "cuda-memory")]
pub mod cuda_memory;
mod deblurrers;
mod failures;
pub mod formats;
mod in_flight;
mod lateness;
pub mod loading;
pub mod pool;
pub mod state;
pub mod transform;
mod video_meta;
