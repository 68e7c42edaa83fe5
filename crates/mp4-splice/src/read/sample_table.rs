// SPDX-License-Identifier: MPL-2.0

//! Reading sample tables: which bytes the samples of a track are, and when they are presented. ISO/IEC 14496-12, sections 8.6 and 8.7.
//!
//! All allocations are bounded by the bytes of the boxes, or by [`MAX_FRAMES`].

use crate::boxes::{ByteReader, FourCc, Mp4Box, name};

/// More frames than this are taken for damage. At 60 frames per second they last a day and a half.
const MAX_FRAMES: usize = 1 << 23;

/// Sizes of samples in bytes, from `stsz` or `stz2`.
#[derive(Debug)]
pub enum Sizes {
    /// All samples have the same size.
    Same {
        size: u32,
        count: usize,
    },
    Each(Vec<u32>),
}

impl Sizes {
    pub fn read(stbl: &Mp4Box) -> Result<Self, String> {
        if let Some(stsz) = stbl.child(b"stsz") {
            return complete(b"stsz", stsz.data().and_then(read_stsz));
        }
        let stz2 = stbl.child(b"stz2").ok_or("box 'stsz' is missing")?;
        complete(b"stz2", stz2.data().and_then(read_stz2))
    }

    pub fn count(&self) -> usize {
        match self {
            Self::Same { count, .. } => *count,
            Self::Each(sizes) => sizes.len(),
        }
    }

    pub fn get(&self, index: usize) -> u32 {
        match self {
            Self::Same { size, .. } => *size,
            Self::Each(sizes) => sizes.get(index).copied().unwrap_or(0),
        }
    }

    fn sum(&self, from: usize, to: usize) -> u64 {
        match self {
            Self::Same { size, .. } => u64::from(*size).saturating_mul((to - from) as u64),
            Self::Each(sizes) => sizes
                .get(from..to)
                .map_or(0, |sizes| sizes.iter().map(|&size| u64::from(size)).sum()),
        }
    }
}

fn read_stsz(data: &[u8]) -> Option<Sizes> {
    let mut reader = ByteReader::new(data);
    reader.version_and_flags()?;
    let size = reader.u32()?;
    if size > 0 {
        let count = reader.u32()? as usize;
        return Some(Sizes::Same { size, count });
    }
    let sizes = reader.entries(4)?.map(|mut entry| entry.u32());
    Some(Sizes::Each(sizes.collect::<Option<_>>()?))
}

fn read_stz2(data: &[u8]) -> Option<Sizes> {
    let mut reader = ByteReader::new(data);
    reader.version_and_flags()?;
    let bits = reader.u32()? & 0xff;
    let sizes = match bits {
        16 => reader
            .entries(2)?
            .map(|mut entry| entry.u16().map(u32::from))
            .collect::<Option<_>>()?,
        8 => reader
            .entries(1)?
            .map(|mut entry| entry.u8().map(u32::from))
            .collect::<Option<_>>()?,
        4 => {
            let count = reader.u32()? as usize;
            let nibbles = reader.bytes(count.div_ceil(2))?.iter();
            let sizes = nibbles.flat_map(|&byte| [u32::from(byte >> 4), u32::from(byte & 15)]);
            sizes.take(count).collect()
        }
        _ => return None,
    };
    Some(Sizes::Each(sizes))
}

/// Samples that are contiguous in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Offset in the file.
    pub offset: u64,
    /// Bytes of all its samples. A lower bound: the size of QuickTime's uncompressed audio samples is not always stated.
    pub bytes: u64,
    /// Number of its first sample, in decoding order.
    pub first: usize,
    pub samples: usize,
    /// Index of the sample entry, from 1.
    pub entry: u32,
}

impl Chunk {
    /// Returns the offset of the first byte after the chunk.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }
}

/// How QuickTime packs compressed audio whose samples are counted one by one (version 1 of its sound description): samples per packet,
/// and bytes per packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    pub samples: u32,
    pub bytes: u32,
}

/// So many chunks without a sample are accepted.
const MAX_EMPTY_CHUNKS: usize = 1 << 16;

/// Returns the chunks in the order of their table, from `stco` or `co64` and `stsc`, up to the one with the last sample: a table may have
/// millions of entries after it that mean nothing.
pub fn chunks(stbl: &Mp4Box, sizes: &Sizes, packing: Option<Packing>) -> Result<Vec<Chunk>, String> {
    let mut offsets = offsets(stbl)?.peekable();
    let runs = runs(stbl)?;
    if offsets.peek().is_some() && runs.first().is_none_or(|run| run.first_chunk != 1) {
        return Err("box 'stsc' does not begin with the first chunk".into());
    }
    let mut chunks = Vec::new();
    let (mut first, mut at) = (0, 0);
    for (number, offset) in offsets.enumerate() {
        if first == sizes.count() {
            break;
        }
        if number > sizes.count().saturating_add(MAX_EMPTY_CHUNKS) {
            return Err("box 'stsc' has chunks without samples".into());
        }
        while runs
            .get(at + 1)
            .is_some_and(|next| next.first_chunk as usize <= number + 1)
        {
            at += 1;
        }
        let run = &runs[at];
        // Some recorders state a full last chunk where fewer samples are left.
        let samples = (run.samples as usize).min(sizes.count() - first);
        chunks.push(Chunk {
            offset,
            bytes: bytes_of(sizes, first, samples, packing),
            first,
            samples,
            entry: run.entry,
        });
        first += samples;
    }
    chunks.shrink_to_fit();
    Ok(chunks)
}

fn bytes_of(sizes: &Sizes, first: usize, samples: usize, packing: Option<Packing>) -> u64 {
    match (packing, sizes) {
        (Some(packing), Sizes::Same { .. }) => {
            samples as u64 / u64::from(packing.samples.max(1)) * u64::from(packing.bytes)
        }
        _ => sizes.sum(first, first + samples),
    }
}

fn offsets(stbl: &Mp4Box) -> Result<impl Iterator<Item = u64>, String> {
    let (table, width) = match stbl.child(b"stco") {
        Some(stco) => (stco, 4),
        None => (stbl.child(b"co64").ok_or("box 'stco' is missing")?, 8),
    };
    let entries = table.data().and_then(|data| {
        let mut reader = ByteReader::new(data);
        reader.version_and_flags()?;
        reader.entries(width)
    });
    let entries = complete(&table.kind, entries)?;
    // An entry has the bytes of its number.
    Ok(entries.filter_map(move |mut entry| {
        if width == 4 {
            entry.u32().map(u64::from)
        } else {
            entry.u64()
        }
    }))
}

struct Run {
    /// From 1.
    first_chunk: u32,
    samples: u32,
    entry: u32,
}

fn runs(stbl: &Mp4Box) -> Result<Vec<Run>, String> {
    let stsc = stbl.child(b"stsc").ok_or("box 'stsc' is missing")?;
    list(stsc, 12, |entry| {
        Some(Run {
            first_chunk: entry.u32()?,
            samples: entry.u32()?,
            entry: entry.u32()?,
        })
    })
}

/// Reads entries of `width` bytes after version, flags and count.
fn list<T>(table: &Mp4Box, width: usize, read: impl Fn(&mut ByteReader) -> Option<T>) -> Result<Vec<T>, String> {
    let read_all = |data| {
        let mut reader = ByteReader::new(data);
        reader.version_and_flags()?;
        reader.entries(width)?.map(|mut entry| read(&mut entry)).collect()
    };
    complete(&table.kind, table.data().and_then(read_all))
}

fn complete<T>(kind: &FourCc, read: Option<T>) -> Result<T, String> {
    read.ok_or_else(|| format!("box '{}' is shorter than its entries", name(*kind)))
}

/// Decoding and composition times of a track, in ticks of its media and in decoding order.
#[derive(Debug)]
pub struct Times {
    pub decoding: Vec<i64>,
    pub composition: Vec<i64>,
    /// Duration of the last sample in ticks.
    pub last: u32,
}

impl Times {
    pub fn read(stbl: &Mp4Box, count: usize) -> Result<Self, String> {
        if count > MAX_FRAMES {
            return Err(format!("its tables have {count} frames"));
        }
        let stts = stbl.child(b"stts").ok_or("box 'stts' is missing")?;
        let deltas = list(stts, 8, |entry| Some((entry.u32()?, entry.u32()?)))?;
        let mut decoding = Vec::with_capacity(count);
        let (mut now, mut last) = (0i64, 0);
        for (samples, delta) in deltas {
            let left = count - decoding.len();
            for _ in 0..(samples as usize).min(left) {
                decoding.push(now);
                now += i64::from(delta);
                last = delta;
            }
        }
        if decoding.len() < count {
            return Err(format!("box 'stts' has times for {} of {count} frames", decoding.len()));
        }
        let composition = composition(stbl, &decoding)?;
        Ok(Self {
            decoding,
            composition,
            last,
        })
    }
}

fn composition(stbl: &Mp4Box, decoding: &[i64]) -> Result<Vec<i64>, String> {
    let mut composition = decoding.to_vec();
    let mut times = composition.iter_mut();
    for (samples, offset) in composition_offsets(stbl)?.unwrap_or_default() {
        for time in times.by_ref().take(samples as usize) {
            *time += i64::from(offset);
        }
    }
    Ok(composition)
}

/// Returns runs of samples and their composition offsets, from `ctts`, if there is one. By the standard the offsets of version 0 are
/// unsigned, but files have signed ones, and readers take them as such.
pub fn composition_offsets(stbl: &Mp4Box) -> Result<Option<Vec<(u32, i32)>>, String> {
    let ctts = stbl.child(b"ctts");
    ctts.map(|ctts| list(ctts, 8, |entry| Some((entry.u32()?, entry.i32()?))))
        .transpose()
}

/// Returns for each sample whether it is a sync sample. Without an `stss` all are.
pub fn sync_samples(stbl: &Mp4Box, count: usize) -> Result<Vec<bool>, String> {
    let Some(stss) = stbl.child(b"stss") else {
        return Ok(vec![true; count]);
    };
    let mut sync = vec![false; count];
    for number in list(stss, 4, |entry| entry.u32())? {
        let sample = (number as usize).checked_sub(1).and_then(|index| sync.get_mut(index));
        *sample.ok_or("box 'stss' refers to a sample that does not exist")? = true;
    }
    Ok(sync)
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn stbl(children: Vec<Mp4Box>) -> Mp4Box {
        Mp4Box::boxes(b"stbl", Vec::new(), children)
    }

    fn stsz(sizes: &[u32]) -> Mp4Box {
        let mut bytes = vec![0; 8];
        bytes.extend((sizes.len() as u32).to_be_bytes());
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        Mp4Box::bytes(b"stsz", bytes)
    }

    #[test]
    fn chunks_have_the_bytes_of_their_samples() {
        let stbl = stbl(vec![
            stsz(&[1, 2, 3, 4, 5]),
            Mp4Box::table(b"stco", 0, [[100], [200], [300]].into_iter()),
            Mp4Box::table(b"stsc", 0, [[1, 2, 1], [3, 1, 2]].into_iter()),
        ]);
        let sizes = Sizes::read(&stbl).unwrap();
        let chunks = chunks(&stbl, &sizes, None).unwrap();
        let found: Vec<_> = chunks
            .iter()
            .map(|chunk| (chunk.offset, chunk.bytes, chunk.first, chunk.samples, chunk.entry))
            .collect();
        assert_eq!(found, [(100, 3, 0, 2, 1), (200, 7, 2, 2, 1), (300, 5, 4, 1, 2)]);
    }

    #[test]
    fn entries_after_the_last_sample_mean_nothing_and_cost_nothing() {
        let stbl = stbl(vec![
            stsz(&[1, 2, 3]),
            Mp4Box::table(b"stco", 0, (0..1_000_000).map(|number| [100 + number])),
            Mp4Box::table(b"stsc", 0, [[1, 2, 1]].into_iter()),
        ]);
        let sizes = Sizes::read(&stbl).unwrap();
        let chunks = chunks(&stbl, &sizes, None).unwrap();
        assert_eq!(chunks.iter().map(|chunk| chunk.samples).collect::<Vec<_>>(), [2, 1]);
        assert!(chunks.capacity() < 1000, "{}", chunks.capacity());
    }

    #[test]
    fn chunks_without_samples_are_refused_where_there_are_too_many() {
        let of = |empty: u32| {
            let stbl = stbl(vec![
                stsz(&[1]),
                Mp4Box::table(b"stco", 0, (0..empty + 1).map(|_| [100])),
                Mp4Box::table(b"stsc", 0, [[1, 0, 1], [empty + 1, 1, 1]].into_iter()),
            ]);
            chunks(&stbl, &Sizes::read(&stbl).unwrap(), None).map(|chunks| chunks.len())
        };
        assert_eq!(of(10), Ok(11));
        assert!(of(1_000_000).is_err());
    }

    #[test]
    fn compressed_quicktime_audio_is_counted_by_packets() {
        let mut same = vec![0; 4];
        same.extend(1u32.to_be_bytes());
        same.extend(640u32.to_be_bytes());
        let stbl = stbl(vec![
            Mp4Box::bytes(b"stsz", same),
            Mp4Box::table(b"stco", 0, [[100], [500]].into_iter()),
            Mp4Box::table(b"stsc", 0, [[1, 320, 1]].into_iter()),
        ]);
        let sizes = Sizes::read(&stbl).unwrap();
        let packing = Packing { samples: 64, bytes: 34 };
        let chunks = chunks(&stbl, &sizes, Some(packing)).unwrap();
        assert_eq!([chunks[0].bytes, chunks[1].bytes], [170, 170]);
    }

    #[test]
    fn sizes_of_4_8_and_16_bits_are_read() {
        for (bits, bytes) in [(4, vec![0x12, 0x30]), (8, vec![1, 2, 3]), (16, vec![0, 1, 0, 2, 0, 3])] {
            let mut body = vec![0; 7];
            body.push(bits);
            body.extend(3u32.to_be_bytes());
            body.extend(bytes);
            let sizes = Sizes::read(&stbl(vec![Mp4Box::bytes(b"stz2", body)])).unwrap();
            assert_eq!(
                (0..sizes.count()).map(|index| sizes.get(index)).collect::<Vec<_>>(),
                [1, 2, 3],
                "{bits}"
            );
        }
    }

    #[test]
    fn composition_times_are_signed_in_both_versions() {
        for version in [0, 1] {
            let stbl = stbl(vec![
                Mp4Box::table(b"stts", 0, [[3, 10]].into_iter()),
                Mp4Box::table(b"ctts", version, [[1, 0], [1, 20], [1, -10i32 as u32]].into_iter()),
            ]);
            let times = Times::read(&stbl, 3).unwrap();
            assert_eq!(times.composition, [0, 30, 10]);
            assert_eq!(times.last, 10);
        }
    }

    #[test]
    fn counts_that_do_not_fit_are_refused() {
        let mut huge = vec![0; 4];
        huge.extend(u32::MAX.to_be_bytes());
        huge.extend([0; 12]);
        for kind in [b"stco", b"co64", b"stsc", b"stts", b"ctts", b"stss"] {
            let table = stbl(vec![Mp4Box::bytes(kind, huge.clone())]);
            let refused = match kind {
                b"stco" | b"co64" => offsets(&table).is_err(),
                b"stsc" => runs(&table).is_err(),
                b"stts" => Times::read(&table, 1).is_err(),
                b"ctts" => composition_offsets(&table).is_err(),
                _ => sync_samples(&table, 1).is_err(),
            };
            assert!(refused, "{}", name(*kind));
        }
        let many = stbl(vec![Mp4Box::table(b"stts", 0, [[u32::MAX, 1]].into_iter())]);
        assert!(Times::read(&many, u32::MAX as usize).is_err());
        assert!(Times::read(&many, 5).is_ok());
    }
}
