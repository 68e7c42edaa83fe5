// SPDX-License-Identifier: MPL-2.0

//! Packets before time 0 of Matroska, as some muxers write them where streams do not begin together. `matroskademux` gives all of them the time 0.

use std::path::Path;

use crate::{media::matroska::blocks, restore::plan::Part};

/// Returns a sentence about each track whose times are lost, of a file of which this part is restored.
pub fn lost(original: &Path, part: Option<Part>) -> Vec<String> {
    if part.is_some_and(|part| part.from > 0) {
        return Vec::new();
    }
    // What cannot be read here, or is no Matroska, has none that are known.
    let early = blocks::early(original).unwrap_or_default();
    let sentence = |(track, early): (u64, blocks::Early)| {
        format!(
            "the times of {} packets of track {track} before 0, which begins at -{:.3} s: they get the time 0",
            early.blocks,
            early.by as f64 / 1e9
        )
    };
    early.into_iter().map(sentence).collect()
}
