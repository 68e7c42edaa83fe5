// SPDX-License-Identifier: MPL-2.0

//! An access unit of H.264 or H.265, with what its container has in front of it.

use super::{nal, sei};

/// The two codings with NAL units that GStreamer 1.22 decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    H264,
    H265,
}

impl Coding {
    /// Returns that of a media type. `None` for others.
    pub fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "video/x-h264" => Some(Self::H264),
            "video/x-h265" => Some(Self::H265),
            _ => None,
        }
    }

    /// Returns the header of a NAL unit and the rest.
    pub fn split(self, unit: &[u8]) -> Option<(&[u8], &[u8])> {
        unit.split_at_checked(match self {
            Self::H264 => 1,
            Self::H265 => 2,
        })
    }

    /// Returns the type of a NAL unit.
    pub fn kind(self, unit: &[u8]) -> Option<u8> {
        unit.first().map(|first| match self {
            Self::H264 => first & 0x1f,
            Self::H265 => first >> 1 & 0x3f,
        })
    }

    pub fn sequence_parameter_set(self) -> u8 {
        match self {
            Self::H264 => 7,
            Self::H265 => 33,
        }
    }

    /// Supplemental enhancement information before a picture.
    pub fn sei(self) -> u8 {
        match self {
            Self::H264 => 6,
            Self::H265 => 39,
        }
    }

    /// Whether messages that came before a unit of this type are not of the picture that follows it: a part of a picture, or the start of an access unit.
    pub fn ends_messages(self, kind: u8) -> bool {
        match self {
            Self::H264 => (1..=5).contains(&kind) || kind == 9,
            Self::H265 => kind < 32 || kind == 35,
        }
    }

    /// Returns the NAL units of a decoder configuration record, and how many bytes the sizes in front of units have.
    fn record(self, record: &[u8]) -> (Vec<&[u8]>, usize) {
        let (units, size) = match self {
            Self::H264 => (nal::in_avcc(record), record.get(4)),
            Self::H265 => (nal::in_hvcc(record), record.get(21)),
        };
        (units, size.map_or(4, |size| usize::from(size & 3) + 1))
    }
}

/// The NAL units of a record and of a frame.
#[derive(Debug)]
pub struct AccessUnit<'a> {
    coding: Coding,
    units: Vec<&'a [u8]>,
}

impl<'a> AccessUnit<'a> {
    /// Splits a frame of a video with these caps and this `codec_data`. `None` where it has no NAL units.
    pub fn of(caps: &gst::StructureRef, codec_data: Option<&'a [u8]>, frame: &'a [u8]) -> Option<Self> {
        let coding = Coding::of(caps.name())?;
        let has_start_codes = match caps.get::<&str>("stream-format") {
            Ok(format) => format == "byte-stream",
            // That of a file that no parser has seen.
            Err(_) => frame.starts_with(&[0, 0, 1]) || frame.starts_with(&[0, 0, 0, 1]),
        };
        Some(Self::new(coding, codec_data, has_start_codes, frame))
    }

    /// Splits a frame that is in start codes, or in sizes as the record of its container says.
    fn new(coding: Coding, record: Option<&'a [u8]>, has_start_codes: bool, frame: &'a [u8]) -> Self {
        let (mut units, size) = record.map_or((Vec::new(), 4), |record| coding.record(record));
        units.extend(match has_start_codes {
            true => nal::after_start_codes(frame),
            false => nal::after_sizes(frame, size),
        });
        Self { coding, units }
    }

    /// Returns the same with further units in front.
    pub fn after(mut self, units: &'a [Vec<u8>]) -> Self {
        self.units.splice(0..0, units.iter().map(Vec::as_slice));
        self
    }

    /// Returns all NAL units.
    pub fn units(&self) -> &[&'a [u8]] {
        &self.units
    }

    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Returns the payload of the first sequence parameter set.
    pub fn sequence_parameter_set(&self) -> Option<Vec<u8>> {
        self.payloads(self.coding.sequence_parameter_set()).next()
    }

    /// Returns the types and payloads of all messages (ITU-T H.264, annex D; ITU-T H.265, annex D).
    pub fn messages(&self) -> Vec<(usize, Vec<u8>)> {
        self.payloads(self.coding.sei())
            .flat_map(|unit| sei::messages(&unit))
            .collect()
    }

    fn payloads(&self, kind: u8) -> impl Iterator<Item = Vec<u8>> {
        let coding = self.coding;
        let units = self.units.iter().filter(move |unit| coding.kind(unit) == Some(kind));
        units.filter_map(move |unit| Some(nal::without_emulation_prevention(coding.split(unit)?.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size 00 00 01 2c begins as a start code does.
    #[test]
    fn a_unit_of_300_bytes_is_not_taken_for_a_start_code() {
        let message = [&[6, 5, 0xff, 39][..], &[1; 294], &[7, 0x80]].concat();
        let frame = [&[0, 0, 1, 0x2c][..], &message].concat();
        let unit = AccessUnit::new(Coding::H264, None, false, &frame);
        assert_eq!(unit.messages(), [(5, [&[1; 294][..]].concat())]);
    }
}
