// SPDX-License-Identifier: MPL-2.0

//! Vorbis (Vorbis I specification, 4.2 and 4.3). A packet is a block of one of two sizes, and its mode says of which.

/// Bits of a mode: the size of its block, window, transform, mapping.
const MODE_BITS: usize = 1 + 16 + 16 + 8;
const MAX_MODES: usize = 64;

#[derive(Debug)]
pub struct Vorbis {
    rate: u64,
    /// Numbers of samples of the blocks of each mode.
    modes: Vec<u64>,
    /// Of the last block.
    last: Option<u64>,
}

impl Vorbis {
    /// Reads the identification header and the setup header. `None` where they are damaged.
    pub fn of(identification: &[u8], setup: &[u8]) -> Option<Self> {
        let rate = identification.get(12..16)?.try_into().ok().map(u32::from_le_bytes)?;
        let sizes = *identification.get(28)?;
        let sizes = [1 << (sizes & 15), 1 << (sizes >> 4)];
        let is_long = modes(setup)?;
        Some(Self {
            rate: u64::from(rate),
            modes: is_long.iter().map(|&is_long| sizes[usize::from(is_long)]).collect(),
            last: None,
        })
        .filter(|vorbis| vorbis.rate > 0)
    }

    /// Returns the duration of the next packet in nanoseconds: it ends in the middle of its block.
    pub fn duration(&mut self, packet: &[u8]) -> Option<u64> {
        let first = usize::from(*packet.first()?);
        let bits = (self.modes.len() - 1).checked_ilog2().map_or(0, |log| log + 1);
        let mode = first >> 1 & ((1 << bits) - 1);
        let block = *self.modes.get(mode).filter(|_| first & 1 == 0)?;
        // Of the first block nothing is heard.
        let samples = self.last.replace(block).map_or(0, |last| (last + block) / 4);
        Some(samples * 1_000_000_000 / self.rate)
    }
}

/// Returns of each mode whether its blocks are long. The modes are the last of the setup header, behind codebooks of any length. So they are read from
/// the end, as long as they can be modes; the number of them is in front of the first.
fn modes(setup: &[u8]) -> Option<Vec<bool>> {
    let end = (0..setup.len() * 8).rev().find(|&at| bit(setup, at))?;
    let mut found = None;
    for count in 1..=MAX_MODES {
        let Some(start) = end.checked_sub(count * MODE_BITS) else {
            break;
        };
        let is_mode = number(setup, start + 1, 16) == 0
            && number(setup, start + 17, 16) == 0
            && number(setup, start + 33, 8) < 64;
        if !is_mode {
            break;
        }
        if start >= 6 && number(setup, start - 6, 6) + 1 == count {
            found = Some(count);
        }
    }
    let count = found?;
    let start = end - count * MODE_BITS;
    Some((0..count).map(|mode| bit(setup, start + mode * MODE_BITS)).collect())
}

fn bit(bytes: &[u8], at: usize) -> bool {
    bytes[at / 8] >> (at % 8) & 1 != 0
}

fn number(bytes: &[u8], at: usize, bits: usize) -> usize {
    (0..bits).fold(0, |number, index| number | usize::from(bit(bytes, at + index)) << index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setup header that ends with these modes.
    fn setup(modes: &[bool]) -> Vec<u8> {
        let mut bits = vec![true; 40];
        let mut push = |value: usize, width: usize| bits.extend((0..width).map(|index| value >> index & 1 != 0));
        push(modes.len() - 1, 6);
        for &is_long in modes {
            push(usize::from(is_long), 1);
            push(0, 32);
            push(0, 8);
        }
        push(1, 1);
        let byte = |bits: &[bool]| {
            (0..)
                .zip(bits)
                .fold(0, |byte, (index, &bit)| byte | u8::from(bit) << index)
        };
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn a_packet_lasts_from_the_middle_of_a_block_to_that_of_the_next() {
        let mut identification = [0; 30];
        identification[12..16].copy_from_slice(&48_000_u32.to_le_bytes());
        identification[28] = 0xb8;
        let mut vorbis = Vorbis::of(&identification, &setup(&[false, true]));
        let mut samples = |packet: u8| Some((vorbis.as_mut()?.duration(&[packet])? * 48).div_ceil(1_000_000));
        assert_eq!(
            [0, 0, 2, 2].map(&mut samples),
            [Some(0), Some(128), Some(576), Some(1024)]
        );
        assert_eq!(samples(1), None);
    }

    #[test]
    fn headers_that_are_damaged_have_no_modes() {
        for hostile in [&[][..], &[0; 9], &[255; 64]] {
            assert_eq!(modes(hostile), None);
        }
    }
}
