// SPDX-License-Identifier: MPL-2.0

//! The top-level boxes of a file, and its `moov` with the tracks.

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
};

use super::{
    placement::{self, Matrix},
    track::Track,
};
use crate::{
    Error, ReadAt,
    boxes::{FourCc, Header, Mp4Box, name},
};

/// A larger `moov` is taken for damage. Two days of video and audio need less.
const MAX_MOOV: u64 = 128 << 20;

/// More top-level boxes than this are taken for damage.
const MAX_BOXES: usize = 1 << 16;

/// The types of box with which a file of this family begins.
const FIRST: [&FourCc; 11] = [
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"udta", b"uuid", b"meta",
];

/// An MP4 or QuickTime file whose tables are read and checked. The media data stays in the file.
pub struct Movie {
    path: PathBuf,
    source: Box<dyn ReadAt + Send>,
    length: u64,
    ftyp: Option<Mp4Box>,
    moov: Mp4Box,
    tracks: Vec<Track>,
    boxes: Vec<TopLevelBox>,
}

impl fmt::Debug for Movie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Movie")
            .field("path", &self.path)
            .field("length", &self.length)
            .field("tracks", &self.tracks)
            .field("boxes", &self.boxes)
            .finish_non_exhaustive()
    }
}

/// A top-level box whose bytes stay in the file. Bytes after the last box, if there are any, count as one without a header.
#[derive(Debug, Clone, Copy)]
pub struct TopLevelBox {
    pub kind: FourCc,
    /// Bytes of the header.
    pub header: u64,
    /// Where the body starts and ends in the file.
    pub start: u64,
    pub end: u64,
}

impl Movie {
    /// Opens a file, and reads and checks its tables.
    ///
    /// # Errors
    /// [`Error::Read`], and those of [`Movie::read`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::read(path, source))?;
        Self::read(path, file)
    }

    /// Reads and checks the tables of a file that `source` gives access to. Errors call it by `name`.
    ///
    /// # Errors
    /// The file is no MP4, it is fragmented, it has no `moov`, its tables contradict each other, or they refer to data beyond its end.
    pub fn read(name: impl Into<PathBuf>, source: impl ReadAt + Send + 'static) -> Result<Self, Error> {
        let path = name.into();
        let length = source.size().map_err(|error| Error::read(&path, error))?;
        let top = top_level(&path, &source, length)?;
        let moov = top.moov.ok_or_else(|| Error::NoMoov { file: path.clone() })?;
        let tracks = moov
            .children()
            .iter()
            .filter(|child| &child.kind == b"trak")
            .map(|trak| Track::read(trak).map_err(|reason| Error::damaged(&path, reason)))
            .collect::<Result<Vec<_>, _>>()?;
        if moov.child(b"mvex").is_some() && tracks.iter().all(|track| track.samples == 0) {
            return Err(Error::Fragmented { file: path });
        }
        if moov.child(b"cmov").is_some() {
            return Err(Error::unsupported(&path, "its moov box is compressed"));
        }
        let movie = Self {
            path,
            source: Box::new(source),
            length,
            ftyp: top.ftyp,
            moov,
            tracks,
            boxes: top.boxes,
        };
        movie.check_length()?;
        Ok(movie)
    }

    /// Returns the path or the name that the movie was read by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn ftyp(&self) -> Option<&Mp4Box> {
        self.ftyp.as_ref()
    }

    pub fn moov(&self) -> &Mp4Box {
        &self.moov
    }

    /// Returns the tracks in the order of their `trak` boxes.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Returns the matrix that applies to all tracks, after their own. `None` where the movie header is too short for one.
    pub fn matrix(&self) -> Option<Matrix> {
        self.moov
            .child(b"mvhd")
            .and_then(Mp4Box::data)
            .and_then(placement::movie_matrix)
    }

    /// Returns all top-level boxes but `ftyp` and `moov`, in the order of the file.
    pub fn boxes(&self) -> &[TopLevelBox] {
        &self.boxes
    }

    /// Returns the `trak` box of [`Movie::tracks`]`[index]`.
    pub fn trak(&self, index: usize) -> Option<&Mp4Box> {
        let traks = self.moov.children().iter().filter(|child| &child.kind == b"trak");
        traks.into_iter().nth(index)
    }

    /// Fills `bytes` from an offset in the file on.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.source
            .read_at(offset, bytes)
            .map_err(|error| Error::read(&self.path, error))
    }

    fn check_length(&self) -> Result<(), Error> {
        for track in &self.tracks {
            let own = track.chunks.iter().filter(|chunk| track.is_in_this_file(chunk));
            for chunk in own.filter(|chunk| chunk.samples > 0) {
                if chunk.offset >= self.length || chunk.end() > self.length {
                    return Err(Error::Truncated {
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
    boxes: Vec<TopLevelBox>,
}

fn top_level(path: &Path, source: &impl ReadAt, length: u64) -> Result<TopLevel, Error> {
    let damaged = |reason: String| Error::damaged(path, reason);
    let mut top = TopLevel::default();
    let mut offset = 0;
    while offset < length {
        let mut bytes = [0; 16];
        let available = (length - offset).min(16) as usize;
        let read = source.read_at(offset, &mut bytes[..available]);
        read.map_err(|error| Error::read(path, error))?;
        let header = Header::parse(&bytes[..available]);
        let header = header.filter(|header| offset > 0 || FIRST.contains(&&header.kind));
        let Some(header) = header else {
            if offset == 0 {
                return Err(Error::NotMp4 { file: path.into() });
            }
            top.boxes.push(TopLevelBox {
                kind: *b"    ",
                header: 0,
                start: offset,
                end: length,
            });
            break;
        };
        let start = offset + header.length;
        let promised = header.size.map_or(Some(length), |size| offset.checked_add(size));
        let end = promised.unwrap_or(u64::MAX).min(length);
        let whole = promised == Some(end);
        match &header.kind {
            b"moof" => return Err(Error::Fragmented { file: path.into() }),
            b"moov" | b"ftyp" if !whole => {
                return Err(damaged(format!("box '{}' is cut off", name(header.kind))));
            }
            b"moov" if top.moov.is_some() => return Err(damaged("it has two moov boxes".into())),
            b"moov" => top.moov = Some(read_box(path, source, header.kind, start, end)?),
            b"ftyp" if top.ftyp.is_none() && end - start < 1 << 16 => {
                top.ftyp = Some(read_box(path, source, header.kind, start, end)?);
            }
            _ => top.boxes.push(TopLevelBox {
                kind: header.kind,
                header: header.length,
                start,
                end,
            }),
        }
        if top.boxes.len() > MAX_BOXES {
            return Err(damaged(format!("it has more than {MAX_BOXES} boxes")));
        }
        offset = end;
    }
    Ok(top)
}

fn read_box(path: &Path, source: &impl ReadAt, kind: FourCc, start: u64, end: u64) -> Result<Mp4Box, Error> {
    let size = end - start;
    if size > MAX_MOOV {
        return Err(Error::damaged(path, format!("box '{}' has {size} bytes", name(kind))));
    }
    let mut body = vec![0; size as usize];
    let read = source.read_at(start, &mut body);
    read.map_err(|error| Error::read(path, error))?;
    Mp4Box::parse(kind, &body).map_err(|reason| Error::damaged(path, reason))
}
