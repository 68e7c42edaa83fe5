// SPDX-License-Identifier: MPL-2.0

//! MPEG transport streams (ISO/IEC 13818-1): the number of a packet follows that of the packet before it in the same stream.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::kind::Damage;
use crate::media::transport::{PACKET, Packet, Packets};

/// Streams of numbers below this one are tables, which say what the file consists of. That of `NOTHING` is filled with nothing.
const FIRST_STREAM: u16 = 0x20;
const NOTHING: u16 = 0x1fff;

/// Returns what a file lacks. `None` where it is no transport stream as well.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut packets = Packets::open(path).ok()??;
    let mut counters = Counters::default();
    while let Some(packet) = packets.next().ok()? {
        counters.count(&packet);
    }
    let missing = (counters.missing > 0).then_some(Damage::Missing(counters.missing, "packets"));
    Damage::of_parts(&packets.unreadable)
        .or(missing)
        .or_else(|| cut(&packets.rest, &counters.streams))
}

/// Says that the file ends within a packet. What recorders append begins with the byte of a packet by chance, but hardly with the number of a stream as well.
fn cut(rest: &[u8], streams: &BTreeSet<u16>) -> Option<Damage> {
    let lacking = PACKET.checked_sub(rest.len()).filter(|_| !rest.is_empty())?;
    let is_packet = match rest {
        [_, high, low, ..] => streams.contains(&(u16::from_be_bytes([*high, *low]) & 0x1fff)),
        _ => true,
    };
    is_packet.then_some(Damage::Cut(lacking as u64))
}

/// The numbers of the last packets of all streams.
#[derive(Debug, Default)]
struct Counters {
    /// All streams that have a packet, be it without a payload, and so without a number.
    streams: BTreeSet<u16>,
    last: BTreeMap<u16, u8>,
    missing: usize,
}

impl Counters {
    fn count(&mut self, packet: &Packet) {
        if packet.is_faulty() {
            self.missing += 1;
            return;
        }
        let stream = packet.stream();
        self.streams.insert(stream);
        let Some(number) = packet.number().filter(|_| stream != NOTHING) else {
            return;
        };
        let last = self.last.insert(stream, number);
        let Some(last) = last.filter(|_| !packet.announces_discontinuity()) else {
            return;
        };
        let missing = number.wrapping_sub(last + 1) & 0x0f;
        // A packet may come twice, with the same number.
        if missing == 0 || number == last {
            return;
        }
        if stream < FIRST_STREAM {
            // Another recording is appended: it begins with its tables.
            self.last.retain(|&other, _| other == stream);
        } else {
            self.missing += usize::from(missing);
        }
    }
}
