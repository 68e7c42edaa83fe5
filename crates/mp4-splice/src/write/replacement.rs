// SPDX-License-Identifier: MPL-2.0

//! The new samples of the video track: the frames of all segments, in chunks like the original's, and the tables that describe them.

use super::{layout::Insert, time_tables::TimeTables};
use crate::{
    Error, Movie, Sample, Segment, Track, VideoTrack,
    boxes::{FourCc, Mp4Box, sample_entry},
};

/// The boxes that describe the old samples, and are dropped with them. All other boxes of a sample table are kept.
const SAMPLE_BOXES: [&FourCc; 20] = [
    b"stsd", b"stts", b"ctts", b"cslg", b"stss", b"stps", b"stsh", b"stsc", b"stsz", b"stz2", b"stco", b"co64",
    b"sdtp", b"sbgp", b"sgpd", b"subs", b"saiz", b"saio", b"padb", b"stdp",
];

/// The new samples of a movie's video track.
#[derive(Debug)]
pub struct Replacement {
    /// The sample entries.
    entries: Vec<Vec<u8>>,
    /// Frames in decoding order, each with the index of its segment.
    pub frames: Vec<(usize, Sample)>,
    pub chunks: Vec<NewChunk>,
    times: TimeTables,
}

#[derive(Debug)]
pub struct NewChunk {
    /// Index of its first frame.
    pub first: usize,
    pub samples: usize,
    /// Index of the sample entry, from 1.
    entry: u32,
    pub insert: Insert,
}

impl Replacement {
    /// Arranges the frames of `segments`, whose presentation times are `ticks`.
    ///
    /// # Errors
    /// [`Error::Frames`] where the number of times is not that of frames, or the times cannot be written.
    pub fn new(movie: &Movie, video: &VideoTrack, segments: &[Segment], ticks: &[i64]) -> Result<Self, Error> {
        let invalid = |reason: String| Error::frames(movie.path(), reason);
        let count: usize = segments.iter().map(|segment| segment.samples().len()).sum();
        if count != ticks.len() {
            return Err(invalid(format!(
                "the segments have {count} frames, and there are times for {}",
                ticks.len()
            )));
        }
        let track = &movie.tracks()[video.index()];
        let (entries, entry_of) = entries(track, segments).map_err(invalid)?;
        let mut frames = Vec::with_capacity(count);
        for (number, segment) in segments.iter().enumerate() {
            let before = frames.len();
            frames.extend(segment.samples().iter().map(|sample| {
                let rank = before + sample.rank;
                (number, Sample { rank, ..*sample })
            }));
        }
        let counterparts = counterparts(video, ticks).map_err(invalid)?;
        let times = time_tables(video, &counterparts, ticks, &frames).map_err(invalid)?;
        let chunks = chunks(track, &frames, &entry_of, &counterparts);
        Ok(Self {
            entries,
            frames,
            chunks,
            times,
        })
    }

    /// Returns the first of the new sample entries.
    pub fn entry(&self) -> Option<&[u8]> {
        self.entries.first().map(Vec::as_slice)
    }

    /// Puts the new tables into a sample table box. The offsets of the chunks are still 0, with 64 bits if `wide`.
    pub fn write_tables(&self, stbl: &mut Mp4Box, wide: bool) {
        let Some(children) = stbl.children_mut() else { return };
        children.retain(|child| !SAMPLE_BOXES.contains(&&child.kind));
        let mut tables = vec![self.stsd()];
        tables.extend(self.times.boxes());
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
        (sync.len() < self.frames.len()).then(|| Mp4Box::table(b"stss", 0, sync.into_iter()))
    }

    fn stsc(&self) -> Mp4Box {
        let mut runs: Vec<[u32; 3]> = Vec::new();
        for (number, chunk) in (1..).zip(&self.chunks) {
            let run = [number, chunk.samples as u32, chunk.entry];
            if runs.last().is_none_or(|last| last[1..] != run[1..]) {
                runs.push(run);
            }
        }
        Mp4Box::table(b"stsc", 0, runs.into_iter())
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
            Mp4Box::table(b"co64", 0, count.map(|_| [0, 0]))
        } else {
            Mp4Box::table(b"stco", 0, count.map(|_| [0]))
        }
    }
}

/// Returns the different sample entries, and for each segment the index of its own, from 1.
fn entries(track: &Track, segments: &[Segment]) -> Result<(Vec<Vec<u8>>, Vec<u32>), String> {
    let used = track.chunks.first().and_then(|chunk| track.entry(chunk));
    let original = used.or(track.entries.first()).ok_or("its video has no sample entry")?;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut entry_of = Vec::with_capacity(segments.len());
    for segment in segments {
        let entry = sample_entry::merged(segment.entry(), &original.bytes, original.data_reference)?;
        let known = entries.iter().position(|known| *known == entry);
        let index = known.unwrap_or_else(|| {
            entries.push(entry);
            entries.len() - 1
        });
        entry_of.push(index as u32 + 1);
    }
    Ok((entries, entry_of))
}

/// Returns for each frame, in presentation order, the index of its counterpart in the original: the frame of the same time, or else
/// the next one.
fn counterparts(video: &VideoTrack, ticks: &[i64]) -> Result<Vec<usize>, String> {
    if !ticks.is_sorted() {
        return Err("the times of the frames are not in order".into());
    }
    let all = &video.presentation_ticks;
    let mut counterparts: Vec<usize> = Vec::with_capacity(ticks.len());
    for (number, tick) in ticks.iter().enumerate() {
        let index = all.partition_point(|other| other < tick);
        // Frames of equal times have different counterparts.
        let after = match counterparts.last() {
            Some(last) if ticks[number - 1] == *tick => last + 1,
            _ => 0,
        };
        counterparts.push(index.max(after).min(all.len() - 1));
    }
    Ok(counterparts)
}

/// Makes the time tables from the decoding times of the counterparts. Where no frame is missing the decoding times are those of the original,
/// whatever the decoding order of the new encoder.
fn time_tables(
    video: &VideoTrack,
    counterparts: &[usize],
    ticks: &[i64],
    frames: &[(usize, Sample)],
) -> Result<TimeTables, String> {
    let all = video.decoding_ticks();
    let (Some(&first), Some(&last)) = (counterparts.first(), counterparts.last()) else {
        return Err("there are no new frames".into());
    };
    let decoding: Vec<_> = counterparts.iter().map(|&index| all[index] - all[first]).collect();
    let next = all.get(last + 1).and_then(|next| u32::try_from(next - all[last]).ok());
    let composition: Vec<_> = frames.iter().map(|(_, sample)| ticks[sample.rank]).collect();
    TimeTables::new(&decoding, &composition, next.unwrap_or(video.last_duration()))
}

/// Groups the frames into chunks. Each frame goes into the chunk of its counterpart, so that video and audio stay interleaved as they were.
fn chunks(track: &Track, frames: &[(usize, Sample)], entry_of: &[u32], counterparts: &[usize]) -> Vec<NewChunk> {
    let mut chunks: Vec<(usize, NewChunk)> = Vec::new();
    let mut old = 0;
    for (number, ((segment, sample), counterpart)) in frames.iter().zip(counterparts).enumerate() {
        while old + 1 < track.chunks.len() && track.chunks[old + 1].first <= *counterpart {
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
                NewChunk {
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
