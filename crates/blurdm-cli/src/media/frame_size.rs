// SPDX-License-Identifier: MPL-2.0

//! The sizes of frames that the element takes.

/// Returns why frames of this size cannot be restored, as a part of a sentence. `None` where they can.
pub fn refusal(width: i32, height: i32) -> Option<String> {
    let templates = gst::ElementFactory::find("blurdm")?.static_pad_templates();
    let template = templates
        .into_iter()
        .find(|template| template.direction() == gst::PadDirection::Sink)?;
    let caps = template.caps();
    let first = caps.structure(0)?;
    let range = |side| first.get::<gst::IntRange<i32>>(side).ok();
    let (widths, heights) = (range("width")?, range("height")?);
    let is_taken = (widths.min()..=widths.max()).contains(&width) && (heights.min()..=heights.max()).contains(&height);
    (!is_taken).then(|| {
        format!(
            "its frames have {width}x{height} pixels, and the model takes {}x{} to {}x{}; scale it before",
            widths.min(),
            heights.min(),
            widths.max(),
            heights.max()
        )
    })
}
