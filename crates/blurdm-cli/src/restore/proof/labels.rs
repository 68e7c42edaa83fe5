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

const ORIENTATION: &str = "the orientation";

/// The orientation of a picture that is shown as it is.
const UPRIGHT: &str = "rotate-0";
/// The language of a stream of which none is known.
const UNDETERMINED: &str = "und";

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

/// Returns the values of a tag as text: of a file its name, or its type.
fn values<'a>(tags: &'a gst::TagListRef, name: &'a str) -> impl Iterator<Item = String> + 'a {
    (0..tags.size_by_name(name)).filter_map(move |index| {
        let value = tags.index_generic(name, index)?;
        match value.get::<gst::Sample>() {
            Ok(sample) => Some(name_of_file(&sample).unwrap_or_else(|| "without a name".into())),
            Err(_) => value.serialize().ok().map(|text| text.trim_matches('"').to_owned()),
        }
    })
}

fn name_of_file(sample: &gst::Sample) -> Option<String> {
    let name = sample.info().and_then(|info| info.get::<String>("filename").ok());
    name.or_else(|| Some(sample.caps()?.structure(0)?.name().to_string()))
}
