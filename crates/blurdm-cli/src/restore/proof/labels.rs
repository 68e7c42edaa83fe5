// SPDX-License-Identifier: MPL-2.0

//! What a file says about itself and its streams: titles, languages, attachments, chapters, orientation. Muxers leave out some of it.

use gst::prelude::*;

/// The tags that are compared, and what they are called in messages. Others describe the coding, or change with every muxer.
const NAMES: [(&str, &str); 14] = [
    ("image-orientation", ORIENTATION),
    ("attachment", "the attachment"),
    ("image", "the cover"),
    ("preview-image", "the preview picture"),
    ("title", "the title"),
    ("language-code", "the language"),
    ("artist", "the artist"),
    ("album", "the album"),
    ("comment", "the comment"),
    ("description", "the description"),
    ("copyright", "the copyright notice"),
    ("datetime", "the time of recording"),
    ("geo-location-latitude", "the latitude"),
    ("geo-location-longitude", "the longitude"),
];

/// Those that are pictures.
const PICTURES: [&str; 2] = ["image", "preview-image"];

const ORIENTATION: &str = "the orientation";

/// The orientation of a picture that is shown as it is.
const UPRIGHT: &str = "rotate-0";
/// The language of a stream of which none is known.
pub const UNDETERMINED: &str = "und";

/// Returns what an event says, in words.
pub fn labels(event: &gst::EventRef) -> Vec<String> {
    match event.view() {
        gst::EventView::Tag(event) => NAMES
            .iter()
            .flat_map(|(tag, name)| values(event.tag(), tag).map(move |value| format!("{name} '{value}'")))
            .filter(|label| {
                [UPRIGHT, UNDETERMINED]
                    .iter()
                    .all(|empty| !label.ends_with(&format!("'{empty}'")))
            })
            .collect(),
        gst::EventView::Toc(event) => {
            let entries = event.toc().0.entries();
            let chapters: usize = entries.iter().map(|entry| entry.sub_entries().len().max(1)).sum();
            vec![format!("{chapters} chapters")]
        }
        _ => Vec::new(),
    }
}

/// Whether a label is about the orientation.
pub fn is_orientation(label: &str) -> bool {
    label.starts_with(ORIENTATION)
}

/// Returns the values of a tag as text: of a picture its type and size, since not every container has names for them, and of another file its name or its type.
fn values<'a>(tags: &'a gst::TagListRef, name: &'a str) -> impl Iterator<Item = String> + 'a {
    (0..tags.size_by_name(name)).filter_map(move |index| {
        let value = tags.index_generic(name, index)?;
        match value.get::<gst::Sample>() {
            Ok(sample) if PICTURES.contains(&name) => picture(&sample),
            Ok(sample) => Some(name_of_file(&sample).unwrap_or_else(|| "without a name".into())),
            Err(_) => value.serialize().ok().map(|text| text.trim_matches('"').to_owned()),
        }
    })
}

fn picture(sample: &gst::Sample) -> Option<String> {
    let kind = sample.caps()?.structure(0)?.name();
    Some(format!("{kind}, {} bytes", sample.buffer()?.size()))
}

fn name_of_file(sample: &gst::Sample) -> Option<String> {
    let name = sample.info().and_then(|info| info.get::<String>("filename").ok());
    name.or_else(|| Some(sample.caps()?.structure(0)?.name().to_string()))
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Of a picture of this many bytes, in Matroska with the name of a file and in MP4 without one.
    fn cover(size: usize, file: Option<&str>) -> Vec<String> {
        let buffer = gst::Buffer::with_size(size).unwrap();
        let caps = gst::Caps::builder("image/jpeg").build();
        let info = gst::Structure::builder("GstTagAttachmentInfo").field("filename", file);
        let sample = gst::Sample::builder().buffer(&buffer).caps(&caps).info(info.build());
        let mut tags = gst::TagList::new();
        tags.make_mut()
            .add::<gst::tags::Image>(&sample.build(), gst::TagMergeMode::Append);
        labels(&gst::event::Tag::new(tags))
    }

    #[test]
    fn covers_are_compared_by_what_they_are_and_not_by_a_name_that_some_containers_lack() {
        gst::init().unwrap();
        assert_eq!(cover(100, Some("cover.jpg")), ["the cover 'image/jpeg, 100 bytes'"]);
        assert_eq!(cover(100, Some("cover.jpg")), cover(100, None));
        assert_ne!(cover(101, None), cover(100, None));
    }
}
