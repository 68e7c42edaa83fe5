// SPDX-License-Identifier: MPL-2.0

//! Subtitles as they were in the file: demuxers hand plain text on as Pango's markup, which muxers do not take.

use gst::prelude::*;

/// What XML has other signs for.
const ESCAPED: [(&str, &str); 6] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

/// An element that turns a stream that is markup by its caps back into text, and the caps behind it; none where there is nothing to turn back.
///
/// # Errors
/// Where GStreamer lacks one of its own elements.
pub fn as_it_was(caps: &gst::CapsRef) -> Result<Option<(gst::Element, gst::Caps)>, gst::glib::BoolError> {
    // Which of the two it is to be is not settled before the first packet; of text that is plain already nothing is changed.
    let text = caps.structure(0).filter(|first| first.name() == "text/x-raw");
    if text.is_none_or(|text| text.get::<&str>("format") == Ok("utf8")) {
        return Ok(None);
    }
    let plain = gst::Caps::builder("text/x-raw").field("format", "utf8").build();
    let setter = gst::ElementFactory::make("capssetter")
        .property("caps", &plain)
        .property("replace", true)
        .build()?;
    if let Some(src) = setter.static_pad("src") {
        src.add_probe(gst::PadProbeType::BUFFER, |_, info| {
            if let Some(text) = info.buffer().and_then(unmarked) {
                info.data = Some(gst::PadProbeData::Buffer(text));
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(Some((setter, plain)))
}

/// Text that was escaped, as it was; none where it was not, since it holds tags of its own, or needed none.
fn unmarked(buffer: &gst::Buffer) -> Option<gst::Buffer> {
    let map = buffer.map_readable().ok()?;
    let marked = std::str::from_utf8(&map).ok()?;
    if marked.contains('<') || !marked.contains('&') {
        return None;
    }
    let text = ESCAPED
        .iter()
        .fold(marked.to_owned(), |text, (sign, letter)| text.replace(sign, letter));
    let mut plain = gst::Buffer::from_mut_slice(text.into_bytes());
    buffer
        .copy_into(
            plain.get_mut()?,
            gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS,
            ..,
        )
        .ok()?;
    Some(plain)
}
