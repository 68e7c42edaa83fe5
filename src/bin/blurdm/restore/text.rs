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

/// Where a stream is markup by its caps, turns that back into text on its way through `to`, and returns the caps that it has there.
pub fn as_it_was(caps: &gst::CapsRef, to: &gst::Pad) -> Option<gst::Caps> {
    let first = caps.structure(0)?;
    // Which of the two it is to be is not settled before the first packet; of text that is plain already nothing is changed.
    if first.name() != "text/x-raw" || first.get::<&str>("format") == Ok("utf8") {
        return None;
    }
    let plain = gst::Caps::builder("text/x-raw").field("format", "utf8").build();
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    let told = plain.clone();
    to.add_probe(what, move |_, info| {
        match &mut info.data {
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Caps => {
                *event = gst::event::Caps::new(&told);
            }
            Some(gst::PadProbeData::Buffer(buffer)) => {
                if let Some(text) = unmarked(buffer) {
                    *buffer = text;
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    Some(plain)
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
