// SPDX-License-Identifier: MPL-2.0

//! What JPEG, ProRes, MPEG-2 and MPEG-4 part 2 say about colour.

use super::tags::Tags;
use crate::media::bitstream::BitReader;

/// The European name of BT.601, which JFIF refers to.
const BT601_625: u8 = 5;
const CENTRE: u8 = 1;

/// Returns the tags of a JPEG: BT.601 in full range with centred chroma (JFIF 1.02), unless a comment says that its range is limited, as encoders of
/// FFmpeg do.
pub fn of_jpeg(data: &[u8]) -> Tags {
    let limited = comments(data).any(|comment| comment.starts_with(b"CS=ITU601"));
    let mut tags = Tags::new(Some(!limited), [2, 2, BT601_625]);
    tags.chroma_location = Some(CENTRE);
    tags
}

/// Returns the comments before the first scan (ITU-T T.81, section B.2.4.5).
fn comments(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    const COMMENT: u8 = 0xfe;
    const START_OF_SCAN: u8 = 0xda;
    let mut rest = data.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let &[0xff, marker, high, low, ..] = rest else {
            return None;
        };
        if marker == START_OF_SCAN {
            return None;
        }
        let (segment, after) = rest.split_at_checked(2 + usize::from(u16::from_be_bytes([high, low])))?;
        rest = after;
        Some((marker, segment.get(4..)?))
    })
    .filter(|(marker, _)| *marker == COMMENT)
    .map(|(_, comment)| comment)
}

/// Returns the tags of a ProRes frame (SMPTE RDD 36, section 5.1.1). Its range is always limited.
pub fn of_prores(frame: &[u8]) -> Option<Tags> {
    (frame.get(4..8)? == b"icpf").then_some(())?;
    let &[primaries, transfer, matrix] = frame.get(22..25)? else {
        return None;
    };
    // 0 is "unknown" here.
    let codes = [primaries, transfer, matrix].map(|code| if code == 0 { 2 } else { code });
    Some(Tags::new(Some(false), codes))
}

/// Returns the tags of the sequence display extension of MPEG-2 (ITU-T H.262, section 6.2.2.4). Its range is always limited.
pub fn of_mpeg2(data: &[u8]) -> Tags {
    let unstated = [2; 3];
    let codes = data.windows(8).find_map(|bytes| match *bytes {
        [0, 0, 1, 0xb5, kind, primaries, transfer, matrix] if kind >> 4 == 2 && kind & 1 == 1 => {
            Some([primaries, transfer, matrix])
        }
        _ => None,
    });
    Tags::new(Some(false), codes.unwrap_or(unstated))
}

/// Returns the tags of the visual object header of MPEG-4 part 2 (ISO/IEC 14496-2, section 6.2.2), which may be in front of the frame or in the container. Most
/// state nothing.
pub fn of_mpeg4(headers: &[u8]) -> Option<Tags> {
    const VISUAL_OBJECT: [u8; 4] = [0, 0, 1, 0xb5];
    const VIDEO: u32 = 1;
    const STILL: u32 = 2;
    let start = headers.windows(4).position(|bytes| bytes == VISUAL_OBJECT)?;
    let mut bits = BitReader::new(&headers[start + 4..]);
    if bits.bit()? {
        // Version and priority.
        bits.skip(4 + 3)?;
    }
    let kind = bits.bits(4)?;
    let is_stated = [VIDEO, STILL].contains(&kind) && bits.bit()?;
    if !is_stated {
        return None;
    }
    // The format, such as PAL.
    bits.skip(3)?;
    let full_range = bits.bit()?;
    let mut codes = [2; 3];
    if bits.bit()? {
        for code in &mut codes {
            *code = u8::try_from(bits.bits(8)?).ok()?;
        }
    }
    Some(Tags::new(Some(full_range), codes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mpeg4_states_its_colour_in_the_visual_object_or_nothing() {
        let with = |rest: &[u8]| of_mpeg4(&[&[0, 0, 1, 0xb0, 1, 0, 0, 1, 0xb5], rest].concat());
        // Without an identifier; of video; stated: 0 0001 1 ..., format 5, range, codes 1, 1, 1.
        assert_eq!(
            with(&[0b0000_1110, 0b1110_0000, 0b0010_0000, 0b0010_0000, 0b0010_0000]),
            Some(Tags::new(Some(true), [1; 3]))
        );
        assert_eq!(with(&[0b0000_1110, 0b1000_0000]), Some(Tags::new(Some(false), [2; 3])));
        // With an identifier, as most encoders write it.
        assert_eq!(with(&[0b1000_1001, 0b0001_0000]), None);
        assert_eq!(
            with(&[0b1000_1001, 0b0001_1101, 0b1000_0000]),
            Some(Tags::new(Some(true), [2; 3]))
        );
        assert_eq!(with(&[]), None);
        assert_eq!(of_mpeg4(b"no header"), None);
    }
}
