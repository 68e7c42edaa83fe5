// SPDX-License-Identifier: MPL-2.0

//! Tracks, as the boxes of a `trak` describe them.

use super::{
    placement::Placement,
    sample_table::{Chunk, Packing, Sizes, chunks},
};
use crate::boxes::{ByteReader, FourCc, Mp4Box, name};

#[derive(Debug)]
pub struct Track {
    pub id: u32,
    pub enabled: bool,
    /// The type of media: `vide`, `soun`.
    pub handler: FourCc,
    /// Ticks per second of the media timeline.
    pub timescale: u32,
    /// Duration of the media, in ticks.
    pub duration: u64,
    /// Number of samples.
    pub samples: usize,
    pub entries: Vec<SampleEntry>,
    pub chunks: Vec<Chunk>,
    /// Types of reference and the tracks that this one refers to by them.
    pub references: Vec<(FourCc, Vec<u32>)>,
    /// The edit list, which says what parts of the media are presented.
    pub edits: Vec<Edit>,
    /// How the pictures are placed, where the track header says so.
    pub placement: Option<Placement>,
    /// For each data reference, whether its data is in this file.
    in_this_file: Vec<bool>,
}

/// An entry of `stsd`: how samples are coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    pub kind: FourCc,
    /// Index of the data reference, from 1.
    pub data_reference: u16,
    /// The whole box.
    pub bytes: Vec<u8>,
}

/// An entry of the edit list that presents media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// Start in the media timeline, in ticks of the media.
    pub start: i64,
    /// Duration in ticks of the movie. 0 extends to the end.
    pub duration: u64,
}

impl Track {
    /// Reads a `trak` box.
    ///
    /// # Errors
    /// The reason, as a part of a sentence.
    pub fn read(trak: &Mp4Box) -> Result<Self, String> {
        let tkhd = data(trak, &[b"tkhd"])?;
        let (enabled, id) = read_tkhd(tkhd).ok_or("box 'tkhd' is too short")?;
        let in_track = |reason: String| format!("track {id}: {reason}");
        let (timescale, duration) = data(trak, &[b"mdia", b"mdhd"])
            .and_then(|mdhd| read_mdhd(mdhd).ok_or("box 'mdhd' is too short or has no timescale".into()))
            .map_err(in_track)?;
        let handler = data(trak, &[b"mdia", b"hdlr"])
            .and_then(|hdlr| read_hdlr(hdlr).ok_or("box 'hdlr' is too short".into()))
            .map_err(in_track)?;
        let mut track = Self {
            id,
            enabled,
            handler,
            timescale,
            duration,
            samples: 0,
            entries: Vec::new(),
            chunks: Vec::new(),
            references: trak
                .child(b"tref")
                .and_then(Mp4Box::data)
                .map_or(Vec::new(), references),
            edits: trak.child(b"edts").and_then(Mp4Box::data).map_or(Vec::new(), edits),
            placement: Placement::read(tkhd),
            in_this_file: Vec::new(),
        };
        if let Some(stbl) = trak.at(&[b"mdia", b"minf", b"stbl"]) {
            track.read_samples(stbl).map_err(in_track)?;
            let dref = trak.at(&[b"mdia", b"minf", b"dinf", b"dref"]).and_then(Mp4Box::data);
            track.in_this_file = dref.map_or(Vec::new(), data_references);
        }
        Ok(track)
    }

    fn read_samples(&mut self, stbl: &Mp4Box) -> Result<(), String> {
        let stsd = data(stbl, &[b"stsd"])?;
        self.entries = sample_entries(stsd).ok_or("box 'stsd' is shorter than its entries")?;
        let sizes = Sizes::read(stbl)?;
        let packing = match self.entries.first() {
            Some(entry) if &self.handler == b"soun" => packing(&entry.bytes),
            _ => None,
        };
        self.samples = sizes.count();
        self.chunks = chunks(stbl, &sizes, packing)?;
        Ok(())
    }

    /// Returns the sample entry of a chunk.
    pub fn entry(&self, chunk: &Chunk) -> Option<&SampleEntry> {
        self.entries.get((chunk.entry as usize).checked_sub(1)?)
    }

    /// Whether the samples of a chunk are in this file, and not in another one that it refers to.
    pub fn is_in_this_file(&self, chunk: &Chunk) -> bool {
        let reference = self
            .entry(chunk)
            .and_then(|entry| usize::from(entry.data_reference).checked_sub(1));
        reference
            .and_then(|reference| self.in_this_file.get(reference))
            .copied()
            .unwrap_or(true)
    }

    /// Returns the tracks that this one refers to by a reference of this type.
    pub fn referred(&self, kind: &FourCc) -> impl Iterator<Item = u32> {
        let of_kind = self.references.iter().filter(move |(reference, _)| reference == kind);
        of_kind.flat_map(|(_, ids)| ids).copied()
    }

    /// Whether the track refers to track `id` by a reference of this type.
    pub fn refers_to(&self, kind: &FourCc, id: u32) -> bool {
        self.referred(kind).any(|referred| referred == id)
    }
}

fn data<'a>(parent: &'a Mp4Box, path: &[&FourCc]) -> Result<&'a [u8], String> {
    let data = parent.at(path).and_then(Mp4Box::data);
    data.ok_or_else(|| match path.last() {
        Some(kind) => format!("box '{}' is missing", name(**kind)),
        None => "a box is missing".into(),
    })
}

fn read_tkhd(data: &[u8]) -> Option<(bool, u32)> {
    let mut reader = ByteReader::new(data);
    let (version, flags) = reader.version_and_flags()?;
    // Times of creation and modification.
    reader.bytes(if version == 1 { 16 } else { 8 })?;
    Some((flags & 1 == 1, reader.u32()?))
}

fn read_mdhd(data: &[u8]) -> Option<(u32, u64)> {
    let mut reader = ByteReader::new(data);
    let (version, _) = reader.version_and_flags()?;
    let (timescale, duration) = if version == 1 {
        reader.bytes(16)?;
        (reader.u32()?, reader.u64()?)
    } else {
        reader.bytes(8)?;
        (reader.u32()?, reader.u32()?.into())
    };
    (timescale > 0).then_some((timescale, duration))
}

fn read_hdlr(data: &[u8]) -> Option<FourCc> {
    let mut reader = ByteReader::new(data);
    reader.bytes(8)?;
    reader.four_cc()
}

fn sample_entries(stsd: &[u8]) -> Option<Vec<SampleEntry>> {
    let mut reader = ByteReader::new(stsd);
    reader.version_and_flags()?;
    let count = reader.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let mut start = reader;
        let size = reader.u32()? as usize;
        let kind = reader.four_cc()?;
        reader.bytes(6)?;
        let data_reference = reader.u16()?;
        let bytes = start.bytes(size)?.to_vec();
        reader = ByteReader::new(reader.rest().get(size.checked_sub(16)?..)?);
        entries.push(SampleEntry {
            kind,
            data_reference,
            bytes,
        });
    }
    Some(entries)
}

/// Returns the packing of a QuickTime sound description of version 1, whose fields follow the 36 bytes that all versions have.
fn packing(entry: &[u8]) -> Option<Packing> {
    let mut reader = ByteReader::new(entry);
    reader.bytes(16)?;
    let version = reader.u16()?;
    reader.bytes(18)?;
    let samples = reader.u32()?;
    reader.bytes(4)?;
    let bytes = reader.u32()?;
    (version == 1 && samples > 0 && bytes > 0).then_some(Packing { samples, bytes })
}

fn data_references(dref: &[u8]) -> Vec<bool> {
    let mut reader = ByteReader::new(dref.get(8..).unwrap_or(&[]));
    let mut in_this_file = Vec::new();
    while let Some(size) = reader.u32() {
        let Some(body) = (size as usize).checked_sub(4).and_then(|rest| reader.bytes(rest)) else {
            break;
        };
        let flagged = body.get(7).is_none_or(|flags| flags & 1 == 1);
        // Some recorders do not set the flag, but name no file either.
        let unnamed = body.get(8).is_none_or(|&first| first == 0);
        in_this_file.push(flagged || unnamed);
    }
    in_this_file
}

fn references(tref: &[u8]) -> Vec<(FourCc, Vec<u32>)> {
    let mut reader = ByteReader::new(tref);
    let mut references = Vec::new();
    while let (Some(size), Some(kind)) = (reader.u32(), reader.four_cc()) {
        let Some(ids) = (size as usize).checked_sub(8).and_then(|rest| reader.bytes(rest)) else {
            break;
        };
        let ids = ids.chunks_exact(4).filter_map(|id| ByteReader::new(id).u32());
        references.push((kind, ids.collect()));
    }
    references
}

fn edits(edts: &[u8]) -> Vec<Edit> {
    let read = || {
        let mut reader = ByteReader::new(edts);
        reader.u32()?;
        (reader.four_cc()? == *b"elst").then_some(())?;
        let (version, _) = reader.version_and_flags()?;
        let entries = reader.entries(if version == 1 { 20 } else { 12 })?;
        let edits = entries.map(|mut entry| {
            let (duration, start) = if version == 1 {
                (entry.u64()?, entry.u64()? as i64)
            } else {
                (entry.u32()?.into(), entry.i32()?.into())
            };
            Some(Edit { start, duration })
        });
        edits.collect::<Option<Vec<_>>>()
    };
    let mut edits = read().unwrap_or_default();
    edits.retain(|edit| edit.start >= 0);
    edits
}
