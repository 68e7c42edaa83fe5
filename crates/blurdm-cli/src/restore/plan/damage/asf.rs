// SPDX-License-Identifier: MPL-2.0

//! ASF, as in WMV (Advanced Systems Format Specification, revision 01.20.03): a header, and data in packets of one size.

use std::{io, ops::Range, path::Path};

use super::{bytes::Bytes, kind::Damage, walk::Parts};

type Guid = [u8; 16];

const HEADER: Guid = guid(0x75b2_2630_668e_11cf, 0xa6d9_00aa_0062_ce6c);
const DATA: Guid = guid(0x75b2_2636_668e_11cf, 0xa6d9_00aa_0062_ce6c);
const PROPERTIES: Guid = guid(0x8cab_dca1_a947_11cf, 0x8ee4_00c0_0c20_5365);

/// An id and a size.
const OBJECT: u64 = 24;

/// More objects than this are not looked at.
const MAX_OBJECTS: usize = 1 << 12;

/// In the flags of a file: its sizes are not known, since it was written while it was recorded.
const IS_BROADCAST: u32 = 1;

/// The first byte of packets with two bytes for the correction of errors. Packets without them begin with their flags, which have a zero there.
const CORRECTION: u8 = 0x82;
const HAS_CORRECTION: u8 = 0x80;

/// The flags of properties that the specification asks for: the sizes of the fields of a payload.
const PROPERTY_FLAGS: u8 = 0x5d;

/// Returns what a file lacks. `None` where it is no ASF as well.
pub fn damage(path: &Path) -> Option<Damage> {
    let mut bytes = Bytes::open(path).ok()?;
    let data = Data::find(&mut bytes).ok()??;
    let missing = data.packets.end.saturating_sub(bytes.length);
    if missing > 0 {
        return Some(Damage::Cut(missing));
    }
    let mut at = data.packets.start;
    // Some programs may write packets in other ways. All of a file are written in one.
    let has_correction = bytes
        .array(at)
        .ok()?
        .is_some_and(|[first]: [u8; 1]| first & HAS_CORRECTION != 0);
    if data.packets.end - at < data.size || !is_packet(&mut bytes, at..at + data.size, has_correction).ok()? {
        return None;
    }
    let mut faulty = Faulty::default();
    while data.packets.end - at >= data.size {
        let end = at + data.size;
        if !is_packet(&mut bytes, at..end, has_correction).ok()? {
            faulty.add(at..end);
        }
        at = end;
    }
    faulty.damage()
}

/// Returns where another file begins that was joined to the first: with a header behind the data, and the index behind that.
pub fn next_recording(path: &Path) -> Option<u64> {
    let mut bytes = Bytes::open(path).ok()?;
    let mut at = Data::find(&mut bytes).ok()??.object_end;
    for _ in 0..MAX_OBJECTS {
        match object(&mut bytes, at).ok()?? {
            (HEADER, _) => return Some(at),
            (_, next) => at = next,
        }
    }
    None
}

/// Parts that follow each other are one.
#[derive(Debug, Default)]
struct Faulty {
    parts: Parts,
    last: Option<Range<u64>>,
}

impl Faulty {
    fn add(&mut self, packet: Range<u64>) {
        match &mut self.last {
            Some(last) if last.end == packet.start => last.end = packet.end,
            last => {
                if let Some(last) = last.replace(packet) {
                    self.parts.add(last);
                }
            }
        }
    }

    fn damage(mut self) -> Option<Damage> {
        self.parts.add(self.last?);
        self.parts.damage()
    }
}

/// Where the packets are.
struct Data {
    packets: Range<u64>,
    size: u64,
    /// The end of the object that holds them, as it is stated.
    object_end: u64,
}

impl Data {
    fn find(bytes: &mut Bytes) -> io::Result<Option<Self>> {
        let Some((HEADER, end)) = object(bytes, 0)? else {
            return Ok(None);
        };
        let mut at = OBJECT + 6;
        let mut properties = None;
        for _ in 0..MAX_OBJECTS {
            match object(bytes, at)?.filter(|_| at < end) {
                Some((PROPERTIES, _)) => {
                    properties = bytes.array::<80>(at + OBJECT)?;
                    break;
                }
                Some((_, next)) => at = next,
                None => break,
            }
        }
        let (Some(properties), Some((DATA, stated_end))) = (properties, object(bytes, end)?) else {
            return Ok(None);
        };
        let Some(number) = bytes.array(end + OBJECT + 16)?.map(u64::from_le_bytes) else {
            return Ok(None);
        };
        let field = |at: usize| little_endian(&properties[at..at + 4]);
        let (flags, size, largest) = (field(64), u64::from(field(68)), u64::from(field(72)));
        // Packets of several sizes are not allowed, and where they are nothing is known.
        if size != largest || size < 32 {
            return Ok(None);
        }
        let start = end + OBJECT + 26;
        let stated = number.checked_mul(size).and_then(|length| start.checked_add(length));
        let end = match stated {
            Some(stated) if flags & IS_BROADCAST == 0 && number > 0 => stated.min(stated_end),
            // The last packet of a recording may not be complete.
            _ if stated_end > start && stated_end <= bytes.length => stated_end,
            _ => bytes.length,
        };
        Ok((start <= end).then_some(Self {
            packets: start..end,
            size,
            object_end: stated_end,
        }))
    }
}

/// Returns the id of an object, and its end.
fn object(bytes: &mut Bytes, at: u64) -> io::Result<Option<(Guid, u64)>> {
    let id = bytes.array(at)?;
    let size = bytes.array(at.saturating_add(16))?.map(u64::from_le_bytes);
    let end = size.and_then(|size| at.checked_add(size.max(OBJECT)));
    Ok(id.zip(end))
}

/// Whether the header of a packet (section 5.2) and those of its payloads fit into it.
fn is_packet(bytes: &mut Bytes, range: Range<u64>, has_correction: bool) -> io::Result<bool> {
    let mut fields = Fields { bytes, at: range.start };
    if has_correction {
        if fields.byte()? != Some(CORRECTION) {
            return Ok(false);
        }
        fields.at += 2;
    }
    let (Some(flags), Some(PROPERTY_FLAGS)) = (fields.byte()?, fields.byte()?) else {
        return Ok(false);
    };
    // The packet has its length, a number and the length of its padding, each in as many bytes as the flags say.
    let length = fields.number(flags >> 5)?;
    fields.number(flags >> 1)?;
    let padding = fields.number(flags >> 3)?.map_or(0, u64::from);
    let size = range.end - range.start;
    let stated = length.map_or(0, u64::from);
    if flags & HAS_CORRECTION != 0 || stated > size || padding > size {
        return Ok(false);
    }
    // The times of sending.
    fields.at += 6;
    let end = range.end - padding;
    let has_several = flags & 1 != 0;
    let (count, width) = match (has_several, fields.byte()?) {
        (true, Some(flags)) => (flags & 0x3f, flags >> 6),
        (true, None) => return Ok(false),
        (false, _) => {
            fields.at -= 1;
            (1, 0)
        }
    };
    for _ in 0..count {
        let stream = fields.byte()?.map(|stream| stream & 0x7f);
        // The number of the frame, and the place in it.
        fields.at += 5;
        let Some(more) = fields.byte()? else { return Ok(false) };
        fields.at += u64::from(more);
        let length = match has_several {
            true => fields.number(width)?.map(u64::from),
            false => Some(end.saturating_sub(fields.at)),
        };
        fields.at += length.unwrap_or(0);
        if stream.is_none_or(|stream| stream == 0) || length.is_none() || fields.at > end {
            return Ok(false);
        }
    }
    Ok(count > 0)
}

/// Reads one field after the other.
struct Fields<'a> {
    bytes: &'a mut Bytes,
    at: u64,
}

impl Fields<'_> {
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.bytes.array::<1>(self.at)?;
        self.at += 1;
        Ok(byte.map(|[byte]| byte))
    }

    /// Returns a number of 1, 2 or 4 bytes, as the last two bits say. `None` where they say 0.
    fn number(&mut self, width: u8) -> io::Result<Option<u32>> {
        let width = [0, 1, 2, 4][usize::from(width & 3)];
        let mut bytes = [0; 4];
        let read = self.bytes.read(self.at, &mut bytes[..width])?;
        self.at += width as u64;
        Ok((width > 0 && read.len() == width).then(|| little_endian(&bytes)))
    }
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// Returns an id as it is in a file: the first three of its five numbers are little-endian.
const fn guid(first: u64, last: u64) -> Guid {
    let a = ((first >> 32) as u32).to_le_bytes();
    let b = ((first >> 16) as u16).to_le_bytes();
    let c = (first as u16).to_le_bytes();
    let d = last.to_be_bytes();
    [
        a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7],
    ]
}
