// SPDX-License-Identifier: MPL-2.0

//! Headers of codecs, which Matroska and others keep apart from the packets. Demuxers and parsers send them ahead of the packets, without a time.

use gst::prelude::*;

const FLAC: &str = "audio/x-flac";

const OPUS: &str = "audio/x-opus";

/// The gain for the output in the header of Opus, little endian (RFC 7845, 5.1).
const OPUS_GAIN: std::ops::Range<usize> = 16..18;

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

/// Whether the headers of a codec are compared by what the caps say. Those of Opus are: its packets can be decoded without, MPEG-TS stores none, and
/// muxers write others of their own, with another name of the program and without its tags.
pub fn is_in_caps(media_type: &str) -> bool {
    media_type == OPUS
}

/// Returns what caps say in place of headers: of Opus the layout of the channels, and the gain. A container that stores no gain means none. How many
/// samples players skip at the start is not compared: demuxers count it in the times, and MPEG-TS stores it otherwise.
pub fn of_caps(caps: &gst::CapsRef) -> String {
    let Some(first) = caps.structure(0).filter(|first| is_in_caps(first.name())) else {
        return String::new();
    };
    let counts = ["channels", "channel-mapping-family", "stream-count", "coupled-count"];
    let counts = counts.map(|name| first.get::<i32>(name).unwrap_or_default());
    let mapping = first
        .value("channel-mapping")
        .ok()
        .and_then(|mapping| mapping.serialize().ok());
    format!("{counts:?} {} {:?}", mapping.unwrap_or_default(), gain(first))
}

fn gain(opus: &gst::StructureRef) -> [u8; 2] {
    let gain = || {
        let headers = opus.get::<gst::ArrayRef>("streamheader").ok()?;
        let header: gst::Buffer = headers.as_slice().first()?.get().ok()?;
        header.map_readable().ok()?.get(OPUS_GAIN)?.try_into().ok()
    };
    gain().unwrap_or_default()
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
