// SPDX-License-Identifier: MPL-2.0

//! Times in the packets of a transport stream (ISO/IEC 13818-1): those of the clock of a program (PCR, section 2.4.3.5), in ticks of 27 MHz, and those of frames
//! and sound (PTS and DTS, section 2.4.3.7), in ticks of 90 kHz. All count modulo 2^33 ticks of 90 kHz.

use super::packets::Packet;

/// Ticks of the clock per tick of times of frames.
pub const CLOCK_SCALE: u64 = 300;

/// How many ticks of 90 kHz there are, before they begin at 0 again.
pub const PERIOD: u64 = 1 << 33;

pub const CLOCK_PERIOD: u64 = PERIOD * CLOCK_SCALE;

/// Kinds of streams whose packets have no header with times (table 2-22).
const WITHOUT_TIMES: [u8; 8] = [0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff];

/// Bytes in a file.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<const N: usize> {
    pub position: u64,
    pub bytes: [u8; N],
}

impl Packet {
    /// Returns the time of the clock, if it has one.
    pub fn clock(&self) -> Option<Bytes<6>> {
        let has_clock = self.has_adaptation() && self.bytes[4] >= 7 && self.bytes[5] & 0x10 != 0;
        has_clock.then(|| self.at(6)).flatten()
    }

    /// Returns PTS and DTS of what begins in it, as far as it has them.
    pub fn times(&self) -> impl Iterator<Item = Bytes<5>> {
        let start = self.payload_start();
        let is_readable = self.begins_unit() && self.bytes[3] & 0xc0 == 0;
        let (pts, dts) = match self.payload() {
            [0, 0, 1, kind, _, _, fields, flags, ..]
                if is_readable && fields >> 6 == 2 && !WITHOUT_TIMES.contains(kind) =>
            {
                (flags & 0x80 != 0, flags & 0xc0 == 0xc0)
            }
            _ => (false, false),
        };
        let places = [pts.then_some(start + 9), dts.then_some(start + 14)];
        places.into_iter().flatten().filter_map(|place| self.at(place))
    }

    fn at<const N: usize>(&self, place: usize) -> Option<Bytes<N>> {
        Some(Bytes {
            position: self.position + place as u64,
            bytes: self.bytes.get(place..place + N)?.try_into().ok()?,
        })
    }
}

impl Bytes<6> {
    pub fn ticks(&self) -> u64 {
        let [a, b, c, d, e, f] = self.bytes.map(u64::from);
        let base = a << 25 | b << 17 | c << 9 | d << 1 | e >> 7;
        // The extension has room for more, which no clock states.
        base * CLOCK_SCALE + ((e & 1) << 8 | f).min(CLOCK_SCALE - 1)
    }

    /// Returns the same with another time.
    pub fn with_ticks(mut self, ticks: u64) -> Self {
        let (base, rest) = (ticks / CLOCK_SCALE % PERIOD, ticks % CLOCK_SCALE);
        let [.., a, b, c, d] = (base >> 1).to_be_bytes();
        let reserved = self.bytes[4] & 0x7e;
        let low = ((base & 1) as u8) << 7 | reserved | (rest >> 8) as u8;
        self.bytes = [a, b, c, d, low, (rest & 0xff) as u8];
        self
    }
}

impl Bytes<5> {
    pub fn ticks(&self) -> u64 {
        let [a, b, c, d, e] = self.bytes.map(u64::from);
        (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
    }

    /// Returns the same with another time.
    pub fn with_ticks(mut self, ticks: u64) -> Self {
        let part = |shift: u32, mask: u64| (ticks >> shift & mask) as u8;
        let [a, _, c, _, e] = self.bytes;
        self.bytes = [
            a & 0xf1 | part(30, 7) << 1,
            part(22, 0xff),
            c & 1 | part(15, 0x7f) << 1,
            part(7, 0xff),
            e & 1 | part(0, 0x7f) << 1,
        ];
        self
    }
}

/// Returns those of the changes that are at least in part within bytes of the file.
pub fn within<const N: usize>(changes: &[Bytes<N>], start: u64, length: u64) -> &[Bytes<N>] {
    let from = changes.partition_point(|change| change.position + N as u64 <= start);
    let to = changes.partition_point(|change| change.position < start.saturating_add(length));
    &changes[from..to.max(from)]
}

/// Changes bytes of a file, of which these begin at `start`.
pub fn write_all<const N: usize>(changes: &[Bytes<N>], bytes: &mut [u8], start: u64) {
    for change in within(changes, start, bytes.len() as u64) {
        for (position, &new) in (change.position..).zip(&change.bytes) {
            let index = position.checked_sub(start);
            let index = index.and_then(|index| usize::try_from(index).ok());
            if let Some(byte) = index.and_then(|index| bytes.get_mut(index)) {
                *byte = new;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_other_bits_stay() {
        for ticks in [0, 1, 299, 300, 0x1_2345_6789 * CLOCK_SCALE + 299, CLOCK_PERIOD - 1] {
            for bytes in [[0; 6], [0xff; 6]] {
                let clock = Bytes { position: 7, bytes }.with_ticks(ticks);
                assert_eq!(clock.ticks(), ticks);
                assert_eq!(clock.bytes[4] & 0x7e, bytes[4] & 0x7e);
            }
        }
        let highest = Bytes {
            position: 0,
            bytes: [0xff; 6],
        };
        assert_eq!(
            highest.ticks(),
            CLOCK_PERIOD - 1,
            "beyond its period no clock is counted on"
        );
        for ticks in [0, 1, 0x1_2345_6789, PERIOD - 1] {
            let bytes = [0x21, 0, 1, 0, 1];
            let time = Bytes { position: 7, bytes }.with_ticks(ticks);
            assert_eq!(time.ticks(), ticks);
            assert_eq!(time.bytes[0] & 0xf1, 0x21);
            assert_eq!((time.bytes[2] & 1, time.bytes[4] & 1), (1, 1));
        }
    }
}
