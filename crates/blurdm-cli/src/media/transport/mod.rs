// SPDX-License-Identifier: MPL-2.0

//! MPEG transport streams (ISO/IEC 13818-1).

mod continuous;
mod late_tables;
mod made_clock;
mod packets;
mod stamps;
mod tables;
mod timeline;

pub use continuous::{are_tables_moved, are_times_corrected, correct, lacks_clock};
pub use packets::{PACKET, Packet, Packets};
pub use tables::Tables;
