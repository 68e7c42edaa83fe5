// SPDX-License-Identifier: MPL-2.0

//! Keeping the flags of tracks, by which players choose what they show unasked.

use std::{collections::BTreeMap, path::Path};

use crate::media::matroska::track_flags::{self, TrackFlags};

/// A stream of the original that is in the new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStream {
    /// What the demuxer calls it.
    pub id: String,
    /// Whether players show it unasked.
    pub enabled: bool,
}

impl KeptStream {
    /// Returns the number of a Matroska track, whose id has its UID as well.
    fn number(&self) -> &str {
        self.id.split(':').next().unwrap_or_default()
    }
}

/// Gives the tracks of a new file, which are those of `streams` in their order, the flags of the original. Returns what cannot be kept of them.
/// `writable`: whether the new file is Matroska.
pub fn keep(original: &Path, streams: &[KeptStream], file: &Path, writable: bool) -> Vec<String> {
    let stated = track_flags::read(original).unwrap_or_default();
    let of_stream = |stream: &KeptStream| {
        let stated = stream.number().parse().ok().and_then(|number| stated.get(&number));
        match (stated, stream.enabled) {
            (Some(flags), _) => flags.clone(),
            (None, true) => TrackFlags::default(),
            (None, false) => TrackFlags::not_default(),
        }
    };
    let flags: BTreeMap<u64, TrackFlags> = (1..).zip(streams.iter().map(of_stream)).collect();
    if writable && track_flags::write(file, &flags).unwrap_or(false) {
        return Vec::new();
    }
    let lost = streams.iter().zip(flags.values());
    lost.flat_map(|(stream, flags)| {
        let number = stream.number();
        flags.names().map(move |name| format!("that stream {number} is {name}"))
    })
    .collect()
}
