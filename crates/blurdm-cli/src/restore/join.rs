// SPDX-License-Identifier: MPL-2.0

//! Finished segments and the original into the output.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    Error, container,
    error::reason,
    remux::{self, Part, Remuxed},
    scan::Scan,
    work::Frame,
};

/// What goes into the output.
pub struct Joined<'a> {
    pub scan: &'a Scan,
    /// Files of finished segments, in their order.
    pub segments: &'a [PathBuf],
    /// Of all segments.
    pub frames: &'a [Frame],
    /// Where not all of the original is wanted.
    pub part: Option<Part>,
    /// Name and text of tags to add.
    pub tags: &'a [(&'a str, &'a str)],
}

impl Joined<'_> {
    /// Writes the output under a name of its own, and gives it its name when it is complete. Returns what of the original it lacks.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Unreadable`], [`Error::Interrupted`].
    pub fn write(&self, output: &Path) -> Result<Vec<String>, Error> {
        // The ending tells the container, so it stays.
        let part = output.with_file_name(format!(
            ".{}.part",
            output.file_name().unwrap_or_default().to_string_lossy()
        ));
        let written = self.write_to(&part, output);
        if written.is_err() {
            fs::remove_file(&part).ok();
        }
        let lost = written?;
        File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, output))
            .map_err(|error| Error::unwritable(output, reason(&error)))?;
        Ok(lost)
    }

    fn write_to(&self, part: &Path, output: &Path) -> Result<Vec<String>, Error> {
        let mut lost = Vec::new();
        if self.part.is_none() && container::is_mp4(output) {
            match self.splice(part, output) {
                Ok(notes) => return Ok(notes),
                Err(Spliced::Failed(error)) => return Err(error),
                // Not an MP4, a damaged or a fragmented one: the streams that GStreamer knows are what can be kept.
                Err(Spliced::Unfit(why)) => lost.push(why),
            }
        }
        let times: Vec<u64> = self.frames.iter().map(|frame| frame.time).collect();
        let remuxed = Remuxed {
            scan: self.scan,
            segments: self.segments,
            times: &times,
            part: self.part,
            tags: self.tags,
        };
        lost.extend(remuxed.write(part, remux::muxer(output))?);
        Ok(lost)
    }

    /// Everything but the video's own samples stays as it is.
    fn splice(&self, part: &Path, output: &Path) -> Result<Vec<String>, Spliced> {
        let movie = mp4_splice::Movie::open(&self.scan.path).map_err(|error| Spliced::Unfit(error.to_string()))?;
        let video = movie.video().map_err(|error| Spliced::Unfit(error.to_string()))?;
        if video.edits > 1 {
            return Err(Spliced::Unfit("its video is put together of several stretches".into()));
        }
        let ticks: Option<Vec<i64>> = self.frames.iter().map(|frame| video.ticks_of(frame.pts)).collect();
        let Some(ticks) = ticks.filter(|ticks| ticks.is_sorted_by(|a, b| a < b)) else {
            return Err(Spliced::Unfit("its times are not those of its frames".into()));
        };
        let unwritable = |error: &dyn std::fmt::Display| Spliced::Failed(Error::unwritable(output, error));
        let file = File::create(part).map_err(|error| unwritable(&reason(&error)))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let segments = self.segments.iter().map(|path| mp4_splice::Segment::open(path));
        let notes = segments
            .collect::<Result<Vec<_>, _>>()
            .and_then(|segments| mp4_splice::splice(&movie, &segments, &ticks, self.tags, &mut file))
            .map_err(|error| unwritable(&error))?;
        file.flush().map_err(|error| unwritable(&reason(&error)))?;
        Ok(notes)
    }
}

enum Spliced {
    /// Another way may do.
    Unfit(String),
    Failed(Error),
}
