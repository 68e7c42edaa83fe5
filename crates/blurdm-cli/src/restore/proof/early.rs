// SPDX-License-Identifier: MPL-2.0

//! Packets before time 0 of Matroska, as some muxers write them where streams do not begin together. `matroskademux` gives all of them the time 0.

use super::Expected;
use crate::media::matroska::blocks;

/// Returns a sentence about each track whose times are lost, of a file that is restored from its beginning.
pub fn lost(expected: &Expected) -> Vec<String> {
    if expected.part.is_some_and(|part| part.from > 0) {
        return Vec::new();
    }
    // What cannot be read here, or is no Matroska, has none that are known.
    let early = blocks::early(expected.original).unwrap_or_default();
    let sentence = |(track, early): (u64, blocks::Early)| {
        format!(
            "the times of {} packets of track {track} before 0, which begins at -{:.3} s: they get the time 0",
            early.blocks,
            early.by as f64 / 1e9
        )
    };
    early.into_iter().map(sentence).collect()
}
