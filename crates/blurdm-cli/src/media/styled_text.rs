// SPDX-License-Identifier: MPL-2.0

//! Subtitles with styles (SubStation Alpha).

/// Whether a stream of this media type is such.
pub fn is_styled(media: &str) -> bool {
    ["application/x-ass", "application/x-ssa"].contains(&media)
}
