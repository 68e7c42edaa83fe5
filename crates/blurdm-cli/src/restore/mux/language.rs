// SPDX-License-Identifier: MPL-2.0

//! The language of streams that state none. What that means depends on the container: in Matroska and WebM it is English (RFC 9559, section 5.1.4.1.19), and
//! in all others it is not known. GStreamer passes on only what is stated.

use gst::prelude::*;

use crate::restore::proof::UNDETERMINED;

const OF_MATROSKA: &str = "eng";

/// Makes the streams of `mux` that get no language have that which the original means by stating none.
pub fn assume(mux: &gst::Element, is_matroska: bool, is_original_matroska: bool) {
    let language = match is_original_matroska {
        true => OF_MATROSKA,
        false => UNDETERMINED,
    };
    mux.connect_pad_added(move |_, pad| {
        if pad.direction() != gst::PadDirection::Sink {
            return;
        }
        if is_matroska {
            // It is written ahead of the first frame. The tags of a stream take its place.
            state(pad, language);
            return;
        }
        // The muxer of MP4 forgets what comes before the caps.
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
            if !has_language(pad) {
                state(pad, language);
            }
            gst::PadProbeReturn::Remove
        });
    });
}

fn state(pad: &gst::Pad, language: &str) {
    let mut tags = gst::TagList::new();
    tags.make_mut()
        .add::<gst::tags::LanguageCode>(&language, gst::TagMergeMode::Replace);
    pad.send_event(gst::event::Tag::new(tags));
}

fn has_language(pad: &gst::Pad) -> bool {
    let mut is_stated = false;
    pad.sticky_events_foreach(|event| {
        if let gst::EventView::Tag(event) = event.view() {
            is_stated |= event.tag().get::<gst::tags::LanguageCode>().is_some();
        }
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    is_stated
}
