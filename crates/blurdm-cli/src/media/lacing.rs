// SPDX-License-Identifier: MPL-2.0

//! The times of packets that share a block of Matroska, as `mkvmerge` writes sound. Only the first of them has one in the file. Parsers complete them for
//! most codecs; for Opus and Vorbis GStreamer has none that keeps the times which are stated.

use std::sync::Mutex;

use gst::prelude::*;

use crate::sync::lock;

const NANOSECONDS: u64 = 1_000_000_000;

/// The least and the largest size of a Vorbis block are powers of two with these exponents (Vorbis I, 4.2.2).
const BLOCK_EXPONENTS: std::ops::RangeInclusive<u8> = 6..=13;

/// Gives packets that have no time the one at which the packet before them ends.
pub fn complete_times(pad: &gst::Pad, caps: &gst::CapsRef) {
    let Some(lengths) = Lengths::of(caps) else { return };
    let state = Mutex::new((lengths, None));
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let mut state = lock(&state);
        let (lengths, next) = &mut *state;
        if let (None, Some(time)) = (buffer.pts(), *next) {
            buffer.make_mut().set_pts(time);
        }
        let length = buffer.map_readable().ok().and_then(|packet| lengths.of_packet(&packet));
        *next = buffer.pts().zip(length).map(|(time, length)| time + length);
        if buffer.duration().is_none() && length.is_some_and(|length| !length.is_zero()) {
            // Without it, readers of MP4 leave out the last packet.
            buffer.make_mut().set_duration(length);
        }
        gst::PadProbeReturn::Ok
    });
}

/// How long the packets of a stream last.
enum Lengths {
    Opus,
    Vorbis(VorbisBlocks),
}

impl Lengths {
    /// `None` for other codecs, and where headers are not understood.
    fn of(caps: &gst::CapsRef) -> Option<Self> {
        let first = caps.structure(0)?;
        match first.name().as_str() {
            "audio/x-opus" => Some(Self::Opus),
            "audio/x-vorbis" => {
                let headers = first.get::<gst::ArrayRef>("streamheader").ok()?;
                let header = |index: usize| {
                    let buffer = headers.get(index)?.get::<gst::Buffer>().ok()?;
                    Some(buffer.map_readable().ok()?.to_vec())
                };
                VorbisBlocks::new(&header(0)?, &header(2)?).map(Self::Vorbis)
            }
            _ => None,
        }
    }

    fn of_packet(&mut self, packet: &[u8]) -> Option<gst::ClockTime> {
        let nanoseconds = match self {
            Self::Opus => opus_length(packet),
            Self::Vorbis(blocks) => blocks.length(packet),
        };
        nanoseconds.map(gst::ClockTime::from_nseconds)
    }
}

/// Returns the length of an Opus packet in nanoseconds (RFC 6716, 3.1 and 3.2).
fn opus_length(packet: &[u8]) -> Option<u64> {
    let (&toc, rest) = packet.split_first()?;
    let config = toc >> 3;
    let tenths_of_ms = match config {
        0..=11 => [100, 200, 400, 600][usize::from(config % 4)],
        12..=15 => [100, 200][usize::from(config % 2)],
        _ => [25, 50, 100, 200][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(rest.first()? & 0x3f),
    };
    Some(frames * tenths_of_ms * 100_000)
}

/// The sizes of Vorbis blocks. A packet gives as many samples as lie between the centres of its block and of the one before it.
struct VorbisBlocks {
    rate: u64,
    /// Sizes of short and long blocks, in samples.
    sizes: [u64; 2],
    /// Whether the blocks of each mode are long ones.
    modes: Vec<bool>,
    previous: Option<u64>,
}

impl VorbisBlocks {
    /// Reads the identification header and the setup header (Vorbis I, 4.2).
    fn new(identification: &[u8], setup: &[u8]) -> Option<Self> {
        let rate = u32::from_le_bytes(identification.get(12..16)?.try_into().ok()?);
        let exponents = *identification.get(28)?;
        let exponents = [exponents & 0xf, exponents >> 4];
        let is_possible = rate > 0 && exponents.iter().all(|exponent| BLOCK_EXPONENTS.contains(exponent));
        is_possible.then_some(Self {
            rate: rate.into(),
            sizes: exponents.map(|exponent| 1 << exponent),
            modes: modes(setup)?,
            previous: None,
        })
    }

    /// Returns the length of the next packet in nanoseconds.
    fn length(&mut self, packet: &[u8]) -> Option<u64> {
        let first = *packet.first()?;
        // The first bit of a header is set.
        if first & 1 == 1 {
            return None;
        }
        let bits = (self.modes.len() - 1).checked_ilog2().map_or(0, |log| log + 1);
        let mode = usize::from(first >> 1) & ((1 << bits) - 1);
        let size = self.sizes[usize::from(*self.modes.get(mode)?)];
        let samples = self.previous.replace(size).map_or(0, |previous| (previous + size) / 4);
        Some(samples * NANOSECONDS / self.rate)
    }
}

/// Returns whether each mode has long blocks. Modes are at the end of the setup header, behind what only a decoder can skip, so they are read from there
/// back: before the framing bit the mapping (8 bits), transform (16) and window (16) of the last mode and the size of its blocks (1), and in front of the
/// first mode the number of modes less one (6). The fields in between have one value only, which tells modes from what precedes them.
fn modes(setup: &[u8]) -> Option<Vec<bool>> {
    const MODE: usize = 1 + 16 + 16 + 8;
    const MOST: usize = 64;
    let bit = |at: usize| setup.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    let number =
        |at: usize, bits: usize| (0..bits).fold(0_usize, |sum, index| sum | usize::from(bit(at + index)) << index);
    let framing = (0..setup.len() * 8).rev().find(|&at| bit(at))?;
    let (mut found, mut modes) = (None, Vec::new());
    let mut end = framing;
    while let Some(start) = end.checked_sub(MODE).filter(|_| modes.len() < MOST) {
        let is_mode = number(start + 1, 32) == 0 && number(start + 33, 8) < MOST;
        if !is_mode {
            break;
        }
        modes.insert(0, bit(start));
        if start
            .checked_sub(6)
            .is_some_and(|count| number(count, 6) + 1 == modes.len())
        {
            found = Some(modes.clone());
        }
        end = start;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opus_packet_lasts_as_long_as_its_first_byte_says() {
        let ms = |packet: &[u8]| opus_length(packet).map(|nanoseconds| nanoseconds as f64 / 1e6);
        assert_eq!(ms(&[0xfc]), Some(20.0));
        assert_eq!(ms(&[0xfd, 1]), Some(40.0));
        assert_eq!(ms(&[0xff, 0x83]), Some(60.0));
        assert_eq!(ms(&[0x80]), Some(2.5));
        assert_eq!(ms(&[0x18]), Some(60.0));
        assert_eq!(ms(&[0x78]), Some(20.0));
        assert_eq!((ms(&[]), ms(&[0xff])), (None, None));
    }

    /// Two modes, of short and of long blocks, behind something else.
    fn setup() -> Vec<u8> {
        let mut bits = vec![true; 35];
        let mut push = |value: usize, count: usize| bits.extend((0..count).map(|index| value >> index & 1 == 1));
        push(1, 6);
        for mode in 0..2 {
            push(mode, 1);
            push(0, 32);
            push(mode, 8);
        }
        push(1, 1);
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn a_vorbis_packet_lasts_from_the_centre_of_the_block_before_it_to_that_of_its_own() {
        let mut identification = vec![0; 30];
        identification[12..16].copy_from_slice(&48_000_u32.to_le_bytes());
        identification[28] = 0xb8;
        let Some(mut blocks) = VorbisBlocks::new(&identification, &setup()) else {
            panic!("the headers are not understood")
        };
        assert_eq!((blocks.sizes, &blocks.modes[..]), ([256, 2048], &[false, true][..]));
        let samples = |samples: u64| Some(samples * NANOSECONDS / 48_000);
        let found = [2, 2, 0, 0, 2].map(|first| blocks.length(&[first]));
        assert_eq!(found, [0, 1024, 576, 128, 576].map(samples));
        assert_eq!(blocks.length(&[3]), None);
    }
}
