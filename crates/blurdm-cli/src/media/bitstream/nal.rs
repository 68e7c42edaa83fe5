// SPDX-License-Identifier: MPL-2.0

//! NAL units of H.264 and H.265 (ITU-T H.264, annex B; ITU-T H.265, annex B).

/// Returns the NAL units of an access unit that has a size of so many bytes in front of each, as in MP4 and Matroska.
pub fn after_sizes(data: &[u8], bytes: usize) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut rest = data;
    while let Some((unit, after)) = sized(rest, bytes) {
        units.push(unit);
        rest = after;
    }
    units
}

/// Returns the NAL units of an access unit with start codes.
pub fn after_start_codes(data: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..data.len().saturating_sub(2))
        .filter(|&at| data[at..at + 3] == [0, 0, 1])
        .collect();
    let ends = starts.iter().skip(1).copied().chain([data.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| &data[start + 3..end])
        .collect()
}

/// Splits off what follows a big-endian size of `bytes` bytes, with the rest.
fn sized(data: &[u8], bytes: usize) -> Option<(&[u8], &[u8])> {
    let (size, rest) = data.split_at_checked(bytes)?;
    let size = size.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
    rest.split_at_checked(size)
}

/// Returns the sequence and picture parameter sets of an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, section 5.3.3.1).
pub fn in_avcc(record: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut rest = record.get(5..).unwrap_or_default();
    // Of the number of sequence parameter sets, the upper bits are reserved.
    for mask in [0x1f, 0xff] {
        let Some((count, after)) = rest.split_first() else {
            break;
        };
        rest = after;
        for _ in 0..count & mask {
            let Some((unit, after)) = sized(rest, 2) else {
                return units;
            };
            units.push(unit);
            rest = after;
        }
    }
    units
}

/// Returns the NAL units of an `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15, section 8.3.3.1).
pub fn in_hvcc(record: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let arrays = record.get(22).copied().unwrap_or(0);
    let mut rest = record.get(23..).unwrap_or_default();
    for _ in 0..arrays {
        let &[_, high, low, ..] = rest else { break };
        rest = &rest[3..];
        for _ in 0..u16::from_be_bytes([high, low]) {
            let Some((unit, after)) = sized(rest, 2) else {
                return units;
            };
            units.push(unit);
            rest = after;
        }
    }
    units
}

/// Returns the payload of a NAL unit without the bytes that keep start codes out of it.
pub fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

/// Returns the bytes of a NAL unit, in which nothing looks like a start code.
fn with_emulation_prevention(head: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut unit = head.to_vec();
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

/// Returns an access unit with start codes in which parameter sets are replaced: `new` returns the header and the new payload of one, and `None` for
/// another unit. `None` where there is none.
pub fn with_parameter_sets<'a>(
    data: &'a [u8],
    new: impl Fn(&'a [u8]) -> Option<(&'a [u8], Vec<u8>)>,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len() + 64);
    let mut replaced = false;
    for unit in after_start_codes(data) {
        out.extend([0, 0, 0, 1]);
        match new(unit) {
            Some((head, payload)) => {
                out.extend(with_emulation_prevention(head, &payload));
                replaced = true;
            }
            None => out.extend(unit),
        }
    }
    replaced.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_start_code_is_escaped_and_unescaped() {
        let payload = [0, 0, 1, 0, 0, 0, 0, 3, 7, 0, 0];
        let unit = with_emulation_prevention(&[0x67], &payload);
        assert_eq!(unit, [0x67, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 7, 0, 0]);
        assert_eq!(without_emulation_prevention(&unit[1..]), payload);
    }
}
