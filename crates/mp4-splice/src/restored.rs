// SPDX-License-Identifier: MPL-2.0

//! The new video track: its frames out of all segments, in chunks like the original's, and the tables that tell of them.

use super::{
    Mp4Error,
    boxes::Mp4Box,
    entry::joined,
    layout::Insert,
    movie::Movie,
    segment::{Sample, Segment},
    timing::{Timing, table},
    track::Track,
    video::VideoTrack,
};

/// What tells of the old samples, and goes with them. All else in a sample table is kept.
const OF_THE_SAMPLES: [&[u8; 4]; 20] = [
    b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"stps", b"stsh", b"stsc", b"stsz", b"stz2", b"stco", b"co64",
    b"sdtp", b"sbgp", b"sgpd", b"subs", b"saiz", b"saio", b"padb", b"stdp",
];

/// The restored video of a movie.
#[derive(Debug)]
pub struct Restored {
    entries: Vec<Vec<u8>>,
    /// In decoding order, with the segment that each is in.
    pub frames: Vec<(usize, Sample)>,
    pub chunks: Vec<RestoredChunk>,
    timing: Timing,
}

#[derive(Debug)]
pub struct RestoredChunk {
    pub first: usize,
    pub samples: usize,
    /// From 1.
    entry: u32,
    pub insert: Insert,
}

impl Restored {
    /// # Errors
    /// Where there are not as many times as frames, or these cannot be written.
    pub fn new(movie: &Movie, video: &VideoTrack, segments: &[Segment], ticks: &[i64]) -> Result<Self, Mp4Error> {
        let unfit = |reason: String| Mp4Error::frames(movie.path(), reason);
        let count: usize = segments.iter().map(|segment| segment.samples.len()).sum();
        if count != ticks.len() {
            return Err(unfit(format!(
                "{count} frames were restored, with times for {}",
                ticks.len()
            )));
        }
        let track = &movie.tracks[video.index];
        let (entries, entry_of) = entries(track, segments).map_err(unfit)?;
        let mut frames = Vec::with_capacity(count);
        for (number, segment) in segments.iter().enumerate() {
            let before = frames.len();
            frames.extend(segment.samples.iter().map(|sample| {
                let rank = before + sample.rank;
                (number, Sample { rank, ..*sample })
            }));
        }
        let places = places(video, ticks).map_err(unfit)?;
        let timing = timing(video, &places, ticks, &frames).map_err(unfit)?;
        let chunks = chunks(track, &frames, &entry_of, &places);
        Ok(Self {
            entries,
            frames,
            chunks,
            timing,
        })
    }

    /// The first of the new sample entries.
    pub fn entry(&self) -> Option<&[u8]> {
        self.entries.first().map(Vec::as_slice)
    }

    /// Puts the new tables into a sample table box. The places of the chunks are all 0 as yet, in 64 bits where `wide`.
    pub fn fill(&self, stbl: &mut Mp4Box, wide: bool) {
        let Some(children) = stbl.children_mut() else { return };
        children.retain(|child| !OF_THE_SAMPLES.contains(&&child.kind));
        let mut tables = vec![self.stsd()];
        tables.extend(self.timing.boxes());
        tables.extend(self.stss());
        tables.extend([self.stsc(), self.stsz(), self.stco(wide)]);
        children.splice(..0, tables);
    }

    fn stsd(&self) -> Mp4Box {
        let mut bytes = vec![0; 4];
        bytes.extend((self.entries.len() as u32).to_be_bytes());
        bytes.extend(self.entries.iter().flatten());
        Mp4Box::bytes(b"stsd", bytes)
    }

    fn stss(&self) -> Option<Mp4Box> {
        let numbered = (1..).zip(&self.frames);
        let sync: Vec<_> = numbered
            .filter(|(_, (_, sample))| sample.sync)
            .map(|(number, _)| [number])
            .collect();
        (sync.len() < self.frames.len()).then(|| table(b"stss", 0, sync.into_iter()))
    }

    fn stsc(&self) -> Mp4Box {
        let mut runs: Vec<[u32; 3]> = Vec::new();
        for (number, chunk) in (1..).zip(&self.chunks) {
            let run = [number, chunk.samples as u32, chunk.entry];
            if runs.last().is_none_or(|last| last[1..] != run[1..]) {
                runs.push(run);
            }
        }
        table(b"stsc", 0, runs.into_iter())
    }

    fn stsz(&self) -> Mp4Box {
        let mut bytes = vec![0; 8];
        bytes.extend((self.frames.len() as u32).to_be_bytes());
        bytes.extend(self.frames.iter().flat_map(|(_, sample)| sample.size.to_be_bytes()));
        Mp4Box::bytes(b"stsz", bytes)
    }

    fn stco(&self, wide: bool) -> Mp4Box {
        let count = 0..self.chunks.len() as u32;
        if wide {
            table(b"co64", 0, count.map(|_| [0, 0]))
        } else {
            table(b"stco", 0, count.map(|_| [0]))
        }
    }
}

/// The different sample entries, and which of them, from 1, each segment has.
fn entries(track: &Track, segments: &[Segment]) -> Result<(Vec<Vec<u8>>, Vec<u32>), String> {
    let used = track.chunks.first().and_then(|chunk| track.entry(chunk));
    let original = used.or(track.entries.first()).ok_or("its video has no sample entry")?;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut entry_of = Vec::with_capacity(segments.len());
    for segment in segments {
        let entry = joined(&segment.entry, &original.bytes, original.data_reference)?;
        let known = entries.iter().position(|known| *known == entry);
        let index = known.unwrap_or_else(|| {
            entries.push(entry);
            entries.len() - 1
        });
        entry_of.push(index as u32 + 1);
    }
    Ok((entries, entry_of))
}

/// Place of each frame, in the order of display, among the original's: of the one shown at its time, or else the next.
fn places(video: &VideoTrack, ticks: &[i64]) -> Result<Vec<usize>, String> {
    if !ticks.is_sorted() {
        return Err("the times of its frames are not in order".into());
    }
    let all = &video.presentation_ticks;
    let mut places: Vec<usize> = Vec::with_capacity(ticks.len());
    for (number, tick) in ticks.iter().enumerate() {
        let place = all.partition_point(|other| other < tick);
        // Frames of one time have places of their own.
        let after = match places.last() {
            Some(last) if ticks[number - 1] == *tick => last + 1,
            _ => 0,
        };
        places.push(place.max(after).min(all.len() - 1));
    }
    Ok(places)
}

/// The original's decoding times, in as far as the frames are there. So where all are, the decoding times are the original's, whatever the
/// order in which the new encoder decodes; players stop by these.
fn timing(video: &VideoTrack, places: &[usize], ticks: &[i64], frames: &[(usize, Sample)]) -> Result<Timing, String> {
    let all = &video.decoding;
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else {
        return Err("no frames were restored".into());
    };
    let decoding: Vec<_> = places.iter().map(|&place| all[place] - all[first]).collect();
    let next = all.get(last + 1).and_then(|next| u32::try_from(next - all[last]).ok());
    let composition: Vec<_> = frames.iter().map(|(_, sample)| ticks[sample.rank]).collect();
    Timing::new(&decoding, &composition, next.unwrap_or(video.last))
}

/// Each frame goes where the frame of its place was in the original, so that video and sound stay as close together as they were.
fn chunks(track: &Track, frames: &[(usize, Sample)], entry_of: &[u32], places: &[usize]) -> Vec<RestoredChunk> {
    let mut chunks: Vec<(usize, RestoredChunk)> = Vec::new();
    let mut old = 0;
    for (number, ((segment, sample), place)) in frames.iter().zip(places).enumerate() {
        while old + 1 < track.chunks.len() && track.chunks[old + 1].first <= *place {
            old += 1;
        }
        let entry = entry_of[*segment];
        match chunks.last_mut() {
            Some((same, chunk)) if *same == old && chunk.entry == entry => {
                chunk.samples += 1;
                chunk.insert.bytes += u64::from(sample.size);
            }
            _ => chunks.push((
                old,
                RestoredChunk {
                    first: number,
                    samples: 1,
                    entry,
                    insert: Insert {
                        anchor: track.chunks[old].offset,
                        bytes: sample.size.into(),
                    },
                },
            )),
        }
    }
    chunks.into_iter().map(|(_, chunk)| chunk).collect()
}
