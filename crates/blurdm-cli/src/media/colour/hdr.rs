// SPDX-License-Identifier: MPL-2.0

//! The static metadata of HDR10: the display that a video was mastered on (SMPTE ST 2086), and its light levels (CTA-861.3). GStreamer's caps
//! hold both as text.

use std::str::FromStr;

/// A point of a chromaticity diagram, in units of 0.00002.
type Point = [u16; 2];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasteringDisplay {
    pub red: Point,
    pub green: Point,
    pub blue: Point,
    pub white: Point,
    /// In units of 0.0001 cd/m².
    pub maximum: u32,
    pub minimum: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentLight {
    /// In cd/m².
    pub maximum: u16,
    pub average: u16,
}

/// What a bitstream says of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hdr {
    pub mastering: Option<MasteringDisplay>,
    pub light: Option<ContentLight>,
}

impl Hdr {
    /// Returns this, and what it lacks from another.
    pub fn or(self, other: Self) -> Self {
        Self {
            mastering: self.mastering.or(other.mastering),
            light: self.light.or(other.light),
        }
    }
}

impl MasteringDisplay {
    /// Reads the content of the box `mdcv` (ISO/IEC 23001-8), where green comes first.
    pub fn from_mdcv(bytes: &[u8; 24]) -> Self {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let point = |at: usize| [word(at), word(at + 2)];
        let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
        Self {
            green: point(0),
            blue: point(4),
            red: point(8),
            white: point(12),
            maximum: long(16),
            minimum: long(20),
        }
    }

    /// Returns the field `mastering-display-info` of caps.
    pub fn caps_field(&self) -> String {
        let points = [self.red, self.green, self.blue, self.white];
        let points: Vec<String> = points.iter().flatten().map(u16::to_string).collect();
        format!("{}:{}:{}", points.join(":"), self.maximum, self.minimum)
    }

    /// Returns the value of x264's option `mastering-display`, which is that of x265's `master-display`.
    pub fn option(&self) -> String {
        let point = |[x, y]: Point| format!("({x},{y})");
        format!(
            "G{}B{}R{}WP{}L({},{})",
            point(self.green),
            point(self.blue),
            point(self.red),
            point(self.white),
            self.maximum,
            self.minimum
        )
    }

    /// Returns `metadata_hdr_mdcv()` of AV1, whose numbers have other units (section 6.7.4).
    pub fn av1_payload(&self) -> Vec<u8> {
        let sixteenth = |value: u16| ((u64::from(value) * 65536 + 25000) / 50000).min(0xffff) as u16;
        let points = [self.red, self.green, self.blue, self.white];
        let mut payload: Vec<u8> = points
            .iter()
            .flatten()
            .flat_map(|&value| sixteenth(value).to_be_bytes())
            .collect();
        let scaled = |value: u32, bits: u32| ((u64::from(value) << bits) / 10_000).min(u32::MAX.into()) as u32;
        payload.extend(scaled(self.maximum, 8).to_be_bytes());
        payload.extend(scaled(self.minimum, 14).to_be_bytes());
        payload
    }
}

impl MasteringDisplay {
    /// Reads `metadata_hdr_mdcv()` of AV1.
    pub fn from_av1_payload(bytes: &[u8; 24]) -> Self {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let coordinate = |at: usize| ((u64::from(word(at)) * 50_000 + 32_768) / 65_536) as u16;
        let point = |at: usize| [coordinate(at), coordinate(at + 2)];
        let long = |at: usize| u64::from(word(at)) << 16 | u64::from(word(at + 2));
        let scaled = |value: u64, bits: u32| ((value * 10_000 + (1 << (bits - 1))) >> bits).min(u32::MAX.into()) as u32;
        Self {
            red: point(0),
            green: point(4),
            blue: point(8),
            white: point(12),
            maximum: scaled(long(16), 8),
            minimum: scaled(long(20), 14),
        }
    }
}

impl FromStr for MasteringDisplay {
    type Err = ();

    /// Reads the field of caps.
    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers: Vec<u32> = text.split(':').map_while(|number| number.parse().ok()).collect();
        let numbers: [u32; 10] = numbers.try_into().map_err(|_| ())?;
        let point = |at: usize| [numbers[at] as u16, numbers[at + 1] as u16];
        Ok(Self {
            red: point(0),
            green: point(2),
            blue: point(4),
            white: point(6),
            maximum: numbers[8],
            minimum: numbers[9],
        })
    }
}

impl ContentLight {
    /// Returns the field `content-light-level` of caps.
    pub fn caps_field(&self) -> String {
        format!("{}:{}", self.maximum, self.average)
    }
}

impl FromStr for ContentLight {
    type Err = ();

    /// Reads the field of caps.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (maximum, average) = text.split_once(':').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_| ());
        Ok(Self {
            maximum: number(maximum)?,
            average: number(average)?,
        })
    }
}
