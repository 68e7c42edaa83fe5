// SPDX-License-Identifier: MPL-2.0

//! Subtitles. Demuxers output plain text as Pango markup, which muxers do not accept.

use gst::prelude::*;

/// Character entities and the characters that they stand for.
const ENTITIES: [(&str, &str); 6] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

/// Returns an element that converts markup back to plain text, and the caps of its output. `None` where the stream is not markup.
///
/// # Errors
/// An element of GStreamer's own is missing.
pub fn plain_text_converter(caps: &gst::CapsRef) -> Result<Option<(gst::Element, gst::Caps)>, gst::glib::BoolError> {
    // The caps may still allow both formats before the first buffer. Text that is already plain is not changed.
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
            if let Some(text) = info.buffer().and_then(unescaped) {
                info.data = Some(gst::PadProbeData::Buffer(text));
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(Some((setter, plain)))
}

/// Returns the text of a buffer without entities. `None` where there are none, or where the text has tags of its own.
fn unescaped(buffer: &gst::Buffer) -> Option<gst::Buffer> {
    let map = buffer.map_readable().ok()?;
    let markup = std::str::from_utf8(&map).ok()?;
    if markup.contains('<') || !markup.contains('&') {
        return None;
    }
    let text = ENTITIES.iter().fold(markup.to_owned(), |text, (entity, character)| {
        text.replace(entity, character)
    });
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
