// SPDX-License-Identifier: MPL-2.0

//! The layouts of a block. All numbers are little-endian. A layout is recognised by its status and hemispheres, and a block is a fix only
//! if all its numbers are valid.

use jiff::{Timestamp, civil, tz::Offset};

use crate::Fix;

#[derive(Debug, PartialEq)]
pub enum Block {
    Fix(Fix),
    /// The camera had no reception.
    NoFix,
    Unknown,
}

/// The type of the box and its first bytes, after its size.
const MAGIC: &[u8] = b"freeGPS ";
/// A knot in metres per second.
const KNOT: f64 = 1852.0 / 3600.0;

/// The offsets of the fields of a layout. Status and hemispheres are three letters, as in `ANE`.
struct Layout {
    status: usize,
    /// Hour, minute and second.
    time: usize,
    /// Year, month and day.
    date: usize,
    latitude: usize,
    longitude: usize,
    speed: usize,
    bearing: usize,
    altitude: Option<usize>,
}

/// The layouts with single precision: of Viofo A119 v3, A129 and later; 32 bytes later that of Viofo A119 and many others; of Vantrue S1.
const SINGLE: [Layout; 3] = [
    Layout::time_first(16),
    Layout::time_first(48),
    Layout {
        status: 64,
        date: 68,
        time: 80,
        longitude: 92,
        latitude: 96,
        speed: 100,
        bearing: 104,
        altitude: Some(108),
    },
];

impl Layout {
    const fn time_first(start: usize) -> Self {
        Self {
            time: start,
            date: start + 12,
            status: start + 24,
            latitude: start + 28,
            longitude: start + 32,
            speed: start + 36,
            bearing: start + 40,
            altitude: None,
        }
    }
}

/// Interprets the start of a block.
pub fn read(block: &[u8]) -> Block {
    let Some(MAGIC) = block.get(4..4 + MAGIC.len()) else {
        return Block::Unknown;
    };
    let results = SINGLE.iter().map(|layout| single(block, layout));
    let mut results = results.chain([double(block)]);
    if let Some(known) = results.find(|result| *result != Block::Unknown) {
        return known;
    }
    match block.get(16..) {
        // Before the first data of the receiver.
        Some(rest) if rest.iter().all(|byte| *byte == 0) => Block::NoFix,
        _ => Block::Unknown,
    }
}

fn single(block: &[u8], layout: &Layout) -> Block {
    // The letters end in a zero.
    let Some(&[status, north, east, 0]) = array(block, layout.status) else {
        return Block::Unknown;
    };
    // A layout with integers, which is not supported.
    if block.get(16..19) == Some(b"IQS") {
        return Block::Unknown;
    }
    match status {
        b'A' => fix_single(block, layout, north, east).map_or(Block::Unknown, Block::Fix),
        b'V' if has_time(block, layout) => Block::NoFix,
        _ => Block::Unknown,
    }
}

fn fix_single(block: &[u8], layout: &Layout, north: u8, east: u8) -> Option<Fix> {
    let number = |at| array(block, at).map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
    if is_text(block, layout.latitude) {
        return None;
    }
    Fix {
        time: time(block, layout.date, layout.time)?,
        latitude: latitude(number(layout.latitude)?, north)?,
        longitude: longitude(number(layout.longitude)?, east)?,
        altitude: layout
            .altitude
            .and_then(number)
            .filter(|m| (-500.0..9000.0).contains(m)),
        speed: number(layout.speed).and_then(speed),
        bearing: number(layout.bearing).and_then(bearing),
    }
    .unless_null()
}

/// Reads the layout with double precision, of Vantrue N4 and Rove R2-4K.
fn double(block: &[u8]) -> Block {
    let number = |at| array(block, at).map(|bytes| f64::from_le_bytes(*bytes));
    let letter = |at: usize| block.get(at).copied();
    let fix = || {
        Fix {
            time: time(block, 80, 16)?,
            latitude: latitude(number(32)?, letter(40)?)?,
            longitude: longitude(number(48)?, letter(56)?)?,
            altitude: None,
            speed: number(64).and_then(speed),
            bearing: number(72).and_then(bearing),
        }
        .unless_null()
    };
    match block.get(28..32) {
        Some(b"A\0\0\0") => fix().map_or(Block::Unknown, Block::Fix),
        Some(b"V\0\0\0") => Block::NoFix,
        _ => Block::Unknown,
    }
}

impl Fix {
    /// Returns `None` for a fix where equator and prime meridian meet. Zeros and text are read as such.
    fn unless_null(self) -> Option<Self> {
        (self.latitude.abs() > 0.01 || self.longitude.abs() > 0.01).then_some(self)
    }
}

fn array<const N: usize>(block: &[u8], at: usize) -> Option<&[u8; N]> {
    block.get(at..)?.first_chunk()
}

fn word(block: &[u8], at: usize) -> Option<u32> {
    array(block, at).map(|bytes| u32::from_le_bytes(*bytes))
}

/// Reads three consecutive integers.
fn triple(block: &[u8], at: usize) -> Option<[i16; 3]> {
    let number = |at| word(block, at).and_then(|number| i16::try_from(number).ok());
    Some([number(at)?, number(at + 4)?, number(at + 8)?])
}

/// Returns the time of a fix. Years count from 2000. Cameras that write the full year write the local time of an unknown time zone instead, and
/// are not supported.
fn time(block: &[u8], date: usize, time: usize) -> Option<Timestamp> {
    let ([year, month, day], [hour, minute, second]) = (triple(block, date)?, triple(block, time)?);
    if !(0..100).contains(&year) {
        return None;
    }
    let narrow = |number: i16| i8::try_from(number).ok();
    let date = civil::Date::new(2000 + year, narrow(month)?, narrow(day)?).ok()?;
    let time = civil::Time::new(narrow(hour)?, narrow(minute)?, narrow(second)?, 0).ok()?;
    Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
}

/// Whether the fields of date and time are in range. This distinguishes a block without a fix from other data.
fn has_time(block: &[u8], layout: &Layout) -> bool {
    let numbers = triple(block, layout.date).zip(triple(block, layout.time));
    numbers.is_some_and(|([year, month, day], [hour, minute, second])| {
        [
            (year, 2100),
            (month, 12),
            (day, 31),
            (hour, 24),
            (minute, 60),
            (second, 60),
        ]
        .iter()
        .all(|(number, max)| number <= max)
    })
}

/// Whether the positions are text, as cameras write that encrypt them: two fields of 20 bytes with Base64 or decimals, padded with zeros.
fn is_text(block: &[u8], at: usize) -> bool {
    let is_text = |field: &[u8; 20]| {
        let length = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        let (text, rest) = field.split_at(length);
        let letters = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=.".contains(byte);
        length >= 4 && text.iter().all(letters) && rest.iter().all(|byte| *byte == 0)
    };
    let fields = array(block, at).zip(array(block, at + 20));
    fields.is_some_and(|(latitude, longitude)| is_text(latitude) && is_text(longitude))
}

fn latitude(number: f64, hemisphere: u8) -> Option<f64> {
    match hemisphere {
        b'N' => degrees(number, 90.0),
        b'S' => degrees(number, 90.0).map(|degrees| -degrees),
        _ => None,
    }
}

fn longitude(number: f64, hemisphere: u8) -> Option<f64> {
    match hemisphere {
        b'E' => degrees(number, 180.0),
        b'W' => degrees(number, 180.0).map(|degrees| -degrees),
        _ => None,
    }
}

/// Converts from the format of NMEA 0183, which is degrees times 100 plus minutes.
fn degrees(number: f64, max: f64) -> Option<f64> {
    let (whole, minutes) = ((number / 100.0).trunc(), number % 100.0);
    let degrees = whole + minutes / 60.0;
    (number >= 0.0 && minutes < 60.0 && degrees <= max).then_some(degrees)
}

/// Converts from knots to metres per second.
fn speed(knots: f64) -> Option<f64> {
    (0.0..600.0).contains(&knots).then_some(knots * KNOT)
}

fn bearing(degrees: f64) -> Option<f64> {
    (0.0..=360.0).contains(&degrees).then_some(degrees)
}
