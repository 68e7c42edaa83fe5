// SPDX-License-Identifier: MPL-2.0

//! How long frames take, how long they may take, and what follows from that. Arithmetic on durations only: no function here asks a
//! clock, a pad or an element.
//!
//! The words, each with one meaning:
//!
//! * **cost**: how long the element takes to restore one frame, measured ([`stats`]).
//! * **interval**: the time from one frame to the next, which the caps or the buffers state.
//! * **load**: the cost as a share of the interval, or how much too slow a sink says that everything before it is ([`adaptive`]).
//! * **level**: how much of the work a frame gets: its working scale, and how many frames share one prior ([`adaptive`]).
//! * **latency**: what the element adds to the answer to a LATENCY query: the cost, and the time that a frame in flight waits for the
//!   next one ([`latency`]).
//! * **lateness**: by how much a frame that is restored now would miss the time at which it is shown ([`deadline`]).
//! * **blocked downstream**: the time that the streaming thread spends in the push of a frame, where a sink without a queue before it
//!   waits for the clock ([`blocked_downstream`]).

pub mod adaptive;
pub mod blocked_downstream;
pub mod deadline;
pub mod latency;
pub mod stats;
