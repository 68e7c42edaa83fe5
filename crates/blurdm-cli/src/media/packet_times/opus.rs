// SPDX-License-Identifier: MPL-2.0

//! Opus (RFC 6716, 3.1).

/// Samples per second, whatever the rate of the sound that was encoded.
const RATE: u64 = 48_000;

/// More is not one packet.
const LONGEST: u64 = RATE * 120 / 1000;

/// Returns the duration of a packet in nanoseconds.
pub fn duration(packet: &[u8]) -> Option<u64> {
    let first = *packet.first()?;
    let configuration = first >> 3;
    let samples = match configuration {
        // SILK
        0..12 => [480, 960, 1920, 2880][usize::from(configuration & 3)],
        // Hybrid
        12..16 => [480, 960][usize::from(configuration & 1)],
        // CELT
        _ => [120, 240, 480, 960][usize::from(configuration & 3)],
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    let samples = samples * frames;
    (samples <= LONGEST).then_some(samples * 1_000_000_000 / RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_last_as_long_as_their_frames() {
        let milliseconds = |packet: &[u8]| duration(packet).map(|duration| duration as f64 / 1e6);
        assert_eq!(milliseconds(&[0x78, 1]), Some(20.0));
        assert_eq!(milliseconds(&[0xe0, 1]), Some(2.5));
        assert_eq!(milliseconds(&[0x19, 1]), Some(120.0));
        assert_eq!(milliseconds(&[0x0b, 3, 1]), Some(60.0));
        for hostile in [&[][..], &[0x0b], &[0xff, 0x3f]] {
            assert_eq!(milliseconds(hostile), None);
        }
    }
}
