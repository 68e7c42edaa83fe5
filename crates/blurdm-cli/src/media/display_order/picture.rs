// SPDX-License-Identifier: MPL-2.0

//! The types of coded pictures: MPEG-1 and MPEG-2 (ISO/IEC 13818-2, section 6.2.3), and MPEG-4 part 2 (ISO/IEC 14496-2, sections 6.2.3 and 6.2.5).

use crate::media::bitstream::{BitReader, codec_data, nal};

/// Codes after the start code prefix.
const PICTURE: u8 = 0x00;
const VOP: u8 = 0xb6;
const VOL: std::ops::RangeInclusive<u8> = 0x20..=0x2f;

const EXTENDED_ASPECT_RATIO: u32 = 15;
const RECTANGULAR: u32 = 0;
/// Bits of the parameters of the buffer in the header of MPEG-4.
const VBV: usize = 79;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// An I- or P-frame, which others refer to.
    Reference,
    Bidirectional,
    /// Nothing is coded. Encoders write such a frame where one is left out, and behind two frames that are packed into one chunk.
    None,
}

/// Reads the pictures of a stream.
#[derive(Debug)]
pub enum Pictures {
    /// MPEG-1 and MPEG-2.
    Mpeg2,
    /// MPEG-4 part 2. Number of bits of a time, once the header has come.
    Mpeg4(Option<u32>),
}

impl Pictures {
    /// Returns what reads a stream with these caps. `None` where it is no MPEG video.
    pub fn of(caps: &gst::CapsRef) -> Option<Self> {
        let first = caps.structure(0)?;
        let version: Option<i32> = first.get("mpegversion").ok();
        match first.name().as_str() {
            // Before the first packet a parser states both versions.
            "video/mpeg" if version.is_none_or(|version| version < 4) => Some(Self::Mpeg2),
            "video/mpeg" | "video/x-divx" | "video/x-xvid" => {
                let header = codec_data(first);
                Some(Self::Mpeg4(header.and_then(|header| time_bits_in(&header))))
            }
            _ => None,
        }
    }

    /// Returns where the second picture of a chunk begins.
    pub fn second(&self, chunk: &[u8]) -> Option<usize> {
        let begins = |window: &[u8]| window == [0, 0, 1, VOP];
        let mut pictures = (0..).zip(chunk.windows(4)).filter(|(_, window)| begins(window));
        let second = pictures.nth(1).map(|(at, _)| at);
        second.filter(|_| matches!(self, Self::Mpeg4(_)))
    }

    /// Returns the type of the first picture in a frame.
    pub fn read(&mut self, frame: &[u8]) -> Option<Picture> {
        match self {
            Self::Mpeg2 => {
                let picture = unit(frame, |code| code == PICTURE)?;
                let kind = picture.get(1)? >> 3 & 7;
                Some(if kind == 3 {
                    Picture::Bidirectional
                } else {
                    Picture::Reference
                })
            }
            Self::Mpeg4(time_bits) => {
                *time_bits = time_bits_in(frame).or(*time_bits);
                let mut vop = BitReader::new(unit(frame, |code| code == VOP)?);
                let kind = vop.bits(2)?;
                if kind == 2 {
                    return Some(Picture::Bidirectional);
                }
                Some(match time_bits.map(|bits| is_coded(&mut vop, bits)) {
                    Some(Some(false)) => Picture::None,
                    _ => Picture::Reference,
                })
            }
        }
    }
}

/// Returns what follows the first start code that is wanted.
fn unit(data: &[u8], is_wanted: impl Fn(u8) -> bool) -> Option<&[u8]> {
    let units = nal::after_start_codes(data).into_iter();
    let mut wanted = units.filter_map(|unit| unit.split_first().filter(|(code, _)| is_wanted(**code)));
    wanted.next().map(|(_, rest)| rest)
}

/// Reads on in the header of a frame after its type.
fn is_coded(vop: &mut BitReader, time_bits: u32) -> Option<bool> {
    while vop.bit()? {}
    // Between markers, the time within the second.
    vop.skip(1 + time_bits as usize + 1)?;
    vop.bit()
}

/// Returns the number of bits of a time, if there is a header of the stream.
fn time_bits_in(data: &[u8]) -> Option<u32> {
    let mut header = BitReader::new(unit(data, |code| VOL.contains(&code))?);
    header.skip(1 + 8)?;
    if header.bit()? {
        header.skip(4 + 3)?;
    }
    if header.bits(4)? == EXTENDED_ASPECT_RATIO {
        header.skip(16)?;
    }
    if header.bit()? {
        header.skip(2 + 1)?;
        if header.bit()? {
            header.skip(VBV)?;
        }
    }
    if header.bits(2)? != RECTANGULAR {
        return None;
    }
    header.skip(1)?;
    let resolution = header.bits(16)?;
    Some((u32::BITS - resolution.saturating_sub(1).leading_zeros()).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header that FFmpeg's encoder wrote, of 25 units of time per second.
    const HEADER: &[u8] =
        b"\0\0\x01\xb0\xf1\0\0\x01\xb5\xa9\x13\0\0\x01\0\0\0\x01\x20\x08\xd4\x8d\x08\0\xcd\x03\x04\x08\x14\x10\x3f";

    #[test]
    fn pictures_are_known_by_their_headers() {
        assert_eq!(time_bits_in(HEADER), Some(5));
        let mut pictures = Pictures::Mpeg4(None);
        // The type, no further second, and between markers the time 1.
        for (frame, kind) in [
            (&b"\0\0\x01\xb6\x50\x61\x0f"[..], Some(Picture::Reference)),
            (b"\0\0\x01\xb6\x90\x61", Some(Picture::Bidirectional)),
            (b"\0\0\x01\xb6", None),
            (b"", None),
        ] {
            assert_eq!(pictures.read(frame), kind, "{frame:?}");
        }
        assert_eq!(pictures.read(HEADER), None);
        // 01 0 1 00001 1 0
        assert_eq!(pictures.read(b"\0\0\x01\xb6\x50\xdf"), Some(Picture::None));
        assert_eq!(pictures.read(b"\0\0\x01\xb6\x50\xff"), Some(Picture::Reference));
    }
}
