// SPDX-License-Identifier: MPL-2.0

//! Segments: finished pieces of the new video, each an MP4 file of its own.

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    movie::Movie,
    sample_table::{Sizes, Times, sync_samples},
};
use crate::{Error, ReadAt};

/// Encoded frames, as GStreamer's `mp4mux` writes them. Only the order of their times is used.
pub struct Segment {
    path: PathBuf,
    /// Where the samples are, unless they are in the file `path`.
    memory: Option<Arc<dyn ReadAt + Send + Sync>>,
    /// The sample entry, a complete box.
    entry: Vec<u8>,
    samples: Vec<Sample>,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("path", &self.path)
            .field("samples", &self.samples)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Offset in the segment's file.
    pub offset: u64,
    /// Size in bytes.
    pub size: u32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// Position in presentation order, from 0.
    pub rank: usize,
}

impl Segment {
    /// Opens and checks a segment. The file is opened again when its samples are copied.
    ///
    /// # Errors
    /// Those of [`Movie::open`] and [`Movie::video`]. [`Error::Unsupported`] for a segment that does not begin with a sync sample, or has
    /// more than one sample entry.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(&Movie::open(path)?, None)
    }

    /// As [`Segment::open`], for a segment that `source` gives access to. Errors call it by `name`.
    ///
    /// # Errors
    /// As [`Segment::open`].
    pub fn read(name: impl Into<PathBuf>, source: impl ReadAt + Send + Sync + 'static) -> Result<Self, Error> {
        let source = Arc::new(source);
        Self::of(&Movie::read(name, source.clone())?, Some(source))
    }

    /// Returns the samples in decoding order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// Opens what the samples are read from.
    pub(crate) fn source(&self) -> Result<Arc<dyn ReadAt>, Error> {
        if let Some(memory) = &self.memory {
            return Ok(memory.clone());
        }
        let file = File::open(&self.path).map_err(|error| Error::read(&self.path, error))?;
        Ok(Arc::new(file))
    }

    fn of(movie: &Movie, memory: Option<Arc<dyn ReadAt + Send + Sync>>) -> Result<Self, Error> {
        let path = movie.path();
        let video = movie.video()?;
        let damaged = |reason: String| Error::damaged(path, reason);
        let track = &movie.tracks()[video.index()];
        let stbl = movie
            .trak(video.index())
            .and_then(|trak| trak.at(&[b"mdia", b"minf", b"stbl"]));
        let stbl = stbl.ok_or_else(|| damaged("it has no sample tables".into()))?;
        let [entry] = track.entries.as_slice() else {
            return Err(Error::unsupported(path, "it has more than one sample entry"));
        };
        let sizes = Sizes::read(stbl).map_err(damaged)?;
        let times = Times::read(stbl, track.samples).map_err(damaged)?;
        let sync = sync_samples(stbl, track.samples).map_err(damaged)?;
        if sync.first() != Some(&true) {
            return Err(Error::unsupported(path, "it does not begin with a sync sample"));
        }
        let ranks = ranks(&times.composition);
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
            memory,
            entry: entry.bytes.clone(),
            samples,
        })
    }
}

/// Returns the position of each time among all of them. Frames of equal times are presented in decoding order.
fn ranks(times: &[i64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|&number| times[number]);
    let mut ranks = vec![0; times.len()];
    for (rank, number) in order.into_iter().enumerate() {
        ranks[number] = rank;
    }
    ranks
}
