// SPDX-License-Identifier: MPL-2.0

//! A finished piece of the restored video, as GStreamer's `mp4mux` wrote it.

use std::path::{Path, PathBuf};

use super::{
    Movie, Mp4Error,
    table::{Sizes, Times, sync_samples},
};

/// Encoded frames. Of their times only the order counts.
#[derive(Debug)]
pub struct Segment {
    pub path: PathBuf,
    /// The sample entry, a whole box.
    pub entry: Vec<u8>,
    /// In decoding order.
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// In the segment's file.
    pub offset: u64,
    /// In bytes.
    pub size: u32,
    /// Whether decoding can begin here.
    pub sync: bool,
    /// Place in the order of display, from 0.
    pub rank: usize,
}

impl Segment {
    /// # Errors
    /// As for [`Movie::open`] and [`Movie::video`]. And where decoding could not begin with its first frame, where it changes its sample entry,
    /// or where two frames have one time.
    pub fn open(path: &Path) -> Result<Self, Mp4Error> {
        let movie = Movie::open(path)?;
        let video = movie.video()?;
        let damaged = |reason: String| Mp4Error::damaged(path, reason);
        let track = &movie.tracks[video.index];
        let stbl = movie
            .trak(video.index)
            .and_then(|trak| trak.at(&[b"mdia", b"minf", b"stbl"]));
        let stbl = stbl.ok_or_else(|| damaged("it has no sample tables".into()))?;
        let [entry] = track.entries.as_slice() else {
            return Err(Mp4Error::unsupported(path, "it has more than one sample entry"));
        };
        let sizes = Sizes::read(stbl).map_err(damaged)?;
        let times = Times::read(stbl, track.samples).map_err(damaged)?;
        let sync = sync_samples(stbl, track.samples).map_err(damaged)?;
        if sync.first() != Some(&true) {
            return Err(Mp4Error::unsupported(path, "it does not begin with a key frame"));
        }
        let ranks =
            ranks(&times.composition).ok_or_else(|| Mp4Error::unsupported(path, "two of its frames have one time"))?;
        let mut samples = Vec::with_capacity(track.samples);
        for chunk in &track.chunks {
            let mut offset = chunk.offset;
            for number in chunk.first..chunk.first + chunk.samples {
                let size = sizes.get(number);
                samples.push(Sample {
                    offset,
                    size,
                    sync: sync[number],
                    rank: ranks[number],
                });
                offset += u64::from(size);
            }
        }
        Ok(Self {
            path: path.into(),
            entry: entry.bytes.clone(),
            samples,
        })
    }
}

/// Place of each time among all of them. None where two are equal.
fn ranks(times: &[i64]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&number| times[number]);
    if order.windows(2).any(|pair| times[pair[0]] == times[pair[1]]) {
        return None;
    }
    let mut ranks = vec![0; times.len()];
    for (rank, number) in order.into_iter().enumerate() {
        ranks[number] = rank;
    }
    Some(ranks)
}
