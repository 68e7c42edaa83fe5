// SPDX-License-Identifier: MPL-2.0

//! Numbers of any number of bits, the most significant bit first.

/// Reads from the front of bytes. Every read is checked against what is left.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// Number of bits that have been read.
    position: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// Reads at most 32 bits.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    pub fn skip(&mut self, count: usize) -> Option<()> {
        self.position = self.position.checked_add(count)?;
        (self.position <= self.bytes.len() * 8).then_some(())
    }

    /// Reads an unsigned Exp-Golomb code, as H.264, H.265 and AV1 have them.
    pub fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
        }
        if zeros >= 32 {
            return None;
        }
        let rest = self.bits(zeros)?;
        Some(((1u64 << zeros) - 1) as u32 + rest)
    }

    /// Reads a signed Exp-Golomb code.
    pub fn signed_exp_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.exp_golomb()?);
        Some(if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 })
    }
}

/// Appends to bytes.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Number of bits that have been written.
    position: usize,
}

impl BitWriter {
    pub fn bit(&mut self, bit: bool) {
        if self.position.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.position % 8);
        }
        self.position += 1;
    }

    pub fn bits(&mut self, value: u32, count: u32) {
        for place in (0..count).rev() {
            self.bit(value >> place & 1 == 1);
        }
    }

    /// Appends an unsigned Exp-Golomb code.
    pub fn exp_golomb(&mut self, value: u16) {
        let code = u32::from(value) + 1;
        let length = code.ilog2() + 1;
        self.bits(0, length - 1);
        self.bits(code, length);
    }

    /// Returns the bytes, the last one filled up with zeros.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = BitWriter::default();
        writer.bits(0b101, 3);
        writer.bits(0x1234_5678, 32);
        writer.bit(true);
        let bytes = writer.finish();
        assert_eq!(bytes.len(), 5);
        let mut reader = BitReader::new(&bytes);
        assert_eq!(
            (reader.bits(3), reader.bits(32), reader.bit()),
            (Some(0b101), Some(0x1234_5678), Some(true))
        );
        assert_eq!(reader.bits(5), None, "four bits are left");
    }

    #[test]
    fn exp_golomb_codes_are_those_of_table_9_2_of_h264() {
        // 1, 010, 011, 00100, 00111: 0, 1, 2, 3 and 6.
        let bytes = [0b1010_0110, 0b0100_0011, 0b1000_0000];
        let mut reader = BitReader::new(&bytes);
        let codes: Vec<u32> = (0..5).map(|_| reader.exp_golomb().unwrap()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 6]);
        let mut reader = BitReader::new(&bytes);
        let signed: Vec<i64> = (0..5).map(|_| reader.signed_exp_golomb().unwrap()).collect();
        assert_eq!(signed, [0, 1, -1, 2, -3]);
        assert_eq!(BitReader::new(&[0; 9]).exp_golomb(), None);
        let mut writer = BitWriter::default();
        [0, 1, 2, 3, 6].into_iter().for_each(|code| writer.exp_golomb(code));
        assert_eq!(writer.finish(), bytes);
    }
}
