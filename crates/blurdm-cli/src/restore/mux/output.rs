// SPDX-License-Identifier: MPL-2.0

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    mp4::{self, SpliceError},
    remux::{self, Part, Remux},
};
use crate::{
    error::{Error, reason},
    restore::{
        plan::{Scan, output_name},
        segments::FrameRecord,
    },
};

/// What the output consists of.
pub struct Output<'a> {
    pub scan: &'a Scan,
    /// Videos of the finished segments, in their order.
    pub segments: &'a [PathBuf],
    /// The frames of all segments.
    pub frames: &'a [FrameRecord],
    /// The part of the original that is kept. `None` for all of it.
    pub part: Option<Part>,
    /// Names and texts of tags to add.
    pub tags: &'a [(&'a str, &'a str)],
}

impl Output<'_> {
    /// Writes the output under a temporary name, and renames it when it is complete. Returns what of the original it lacks.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Unreadable`], [`Error::Interrupted`].
    pub fn write(&self, path: &Path) -> Result<Vec<String>, Error> {
        // Muxers are not chosen by this name, but by that of the output.
        let part = path.with_file_name(format!(
            ".{}.part",
            path.file_name().unwrap_or_default().to_string_lossy()
        ));
        let written = self.write_to(&part, path);
        if written.is_err() {
            fs::remove_file(&part).ok();
        }
        let lost = written?;
        File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, path))
            .map_err(|error| Error::unwritable(path, reason(&error)))?;
        Ok(lost)
    }

    fn write_to(&self, part: &Path, path: &Path) -> Result<Vec<String>, Error> {
        let mut lost = Vec::new();
        if self.part.is_none() && output_name::is_mp4(path) {
            match mp4::splice(self.scan, self.segments, self.frames, self.tags, part, path) {
                Ok(notes) => return Ok(notes),
                Err(SpliceError::Failed(error)) => return Err(error),
                // Not an MP4 file, a damaged or a fragmented one. What can be kept is the streams that GStreamer demuxes.
                Err(SpliceError::Unsuitable(reason)) => lost.push(reason),
            }
        }
        let times: Vec<u64> = self.frames.iter().map(|frame| frame.time).collect();
        let remux = Remux {
            scan: self.scan,
            segments: self.segments,
            times: &times,
            part: self.part,
            tags: self.tags,
        };
        lost.extend(remux.write(part, remux::muxer_for(path))?);
        Ok(lost)
    }
}
