// SPDX-License-Identifier: MPL-2.0

//! Supplemental enhancement information, as far as it is about HDR10. H.264 and H.265 share it (ITU-T H.264, section 7.3.2.3.1 and annex D; ITU-T H.265,
//! section 7.3.5 and annex D).

use super::hdr::{ContentLight, Hdr, MasteringDisplay};

const MASTERING_DISPLAY: usize = 137;
const CONTENT_LIGHT: usize = 144;

/// Reads the messages of a NAL unit, which is without its header and without the bytes that keep start codes out of it.
pub fn read(unit: &[u8]) -> Hdr {
    let mut found = Hdr::default();
    let mut rest = unit;
    while let Some((kind, after)) = number(rest)
        && let Some((size, after)) = number(after)
        && let Some((payload, after)) = after.split_at_checked(size)
    {
        match kind {
            MASTERING_DISPLAY => found.mastering = payload.first_chunk().map(MasteringDisplay::from_mdcv),
            CONTENT_LIGHT => {
                found.light = payload.first_chunk().map(|&[a, b, c, d]| ContentLight {
                    maximum: u16::from_be_bytes([a, b]),
                    average: u16::from_be_bytes([c, d]),
                });
            }
            _ => {}
        }
        rest = after;
    }
    found
}

/// Reads a number: bytes of 255 and another one, which are added.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let full = bytes.iter().take_while(|&&byte| byte == 0xff).count();
    let last = *bytes.get(full)?;
    Some((full * 0xff + usize::from(last), &bytes[full + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_behind_others_and_cut_ones_are_none() {
        let other = [&[5, 0xff, 1][..], &[7; 256]].concat();
        let light = [144, 4, 3, 0xe8, 1, 0x90, 0x80];
        let unit = [&other[..], &light].concat();
        let expected = ContentLight {
            maximum: 1000,
            average: 400,
        };
        assert_eq!(read(&unit).light, Some(expected));
        for end in 0..unit.len() - 1 {
            assert_eq!(read(&unit[..end]), Hdr::default(), "{end}");
        }
    }
}
