// SPDX-License-Identifier: MPL-2.0

//! What the other parts need to know of a track.

use super::{
    boxes::{Kind, Mp4Box, name},
    fields::Fields,
    table::{Chunk, Packing, Sizes, chunks},
};

#[derive(Debug)]
pub struct Track {
    pub id: u32,
    pub enabled: bool,
    pub handler: Kind,
    /// Ticks per second of the media.
    pub timescale: u32,
    /// Of the media, in ticks.
    pub duration: u64,
    pub samples: usize,
    pub entries: Vec<SampleEntry>,
    pub chunks: Vec<Chunk>,
    /// Tracks that this one refers to, by the kind of reference.
    pub references: Vec<(Kind, Vec<u32>)>,
    /// Parts of the media that are shown, by the edit list.
    pub edits: Vec<Edit>,
    /// Whether the data of each data reference is in this file.
    in_this_file: Vec<bool>,
}

/// How samples are coded: an entry of `stsd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    pub kind: Kind,
    /// From 1.
    pub data_reference: u16,
    /// The whole box.
    pub bytes: Vec<u8>,
}

/// A line of the edit list that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// In ticks of the media.
    pub start: i64,
    /// In ticks of the movie; 0 is to the end.
    pub duration: u64,
}

impl Track {
    /// # Errors
    /// What does not fit, as a part of a sentence.
    pub fn read(trak: &Mp4Box) -> Result<Self, String> {
        let tkhd = data(trak, &[b"tkhd"])?;
        let (enabled, id) = read_tkhd(tkhd).ok_or("box 'tkhd' is too short")?;
        let of_track = |reason: String| format!("track {id}: {reason}");
        let (timescale, duration) = data(trak, &[b"mdia", b"mdhd"])
            .and_then(|mdhd| read_mdhd(mdhd).ok_or("box 'mdhd' is too short or has no timescale".into()))
            .map_err(of_track)?;
        let handler = data(trak, &[b"mdia", b"hdlr"])
            .and_then(|hdlr| read_hdlr(hdlr).ok_or("box 'hdlr' is too short".into()))
            .map_err(of_track)?;
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
            in_this_file: Vec::new(),
        };
        if let Some(stbl) = trak.at(&[b"mdia", b"minf", b"stbl"]) {
            track.read_samples(stbl).map_err(of_track)?;
            let dref = trak.at(&[b"mdia", b"minf", b"dinf", b"dref"]).and_then(Mp4Box::data);
            track.in_this_file = dref.map_or(Vec::new(), data_references);
        }
        Ok(track)
    }

    fn read_samples(&mut self, stbl: &Mp4Box) -> Result<(), String> {
        let stsd = data(stbl, &[b"stsd"])?;
        self.entries = sample_entries(stsd).ok_or("box 'stsd' promises more than it holds")?;
        let sizes = Sizes::read(stbl)?;
        let packing = match self.entries.first() {
            Some(entry) if &self.handler == b"soun" => packing(&entry.bytes),
            _ => None,
        };
        self.samples = sizes.count();
        self.chunks = chunks(stbl, &sizes, packing)?;
        Ok(())
    }

    /// The sample entry of a chunk.
    pub fn entry(&self, chunk: &Chunk) -> Option<&SampleEntry> {
        self.entries.get((chunk.entry as usize).checked_sub(1)?)
    }

    /// Whether the bytes of a chunk are in this file, and not in another that it refers to.
    pub fn is_here(&self, chunk: &Chunk) -> bool {
        let reference = self
            .entry(chunk)
            .and_then(|entry| usize::from(entry.data_reference).checked_sub(1));
        reference
            .and_then(|reference| self.in_this_file.get(reference))
            .copied()
            .unwrap_or(true)
    }

    pub fn refers_to(&self, kind: &Kind, id: u32) -> bool {
        self.references
            .iter()
            .any(|(reference, ids)| reference == kind && ids.contains(&id))
    }
}

fn data<'a>(parent: &'a Mp4Box, path: &[&Kind]) -> Result<&'a [u8], String> {
    let data = parent.at(path).and_then(Mp4Box::data);
    data.ok_or_else(|| match path.last() {
        Some(kind) => format!("box '{}' is missing", name(**kind)),
        None => "a box is missing".into(),
    })
}

fn read_tkhd(data: &[u8]) -> Option<(bool, u32)> {
    let mut fields = Fields::new(data);
    let (version, flags) = fields.version_and_flags()?;
    // Times of creation and change.
    fields.bytes(if version == 1 { 16 } else { 8 })?;
    Some((flags & 1 == 1, fields.u32()?))
}

fn read_mdhd(data: &[u8]) -> Option<(u32, u64)> {
    let mut fields = Fields::new(data);
    let (version, _) = fields.version_and_flags()?;
    let (timescale, duration) = if version == 1 {
        fields.bytes(16)?;
        (fields.u32()?, fields.u64()?)
    } else {
        fields.bytes(8)?;
        (fields.u32()?, fields.u32()?.into())
    };
    (timescale > 0).then_some((timescale, duration))
}

fn read_hdlr(data: &[u8]) -> Option<Kind> {
    let mut fields = Fields::new(data);
    fields.bytes(8)?;
    fields.kind()
}

fn sample_entries(stsd: &[u8]) -> Option<Vec<SampleEntry>> {
    let mut fields = Fields::new(stsd);
    fields.version_and_flags()?;
    let count = fields.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let mut start = fields;
        let size = fields.u32()? as usize;
        let kind = fields.kind()?;
        fields.bytes(6)?;
        let data_reference = fields.u16()?;
        let bytes = start.bytes(size)?.to_vec();
        fields = Fields::new(fields.rest().get(size.checked_sub(16)?..)?);
        entries.push(SampleEntry {
            kind,
            data_reference,
            bytes,
        });
    }
    Some(entries)
}

/// Of a QuickTime sound description of version 1, whose fields follow the 36 bytes that all versions have.
fn packing(entry: &[u8]) -> Option<Packing> {
    let mut fields = Fields::new(entry);
    fields.bytes(16)?;
    let version = fields.u16()?;
    fields.bytes(18)?;
    let samples = fields.u32()?;
    fields.bytes(4)?;
    let bytes = fields.u32()?;
    (version == 1 && samples > 0 && bytes > 0).then_some(Packing { samples, bytes })
}

fn data_references(dref: &[u8]) -> Vec<bool> {
    let mut fields = Fields::new(dref.get(8..).unwrap_or(&[]));
    let mut here = Vec::new();
    while let Some(size) = fields.u32() {
        let Some(body) = (size as usize).checked_sub(4).and_then(|rest| fields.bytes(rest)) else {
            break;
        };
        let flagged = body.get(7).is_none_or(|flags| flags & 1 == 1);
        // Some recorders forget the flag, but name no file either.
        let unnamed = body.get(8).is_none_or(|&first| first == 0);
        here.push(flagged || unnamed);
    }
    here
}

fn references(tref: &[u8]) -> Vec<(Kind, Vec<u32>)> {
    let mut fields = Fields::new(tref);
    let mut references = Vec::new();
    while let (Some(size), Some(kind)) = (fields.u32(), fields.kind()) {
        let Some(ids) = (size as usize).checked_sub(8).and_then(|rest| fields.bytes(rest)) else {
            break;
        };
        let ids = ids.chunks_exact(4).filter_map(|id| Fields::new(id).u32());
        references.push((kind, ids.collect()));
    }
    references
}

fn edits(edts: &[u8]) -> Vec<Edit> {
    let read = || {
        let mut fields = Fields::new(edts);
        fields.u32()?;
        (fields.kind()? == *b"elst").then_some(())?;
        let (version, _) = fields.version_and_flags()?;
        let entries = fields.entries(if version == 1 { 20 } else { 12 })?;
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
