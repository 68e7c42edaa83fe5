// SPDX-License-Identifier: MPL-2.0

//! What WebM can hold, which is less than any other container.

use std::path::Path;

use super::scan::Scan;
use crate::{error::Error, media::encoder::Codec};

/// The muxer of WebM.
pub const MUXER: &str = "webmmux";

/// Whether a file of this name is WebM.
pub fn is_webm(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("webm"))
}

/// Returns the codec of a WebM file: the requested one, else that of the original where WebM can hold it, else VP9.
///
/// # Errors
/// [`Error::Unwritable`] if WebM cannot hold the requested one.
pub fn codec(output: &Path, requested: Option<Codec>, original: Option<Codec>) -> Result<Codec, Error> {
    let holds = |codec: &Codec| matches!(codec, Codec::Vp9 | Codec::Av1);
    match requested {
        Some(codec) if !holds(&codec) => Err(Error::unwritable(
            output,
            format!("WebM cannot hold {codec}, only VP9 and AV1; give another --codec, or name the output .mkv"),
        )),
        Some(codec) => Ok(codec),
        None => Ok(original.filter(holds).unwrap_or(Codec::Vp9)),
    }
}

/// Checks that WebM can hold the sound.
///
/// # Errors
/// [`Error::Unwritable`], with the format of a stream that it cannot hold.
pub fn check_sound(output: &Path, scan: &Scan) -> Result<(), Error> {
    let lost = scan
        .others
        .iter()
        .find(|caps| media_type(caps).starts_with("audio/") && !holds(caps));
    lost.map_or(Ok(()), |caps| {
        let kind = media_type(caps);
        let reason = format!("WebM cannot hold its sound ({kind}), only Opus and Vorbis; name the output .mkv");
        Err(Error::unwritable(output, reason))
    })
}

fn holds(caps: &gst::Caps) -> bool {
    let templates = gst::ElementFactory::find(MUXER).map(|factory| factory.static_pad_templates());
    let accepts = |template: gst::StaticPadTemplate| {
        template.direction() == gst::PadDirection::Sink && template.caps().can_intersect(caps)
    };
    templates.is_some_and(|templates| templates.into_iter().any(accepts))
}

fn media_type(caps: &gst::Caps) -> &str {
    caps.structure(0).map_or("unknown", |first| first.name().as_str())
}
