// SPDX-License-Identifier: MPL-2.0

//! Restoring the pictures of a clip one after the other, as far as they are not written yet.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
};

use gst_video::VideoInfo;
use image::DynamicImage;

use super::{
    codec::{self, Picture},
    filter::{Filter, Filtered, buffer_of},
    journal::Journal,
    pixels::{self, Frame},
    record::Entry,
    sources::{Content, Source},
};
use crate::{
    error::{Error, reason},
    media::{element::Compare, interrupt},
    progress::FileProgress,
    restore::{
        plan::{PictureRun, check_free},
        segments::{ReusableElement, WorkDir, edge_width_of_frame, is_sharp},
    },
};

/// Pictures in the element at once: with a GPU it gives one back when the next but one has come.
const IN_FLIGHT: usize = 3;

/// The element forgets what was before at every picture whose number is a multiple of this, so that a run that was stopped need not begin anew
/// to give the same pictures.
const CHUNK: u128 = 64;

/// The number of the clip among those in its folder of unfinished work, as of a video.
pub const ONLY: usize = 1;

/// Where and how the pictures are written.
pub struct Restoring<'a> {
    pub run: &'a PictureRun,
    pub output: &'a Path,
    pub work: &'a WorkDir,
    pub journal: Journal,
    pub element: &'a ReusableElement,
    pub report: bool,
    /// Indices of the pictures that are saved as stills.
    pub stills: &'a [usize],
    /// By index: whether what has the name of the output may be replaced.
    pub replaces: &'a [bool],
    pub progress: &'a FileProgress,
}

/// A picture in the element.
struct Pending {
    index: usize,
    source: Source,
    picture: Picture,
    frame: Frame,
    edge_width: Option<f32>,
    /// `false` for one that is written already, and restored again for what the element knows of it.
    is_wanted: bool,
}

/// What follows a picture in the element.
#[derive(Debug, PartialEq, Eq)]
struct Before {
    index: usize,
    size: (u32, u32),
}

impl Restoring<'_> {
    /// Restores those of the `selected` pictures that have no entry yet. Returns provider and precision of the element.
    ///
    /// # Errors
    /// [`Error::Interrupted`], and errors of the element and in writing. Pictures that are written are kept.
    pub fn restore(mut self, selected: &[usize], entries: &mut [Option<Entry>]) -> Result<String, Error> {
        let mut filter = Filter::start(self.element)?;
        let (mut pending, mut before) = (VecDeque::new(), None);
        let mut told = BTreeSet::new();
        let step = self.run.step();
        for index in self.due(selected, entries) {
            interrupt::check()?;
            let is_wanted = entries[index].is_none();
            let (source, picture) = match self.read(index) {
                Ok(read) => read,
                Err(_) if !is_wanted => continue,
                Err(entry) => {
                    self.tell(&mut told, index, entry.damage.iter());
                    entries[index] = Some(*entry);
                    continue;
                }
            };
            let Some(frame) = pixels::frame(&picture.pixels) else {
                continue;
            };
            let edge_width = self.edge_width(&frame)?;
            if self.element.settings().only_blurred && edge_width.is_some_and(is_sharp) {
                before = None;
                if is_wanted {
                    entries[index] = Some(self.pass(index, &source, &picture, &frame, edge_width)?);
                }
                continue;
            }
            self.tell(&mut told, index, picture.lost.iter());
            let size = (frame.width, frame.height);
            let follows = before.is_some_and(|before: Before| {
                before.index + 1 == index
                    && before.size == size
                    && self.run.follows(index, step)
                    && !self.is_start(index)
            });
            filter.push(&frame, follows)?;
            before = Some(Before { index, size });
            pending.push_back(Pending {
                index,
                source,
                picture,
                frame,
                edge_width,
                is_wanted,
            });
            if pending.len() >= IN_FLIGHT {
                self.receive(&mut filter, &mut pending, entries)?;
            }
        }
        filter.finish()?;
        while !pending.is_empty() {
            self.receive(&mut filter, &mut pending, entries)?;
        }
        Ok(filter.provider())
    }

    /// Returns the pictures that pass the element: of each part between two at which it forgets what was before, all up to the last that is to be written.
    fn due(&self, selected: &[usize], entries: &[Option<Entry>]) -> Vec<usize> {
        let parts = selected.chunk_by(|_, &next| !self.is_start(next));
        let due = |part: &[usize]| {
            let last = part.iter().rposition(|&index| entries[index].is_none());
            part[..last.map_or(0, |last| last + 1)].to_vec()
        };
        parts.flat_map(due).collect()
    }

    /// Whether the element forgets what was before this picture.
    fn is_start(&self, index: usize) -> bool {
        let chunk = |index| self.run.number(index).unwrap_or(index as u128) / CHUNK;
        index.checked_sub(1).is_none_or(|before| chunk(before) != chunk(index))
    }

    /// Reads and decodes a picture, or returns the entry of one that cannot be.
    fn read(&self, index: usize) -> Result<(Source, Picture), Box<Entry>> {
        let name = self.name(index);
        match Source::read(&self.run.path(index)) {
            Ok(source) => match codec::decode(&source.file) {
                Ok(picture) => Ok((source, picture)),
                Err(reason) => Err(Entry::unreadable(name, Some(&source), reason).into()),
            },
            Err(reason) => Err(Entry::unreadable(name, None, reason).into()),
        }
    }

    fn name(&self, index: usize) -> String {
        self.run.name(index).to_string_lossy().into_owned()
    }

    /// Notes sentences about a picture that have not been noted about another one.
    fn tell<'a>(&self, told: &mut BTreeSet<String>, index: usize, sentences: impl Iterator<Item = &'a String>) {
        for sentence in sentences {
            if told.insert(sentence.clone()) {
                self.progress.note(&format!("{}: {sentence}", self.name(index)));
            }
        }
    }

    fn edge_width(&self, frame: &Frame) -> Result<Option<f32>, Error> {
        if !(self.report || self.element.settings().only_blurred) {
            return Ok(None);
        }
        let (info, buffer): (VideoInfo, gst::Buffer) = buffer_of(frame)?;
        Ok(edge_width_of_frame(&buffer, &info))
    }

    /// Takes a restored picture from the element, and writes it.
    fn receive(
        &mut self,
        filter: &mut Filter,
        pending: &mut VecDeque<Pending>,
        entries: &mut [Option<Entry>],
    ) -> Result<(), Error> {
        let filtered = filter.pull()?;
        let Some(pending) = pending.pop_front().filter(|pending| pending.is_wanted) else {
            return Ok(());
        };
        let index = pending.index;
        entries[index] = Some(self.write(pending, filtered)?);
        Ok(())
    }

    fn write(&mut self, pending: Pending, filtered: Filtered) -> Result<Entry, Error> {
        let Pending {
            index,
            source,
            picture,
            frame,
            edge_width,
            ..
        } = pending;
        let failed = |reason: String| self.failed(index, reason);
        let beside = self.is_side_by_side();
        let after = pixels::restored(&picture.pixels, &frame.samples, &filtered.samples, beside);
        let after = after.ok_or_else(|| failed("its samples are floating-point numbers".into()))?;
        let encoded = codec::encode(&after, &picture, &source.file).map_err(failed)?;
        let edge_width_after = match self.report {
            true => self.edge_width(&Frame {
                samples: filtered.samples,
                ..frame
            })?,
            false => None,
        };
        if let Some(number) = self.stills.iter().position(|&still| still == index) {
            self.save_still(number, &picture.pixels, &after)?;
        }
        let entry = Entry {
            milliseconds: filtered.milliseconds,
            edge_widths: edge_width.zip(edge_width_after),
            ..self.entry(index, &source, &picture, &encoded)
        };
        self.place(index, &source, &encoded, &entry, |written| {
            codec::prove(written, &after, &picture)
        })?;
        Ok(entry)
    }

    /// Writes a sharp picture as it came, or beside itself.
    fn pass(
        &mut self,
        index: usize,
        source: &Source,
        picture: &Picture,
        frame: &Frame,
        edge_width: Option<f32>,
    ) -> Result<Entry, Error> {
        if let Some(number) = self.stills.iter().position(|&still| still == index) {
            self.save_still(number, &picture.pixels, &picture.pixels)?;
        }
        let beside = self.is_side_by_side();
        let wide = beside.then(|| pixels::restored(&picture.pixels, &frame.samples, &frame.samples, true));
        let wide = match wide.flatten() {
            Some(wide) => Some((
                codec::encode(&wide, picture, &source.file).map_err(|reason| self.failed(index, reason))?,
                wide,
            )),
            None => None,
        };
        let encoded = wide.as_ref().map_or(&source.file, |(encoded, _)| encoded);
        let entry = Entry {
            restored: false,
            edge_widths: edge_width.zip(edge_width).filter(|_| self.report),
            // A copy lacks nothing.
            lost: wide.as_ref().map(|_| picture.lost.clone()).unwrap_or_default(),
            ..self.entry(index, source, picture, encoded)
        };
        self.place(index, source, encoded, &entry, |written| match &wide {
            Some((_, wide)) => codec::prove(written, wide, picture),
            None => (written == source.file)
                .then_some(())
                .ok_or_else(|| "it is no copy".into()),
        })?;
        Ok(entry)
    }

    fn is_side_by_side(&self) -> bool {
        self.element.settings().compare == Compare::SideBySide
    }

    fn failed(&self, index: usize, reason: String) -> Error {
        Error::Failed(format!("'{}': {reason}", self.run.path(index).display()))
    }

    fn entry(&self, index: usize, source: &Source, picture: &Picture, written: &[u8]) -> Entry {
        Entry {
            name: self.name(index),
            original: source.content(),
            output: Some(Content::of(written)),
            milliseconds: 0.0,
            restored: true,
            damage: picture.damage.clone(),
            lost: picture.lost.clone(),
            edge_widths: None,
        }
    }

    /// Writes a file, proves it, records it and gives it its name.
    fn place(
        &mut self,
        index: usize,
        source: &Source,
        encoded: &[u8],
        entry: &Entry,
        prove: impl FnOnce(&[u8]) -> Result<(), String>,
    ) -> Result<(), Error> {
        let path = self.run.output(self.output, index);
        let part: PathBuf = self.work.partial(&format!("{index:05}"));
        let unwritable = |error: std::io::Error| Error::unwritable(&path, reason(&error));
        fs::write(&part, encoded).map_err(unwritable)?;
        let written = fs::read(&part).map_err(unwritable)?;
        prove(&written).map_err(|reason| Error::Unproven {
            path: path.clone(),
            reason,
        })?;
        if let Err(error) = source.keep_time(&part) {
            self.progress.note(&format!(
                "{}: its time of modification is not kept: {error}",
                entry.name
            ));
        }
        check_free(&path, self.replaces[index])?;
        self.journal.add(entry)?;
        self.work.place(&part, &path, self.replaces[index])?;
        self.progress.restored(1);
        Ok(())
    }

    fn save_still(&self, number: usize, before: &DynamicImage, after: &DynamicImage) -> Result<(), Error> {
        for (picture, side) in [(before, "before"), (after, "after")] {
            save_png(picture, &self.work.still(ONLY, number, side))?;
        }
        Ok(())
    }
}

/// Writes a picture as PNG.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn save_png(picture: &DynamicImage, path: &Path) -> Result<(), Error> {
    let mut encoded = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut encoded, image::ImageFormat::Png)
        .map_err(|error| Error::unwritable(path, error))?;
    fs::write(path, encoded.into_inner()).map_err(|error| Error::unwritable(path, reason(&error)))
}
