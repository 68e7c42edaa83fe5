// SPDX-License-Identifier: MPL-2.0

//! Packets of MPEG transport streams (ISO/IEC 13818-1): all have one size, and begin with the same byte.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::Path,
};

const SYNC: u8 = 0x47;
pub const PACKET: usize = 188;

/// Sizes of packets, and what is stored before the byte that each begins with: as they are broadcast, with a time in front as in AVCHD, and with
/// check bytes behind.
const LAYOUTS: [(usize, usize); 3] = [(PACKET, 0), (192, 4), (204, 0)];

/// So many packets in a row tell that a file is a transport stream, or where it goes on.
const SURE: usize = 5;

/// How many bytes are read at once.
const WINDOW: usize = 1 << 18;

/// A packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    pub(super) bytes: [u8; PACKET],
    /// Where it is in the file.
    pub(super) position: u64,
}

impl Packet {
    /// Returns the number of its stream (PID).
    pub fn stream(&self) -> u16 {
        u16::from_be_bytes([self.bytes[1], self.bytes[2]]) & 0x1fff
    }

    /// Whether the receiver has found it faulty, and stored it.
    pub fn is_faulty(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// Whether a unit begins in it: a frame, or a table.
    pub fn begins_unit(&self) -> bool {
        self.bytes[1] & 0x40 != 0
    }

    /// Returns its number among those of the stream, modulo 16, if it has a payload.
    pub fn number(&self) -> Option<u8> {
        (self.bytes[3] & 0x10 != 0).then_some(self.bytes[3] & 0x0f)
    }

    /// Whether it says that its number does not follow the one before.
    pub fn announces_discontinuity(&self) -> bool {
        self.has_adaptation() && self.bytes[4] > 0 && self.bytes[5] & 0x80 != 0
    }

    /// Whether it says that decoding may begin with it.
    pub fn allows_access(&self) -> bool {
        self.has_adaptation() && self.bytes[4] > 0 && self.bytes[5] & 0x40 != 0
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub fn payload(&self) -> &[u8] {
        let start = self.payload_start();
        self.number().and_then(|_| self.bytes.get(start..)).unwrap_or_default()
    }

    pub(super) fn payload_start(&self) -> usize {
        match self.has_adaptation() {
            true => 5 + usize::from(self.bytes[4]),
            false => 4,
        }
    }

    pub(super) fn has_adaptation(&self) -> bool {
        self.bytes[3] & 0x20 != 0
    }
}

/// The packets of a file.
#[derive(Debug)]
pub struct Packets {
    file: File,
    /// With what is stored before and behind each.
    size: usize,
    /// What is stored before each.
    before: usize,
    /// What is read of the file and not yet returned.
    window: Vec<u8>,
    at: usize,
    /// Where the window begins in the file.
    offset: u64,
    /// Parts of the file between packets that are no packets.
    pub unreadable: Vec<Range<u64>>,
    /// The start of a packet in which the file ends. Empty where it ends behind a packet, or in the time in front of one.
    pub rest: Vec<u8>,
}

impl Packets {
    /// Opens a file. `None` where it does not begin as a transport stream.
    ///
    /// # Errors
    /// Errors in reading.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut packets = Self {
            file: File::open(path)?,
            size: 0,
            before: 0,
            window: Vec::new(),
            at: 0,
            offset: 0,
            unreadable: Vec::new(),
            rest: Vec::new(),
        };
        packets.fill()?;
        let layout = LAYOUTS
            .into_iter()
            .find(|&(size, before)| is_sure(&packets.window, before, size));
        Ok(layout.map(|(size, before)| {
            packets.size = size;
            packets.before = before;
            packets.at = before;
            packets
        }))
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Returns where a packet begins, with what is stored before it.
    pub(super) fn start_of(&self, packet: &Packet) -> u64 {
        packet.position - self.before as u64
    }

    /// Reads on, until the window is full or the file ends.
    fn fill(&mut self) -> io::Result<()> {
        self.window.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        let wanted = WINDOW.saturating_sub(self.window.len()) as u64;
        self.file.by_ref().take(wanted).read_to_end(&mut self.window)?;
        Ok(())
    }

    /// Returns the next packet. `None` at the end, before which there may be what is no packet: recorders append data of their own.
    ///
    /// # Errors
    /// Errors in reading.
    pub fn next(&mut self) -> io::Result<Option<Packet>> {
        if self.window.len() - self.at < self.size * SURE {
            self.fill()?;
        }
        if self.window.get(self.at).is_some_and(|&first| first != SYNC) {
            let start = self.offset + self.at as u64;
            if !self.synchronize()? {
                return Ok(None);
            }
            self.unreadable.push(start..self.offset + self.at as u64);
        }
        let packet = self.window.get(self.at..self.at + PACKET);
        let position = self.offset + self.at as u64;
        let packet = packet.and_then(|packet| {
            let bytes = packet.try_into().ok()?;
            Some(Packet { bytes, position })
        });
        if packet.is_none() {
            self.rest = self.window[self.at..].to_vec();
        }
        self.at = (self.at + self.size).min(self.window.len());
        Ok(packet)
    }

    /// Goes on to the next packets. `false` where there are none.
    fn synchronize(&mut self) -> io::Result<bool> {
        loop {
            while self.at + self.size * (SURE - 1) < self.window.len() {
                if is_sure(&self.window, self.at, self.size) {
                    return Ok(true);
                }
                self.at += 1;
            }
            let rest = self.window.len() - self.at;
            self.fill()?;
            if self.window.len() == rest {
                return Ok(false);
            }
        }
    }
}

/// Whether packets of this size begin here.
fn is_sure(window: &[u8], at: usize, size: usize) -> bool {
    (0..SURE).all(|packet| window.get(at + packet * size) == Some(&SYNC))
}
