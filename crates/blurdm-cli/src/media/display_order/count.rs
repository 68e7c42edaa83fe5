// SPDX-License-Identifier: MPL-2.0

//! The numbers by which pictures of H.264 and H.265 are shown (picture order counts: ITU-T H.264, section 8.2.1; ITU-T H.265, section 8.3.1).

use std::collections::BTreeMap;

use crate::media::bitstream::{
    AccessUnit, BitReader, Coding, codec_data,
    h264::{self, OrderCount},
    h265,
    nal::without_emulation_prevention,
};

/// NAL units with picture parameter sets.
const PICTURE_SET_264: u8 = 8;
const PICTURE_SET_265: u8 = 34;
/// Pictures before which nothing is needed. IDR pictures of H.265 state no number.
const IDR_264: u8 = 5;
const IDR_265: std::ops::RangeInclusive<u8> = 19..=20;
/// BLA and IDR pictures of H.265, with which numbers begin anew.
const BEGINS_265: std::ops::RangeInclusive<u8> = 16..=20;
/// All pictures with which decoding can begin.
const RANDOM_ACCESS_265: std::ops::RangeInclusive<u8> = 16..=23;
/// Below these, even types are of pictures that no other of their sub-layer refers to, and some are of pictures that may be skipped (RADL, RASL).
const REFERRED_BELOW: u8 = 16;
const SKIPPED: std::ops::RangeInclusive<u8> = 6..=9;
/// A slice header is not longer than this before the number.
const HEADER: usize = 64;

/// When a picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Whether it comes after all that were decoded before it.
    pub begins: bool,
    pub count: i64,
}

#[derive(Debug, Clone, Copy)]
struct PictureSet265 {
    sequence: u32,
    output_flag: bool,
    extra_bits: u32,
}

/// Reads the numbers of pictures, one after the other.
#[derive(Debug)]
pub struct Counts {
    coding: Coding,
    sequences_264: BTreeMap<u32, h264::SequenceParameterSet>,
    sequences_265: BTreeMap<u32, h265::SequenceParameterSet>,
    /// The sequence parameter set of each picture parameter set.
    pictures_264: BTreeMap<u32, u32>,
    pictures_265: BTreeMap<u32, PictureSet265>,
    /// The number of the last picture that others refer to.
    before: Option<i64>,
}

impl Counts {
    pub fn new(coding: Coding) -> Self {
        Self {
            coding,
            sequences_264: BTreeMap::new(),
            sequences_265: BTreeMap::new(),
            pictures_264: BTreeMap::new(),
            pictures_265: BTreeMap::new(),
            before: None,
        }
    }

    /// Forgets the pictures, of which others follow than the next ones.
    pub fn clear(&mut self) {
        self.before = None;
    }

    /// Reads the number of the picture in a frame of a stream with these caps. `None` where it cannot be told.
    pub fn read(&mut self, caps: &gst::CapsRef, frame: &[u8]) -> Option<Position> {
        let first = caps.structure(0)?;
        let record = codec_data(first);
        for unit in AccessUnit::of(first, record.as_deref(), frame)?.units() {
            let position = match self.coding {
                Coding::H264 => self.read_264(unit),
                Coding::H265 => self.read_265(unit),
            };
            if position.is_some() {
                return position;
            }
        }
        None
    }

    fn read_264(&mut self, unit: &[u8]) -> Option<Position> {
        let (kind, refers) = (self.coding.kind(unit)?, unit.first()? & 0x60 != 0);
        let (_, body) = self.coding.split(unit)?;
        let payload = without_emulation_prevention(&body[..body.len().min(if kind < 6 { HEADER } else { body.len() })]);
        let mut bits = BitReader::new(&payload);
        if kind == self.coding.sequence_parameter_set() {
            let set = h264::SequenceParameterSet::read(&mut bits)?;
            self.sequences_264.insert(set.id, set);
            return None;
        }
        if kind == PICTURE_SET_264 {
            let id = bits.exp_golomb()?;
            self.pictures_264.insert(id, bits.exp_golomb()?);
            return None;
        }
        if kind != 1 && kind != IDR_264 {
            return None;
        }
        // The first macroblock and the type.
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        let set = self.pictures_264.get(&bits.exp_golomb()?)?;
        let set = *self.sequences_264.get(set)?;
        bits.skip(if set.separate_planes { 2 } else { 0 } + set.frame_number_bits as usize)?;
        if !set.frames_only && bits.bit()? {
            bits.bit()?;
        }
        let begins = kind == IDR_264;
        if begins {
            bits.exp_golomb()?;
        }
        let count = match set.order_count {
            OrderCount::Stated(width) => self.count(i64::from(bits.bits(width)?), width, begins),
            OrderCount::AsDecoded => self.before.filter(|_| !begins).map_or(0, |before| before + 1),
            OrderCount::Cycles => return None,
        };
        if refers || set.order_count == OrderCount::AsDecoded {
            self.before = Some(count);
        }
        Some(Position { begins, count })
    }

    fn read_265(&mut self, unit: &[u8]) -> Option<Position> {
        let kind = self.coding.kind(unit)?;
        let (head, body) = self.coding.split(unit)?;
        let payload =
            without_emulation_prevention(&body[..body.len().min(if kind < 32 { HEADER } else { body.len() })]);
        let mut bits = BitReader::new(&payload);
        if kind == self.coding.sequence_parameter_set() {
            let set = h265::SequenceParameterSet::read(&mut bits)?;
            self.sequences_265.insert(set.id, set);
            return None;
        }
        if kind == PICTURE_SET_265 {
            let (id, sequence) = (bits.exp_golomb()?, bits.exp_golomb()?);
            bits.bit()?;
            let (output_flag, extra_bits) = (bits.bit()?, bits.bits(3)?);
            let set = PictureSet265 {
                sequence,
                output_flag,
                extra_bits,
            };
            self.pictures_265.insert(id, set);
            return None;
        }
        let is_random_access = RANDOM_ACCESS_265.contains(&kind);
        // The first segment of a picture.
        if !(kind <= 9 || is_random_access) || !bits.bit()? {
            return None;
        }
        if is_random_access {
            bits.bit()?;
        }
        let picture = *self.pictures_265.get(&bits.exp_golomb()?)?;
        let set = *self.sequences_265.get(&picture.sequence)?;
        bits.skip(picture.extra_bits as usize)?;
        // The type.
        bits.exp_golomb()?;
        bits.skip(usize::from(picture.output_flag) + if set.separate_planes { 2 } else { 0 })?;
        let begins = BEGINS_265.contains(&kind);
        let count = match IDR_265.contains(&kind) {
            true => 0,
            false => self.count(
                i64::from(bits.bits(set.order_count_bits)?),
                set.order_count_bits,
                begins,
            ),
        };
        let is_base_layer = head.get(1)? & 7 == 1;
        let is_referred = kind >= REFERRED_BELOW || kind % 2 == 1;
        if is_base_layer && is_referred && !SKIPPED.contains(&kind) {
            self.before = Some(count);
        }
        Some(Position { begins, count })
    }

    /// Returns the number whose lowest bits are stated: the nearest to that of the picture before.
    fn count(&self, stated: i64, width: u32, begins: bool) -> i64 {
        let (range, before) = (1i64 << width, self.before.filter(|_| !begins));
        let Some(before) = before else { return stated };
        let near = before - before.rem_euclid(range) + stated;
        match near - before {
            distance if distance >= range / 2 => near - range,
            distance if distance < -range / 2 => near + range,
            _ => near,
        }
    }
}
