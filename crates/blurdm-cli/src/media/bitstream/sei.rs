// SPDX-License-Identifier: MPL-2.0

//! Supplemental enhancement information. H.264 and H.265 share its form (ITU-T H.264, section 7.3.2.3.1; ITU-T H.265, section 7.3.5).

/// Returns the types and payloads of the messages of a NAL unit, which is without its header and without the bytes that keep start codes out of it.
pub fn messages(unit: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut messages = Vec::new();
    let mut rest = unit;
    while let Some((kind, after)) = number(rest)
        && let Some((size, after)) = number(after)
        && let Some((payload, after)) = after.split_at_checked(size)
    {
        messages.push((kind, payload.to_vec()));
        rest = after;
    }
    messages
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
        assert_eq!(
            messages(&unit),
            [(5, [7; 256].to_vec()), (144, [3, 0xe8, 1, 0x90].to_vec())]
        );
        for end in 0..unit.len() - 1 {
            let kinds: Vec<usize> = messages(&unit[..end]).into_iter().map(|(kind, _)| kind).collect();
            assert!(kinds.is_empty() || kinds == [5], "{end}: {kinds:?}");
        }
    }
}
