// SPDX-License-Identifier: MPL-2.0

//! Headers of codecs, which Matroska and others keep apart from the packets. Demuxers and parsers send them ahead of the packets, without a time.

const FLAC: &str = "audio/x-flac";

/// Type of a FLAC metadata block that decoders need: STREAMINFO.
const STREAMINFO: u8 = 0;

/// The bit of the type of a FLAC metadata block that marks the last one.
const LAST_BLOCK: u8 = 0x80;

/// What precedes the first metadata block in a header of FLAC in Ogg.
const FLAC_IN_OGG: (&[u8], usize) = (b"\x7fFLAC", 13);

/// Returns what of a header tells how packets are decoded. `flacparse` adds metadata blocks to the headers of FLAC, and muxers want these.
pub fn essential(media_type: &str, header: &[u8]) -> Vec<u8> {
    if media_type != FLAC {
        return header.to_vec();
    }
    let (mark, length) = FLAC_IN_OGG;
    let block = match header.starts_with(mark) {
        true => header.get(length..).unwrap_or_default(),
        false => header,
    };
    match block.split_first() {
        Some((kind, rest)) if kind & !LAST_BLOCK == STREAMINFO => [&[STREAMINFO], rest].concat(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_flac_only_the_stream_info_counts_wherever_it_is() {
        let of = |header: &[u8]| essential(FLAC, header);
        assert_eq!(of(b"\x80info"), b"\0info");
        assert_eq!(of(b"\0info"), b"\0info");
        assert_eq!(of(b"\x7fFLAC\x01\0\0\x02fLaC\0info"), b"\0info");
        for other in [&b"fLaC"[..], b"\x84comment", b"\x06picture", b""] {
            assert_eq!(of(other), b"");
        }
    }

    #[test]
    fn other_headers_count_as_they_are() {
        assert_eq!(essential("audio/x-vorbis", b"\x05vorbis"), b"\x05vorbis");
    }
}
