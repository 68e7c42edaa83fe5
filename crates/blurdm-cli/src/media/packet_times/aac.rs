// SPDX-License-Identifier: MPL-2.0

//! AAC, by its AudioSpecificConfig (ISO 14496-3, 1.6.2.1).

const RATES: [u64; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

/// A rate that is not in the table, but follows.
const STATED_RATE: u64 = 15;

/// Returns the duration of every packet in nanoseconds. The rate is that of the core, which SBR doubles.
pub fn duration(config: &[u8]) -> Option<u64> {
    let mut at = 0;
    let mut read = |bits: usize| {
        let bit = |at: usize| Some(u64::from(*config.get(at / 8)? >> (7 - at % 8) & 1));
        let number = (at..at + bits).try_fold(0, |number, at| Some(number << 1 | bit(at)?));
        at += bits;
        number
    };
    let mut kind = read(5)?;
    let index = read(4)?;
    let rate = match index {
        STATED_RATE => read(24)?,
        index => *RATES.get(usize::try_from(index).ok()?)?,
    };
    read(4)?;
    if kind == 5 || kind == 29 {
        if read(4)? == STATED_RATE {
            read(24)?;
        }
        kind = read(5)?;
    }
    // Main, LC, SSR and LTP: others are coded otherwise.
    let is_short = (1..=4).contains(&kind).then(|| read(1))?? == 1;
    let samples = if is_short { 960 } else { 1024 };
    (samples * 1_000_000_000_u64).checked_div(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_1024_samples_of_the_core_or_960() {
        assert_eq!(duration(&[0x11, 0x90]), Some(21_333_333));
        assert_eq!(duration(&[0x11, 0x94]), Some(20_000_000));
        // SBR from 24 to 48 kHz
        assert_eq!(duration(&[0x2b, 0x11, 0x88, 0x00]), Some(42_666_666));
        for hostile in [&[][..], &[0x11], &[0x16, 0x90], &[0x17, 0x80, 0, 0, 0, 0]] {
            assert_eq!(duration(hostile), None);
        }
    }
}
