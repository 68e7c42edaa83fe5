// SPDX-License-Identifier: MPL-2.0

//! A file taken apart: its top-level boxes, and its `moov` with the tracks.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    Mp4Error,
    boxes::{Header, Kind, Mp4Box, name},
    track::Track,
    video::VideoTrack,
};

/// A larger `moov` is not believed; two days of video and sound take less.
const LARGEST_MOOV: u64 = 128 << 20;

/// More top-level boxes than this are not believed.
const MOST_REGIONS: usize = 1 << 16;

/// What a file of this family begins with.
const FIRST: [&Kind; 11] = [
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"udta", b"uuid", b"meta",
];

/// An MP4 or QuickTime file, its tables read and checked. Of the media data nothing is kept in memory.
#[derive(Debug)]
pub struct Movie {
    path: PathBuf,
    file: File,
    /// Bytes of the file.
    pub(super) length: u64,
    pub(super) ftyp: Option<Mp4Box>,
    pub(super) moov: Mp4Box,
    /// In the order of the `trak` boxes.
    pub(super) tracks: Vec<Track>,
    /// All but `ftyp` and `moov`, in the order of the file.
    pub(super) regions: Vec<Region>,
}

/// A top-level box whose bytes stay in the file. What lies behind the last box, if anything, is one without a header.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    pub kind: Kind,
    pub header: u64,
    /// Of its body.
    pub start: u64,
    pub end: u64,
}

impl Movie {
    /// Reads and checks what the file says of itself.
    ///
    /// # Errors
    /// Each naming the file: it is no MP4, it is fragmented, it has no `moov`, its tables lie, or they tell of data beyond its end.
    pub fn open(path: &Path) -> Result<Self, Mp4Error> {
        let unreadable = |source| Mp4Error::read(path, source);
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let top = top_level(path, &file, length)?;
        let moov = top.moov.ok_or_else(|| Mp4Error::NoMoov { file: path.into() })?;
        let tracks = moov
            .children()
            .iter()
            .filter(|child| &child.kind == b"trak")
            .map(|trak| Track::read(trak).map_err(|reason| Mp4Error::damaged(path, reason)))
            .collect::<Result<Vec<_>, _>>()?;
        if moov.child(b"mvex").is_some() && tracks.iter().all(|track| track.samples == 0) {
            return Err(Mp4Error::Fragmented { file: path.into() });
        }
        if moov.child(b"cmov").is_some() {
            return Err(Mp4Error::unsupported(path, "its moov box is compressed"));
        }
        let movie = Self {
            path: path.into(),
            file,
            length,
            ftyp: top.ftyp,
            moov,
            tracks,
            regions: top.regions,
        };
        movie.check_length()?;
        Ok(movie)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first enabled video track that is not a still picture.
    ///
    /// # Errors
    /// There is none, its tables lie, or its samples are encrypted or not in this file.
    pub fn video(&self) -> Result<VideoTrack, Mp4Error> {
        VideoTrack::read(self)
    }

    pub(super) fn trak(&self, index: usize) -> Option<&Mp4Box> {
        let traks = self.moov.children().iter().filter(|child| &child.kind == b"trak");
        traks.into_iter().nth(index)
    }

    /// Reads from a place in the file.
    pub(super) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Mp4Error> {
        read_at(&self.file, offset, bytes).map_err(|source| Mp4Error::read(&self.path, source))
    }

    fn check_length(&self) -> Result<(), Mp4Error> {
        for track in &self.tracks {
            let here = track.chunks.iter().filter(|chunk| track.is_here(chunk));
            for chunk in here.filter(|chunk| chunk.samples > 0) {
                if chunk.offset >= self.length || chunk.end() > self.length {
                    return Err(Mp4Error::Truncated {
                        file: self.path.clone(),
                        track: track.id,
                        at: chunk.offset,
                    });
                }
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct TopLevel {
    ftyp: Option<Mp4Box>,
    moov: Option<Mp4Box>,
    regions: Vec<Region>,
}

fn top_level(path: &Path, file: &File, length: u64) -> Result<TopLevel, Mp4Error> {
    let damaged = |reason: String| Mp4Error::damaged(path, reason);
    let mut top = TopLevel::default();
    let mut offset = 0;
    while offset < length {
        let mut bytes = [0; 16];
        let available = (length - offset).min(16) as usize;
        read_at(file, offset, &mut bytes[..available]).map_err(|source| Mp4Error::read(path, source))?;
        let header = Header::parse(&bytes[..available]);
        let header = header.filter(|header| offset > 0 || FIRST.contains(&&header.kind));
        let Some(header) = header else {
            if offset == 0 {
                return Err(Mp4Error::NotMp4 { file: path.into() });
            }
            top.regions.push(Region {
                kind: *b"    ",
                header: 0,
                start: offset,
                end: length,
            });
            break;
        };
        let start = offset + header.header;
        let promised = header.size.map_or(Some(length), |size| offset.checked_add(size));
        let end = promised.unwrap_or(u64::MAX).min(length);
        let whole = promised == Some(end);
        match &header.kind {
            b"moof" => return Err(Mp4Error::Fragmented { file: path.into() }),
            b"moov" | b"ftyp" if !whole => {
                return Err(damaged(format!("box '{}' is cut off", name(header.kind))));
            }
            b"moov" if top.moov.is_some() => return Err(damaged("it has two moov boxes".into())),
            b"moov" => top.moov = Some(read_box(path, file, header.kind, start, end)?),
            b"ftyp" if top.ftyp.is_none() && end - start < 1 << 16 => {
                top.ftyp = Some(read_box(path, file, header.kind, start, end)?);
            }
            _ => top.regions.push(Region {
                kind: header.kind,
                header: header.header,
                start,
                end,
            }),
        }
        if top.regions.len() > MOST_REGIONS {
            return Err(damaged(format!("it has more than {MOST_REGIONS} boxes")));
        }
        offset = end;
    }
    Ok(top)
}

fn read_box(path: &Path, file: &File, kind: Kind, start: u64, end: u64) -> Result<Mp4Box, Mp4Error> {
    let size = end - start;
    if size > LARGEST_MOOV {
        return Err(Mp4Error::damaged(
            path,
            format!("box '{}' has {size} bytes", name(kind)),
        ));
    }
    let mut body = vec![0; size as usize];
    read_at(file, start, &mut body).map_err(|source| Mp4Error::read(path, source))?;
    Mp4Box::parse(kind, &body).map_err(|reason| Mp4Error::damaged(path, reason))
}

fn read_at(mut file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}
