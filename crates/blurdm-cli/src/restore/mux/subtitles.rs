// SPDX-License-Identifier: MPL-2.0

//! Subtitles. Demuxers output plain text as Pango markup, which muxers do not accept. Those with styles are kept as plain text where the container has no such.

use gst::prelude::*;

use crate::{media::styled_text, restore::proof};

/// Character entities and the characters that they stand for.
const ENTITIES: [(&str, &str); 6] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

/// How a muxer gets the text of subtitles.
pub struct PlainText {
    pub converters: Vec<gst::Element>,
    /// The caps of their output.
    pub caps: gst::Caps,
    pub loses_styles: bool,
}

/// Returns what is lost of subtitles with styles where only their text is kept. `None` for all other streams.
pub fn lost_styles(caps: &gst::CapsRef) -> Option<String> {
    let media = caps.structure(0)?.name();
    styled_text::is_styled(media).then(|| format!("the styles of {}", proof::description(media)))
}

/// Returns what makes plain text of a stream. `None` where it is neither markup nor has styles that the muxer, which `holds_styles` tells, cannot hold.
///
/// # Errors
/// An element of GStreamer's own is missing.
pub fn plain_text(caps: &gst::CapsRef, holds_styles: bool) -> Result<Option<PlainText>, gst::glib::BoolError> {
    if holds_styles || lost_styles(caps).is_none() {
        let converter = plain_text_converter(caps)?;
        return Ok(converter.map(|(converter, caps)| PlainText {
            converters: vec![converter],
            caps,
            loses_styles: false,
        }));
    }
    // It passes on the text of a line without its codes, as markup.
    let parser = gst::ElementFactory::make("ssaparse").build()?;
    let markup = gst::Caps::builder("text/x-raw").field("format", "pango-markup").build();
    Ok(plain_text_converter(&markup)?.map(|(converter, caps)| PlainText {
        converters: vec![parser, converter],
        caps,
        loses_styles: true,
    }))
}

/// Returns an element that converts markup back to plain text, and the caps of its output. `None` where the stream is not markup.
fn plain_text_converter(caps: &gst::CapsRef) -> Result<Option<(gst::Element, gst::Caps)>, gst::glib::BoolError> {
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
