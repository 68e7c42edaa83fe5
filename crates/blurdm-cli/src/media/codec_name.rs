// SPDX-License-Identifier: MPL-2.0

//! Codecs that GStreamer has no media type for. Demuxers tell them by what the container calls them.

/// What the media types of `qtdemux` begin with: the code follows.
const FOURCC_TYPE: &str = "video/x-gst-fourcc-";
/// What is in the names of all other such media types, as in `video/x-unknown`, `video/x-avi-unknown` and `video/x-asf-unknown`.
const UNKNOWN: &str = "unknown";

/// Returns what the container calls the codec of a video, if GStreamer has no media type for that: its codec ID, its FourCC, or both.
pub fn of_unknown(caps: &gst::CapsRef) -> Option<String> {
    let first = caps.structure(0)?;
    let media = first.name().as_str();
    if let Some(code) = media.strip_prefix(FOURCC_TYPE) {
        return Some(format!("FourCC '{code}'"));
    }
    if !media.contains(UNKNOWN) {
        return None;
    }
    let id = first.get::<&str>("codec-id").ok().map(|id| format!("codec ID {id}"));
    let text = first.get::<&str>("fourcc").ok().map(str::to_owned);
    let code = text.or_else(|| first.get::<i32>("fourcc").ok().map(text_of));
    let code = code.map(|code| format!("FourCC '{code}'"));
    let names: Vec<String> = id.into_iter().chain(code).collect();
    Some(match names.is_empty() {
        true => media.to_owned(),
        false => names.join(", "),
    })
}

/// Returns the characters of a FourCC, the first one in the lowest byte. Those that cannot be shown are in hexadecimal.
fn text_of(code: i32) -> String {
    let bytes = code.to_le_bytes();
    bytes
        .iter()
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_codec_without_a_media_type_is_named_as_in_its_container() {
        gst::init().unwrap();
        for (caps, name) in [
            (
                "video/x-unknown, codec-id=(string)V_QUICKTIME",
                Some("codec ID V_QUICKTIME"),
            ),
            (
                "video/x-unknown, codec-id=(string)V_MS/VFW/FOURCC, fourcc=(string)FFVH",
                Some("codec ID V_MS/VFW/FOURCC, FourCC 'FFVH'"),
            ),
            ("video/x-avi-unknown, fourcc=(int)1213613638", Some("FourCC 'FFVH'")),
            (
                "video/x-avi-unknown, fourcc=(int)1",
                Some("FourCC '\\x01\\x00\\x00\\x00'"),
            ),
            ("video/x-gst-fourcc-AVdh, width=(int)256", Some("FourCC 'AVdh'")),
            ("video/x-asf-unknown", Some("video/x-asf-unknown")),
            ("video/x-h264", None),
        ] {
            let caps: gst::Caps = caps.parse().unwrap();
            assert_eq!(of_unknown(&caps).as_deref(), name, "{caps}");
        }
    }
}
