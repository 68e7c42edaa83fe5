// SPDX-License-Identifier: MPL-2.0

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    mp4::{self, SpliceError},
    placement,
    remux::{self, Remux},
    restored_video::RestoredVideo,
};
use crate::{
    error::{Error, reason},
    media::stereo,
    restore::{
        plan::{Part, Scan, Turning, output_name},
        proof::{self, Expected, ExpectedVideo, Lacking},
        segments::WorkDir,
    },
};

/// What the output consists of.
pub struct Output<'a> {
    pub original: &'a Path,
    /// At least one. All other streams are those of the original.
    pub videos: &'a [RestoredVideo<'a>],
    /// The part of the original that is kept. `None` for all of it.
    pub part: Option<Part>,
    /// Names and texts of tags to add.
    pub tags: &'a [(&'a str, &'a str)],
}

impl Output<'_> {
    /// Writes in `work` what becomes the output at `path`, and compares it with the plan. Its time of modification is that of the original. `check` is called
    /// when it is complete. Returns the file, and what of the original it lacks.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Unreadable`], [`Error::Interrupted`], and those of `check`.
    pub fn make(
        &self,
        path: &Path,
        work: &WorkDir,
        check: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(PathBuf, Lacking), Error> {
        // Muxers are not chosen by this name, but by that of the output.
        let part = work.partial("output");
        let written = self.write_to(&part, path).and_then(|(mut lost, spliced)| {
            let lacking = self.prove(&part, path, spliced, &lost)?;
            check()?;
            lost.extend(lacking.told);
            Ok(Lacking { told: lost, ..lacking })
        });
        if written.is_err() {
            fs::remove_file(&part).ok();
        }
        let mut lacking = written?;
        if let Err(error) = keep_time(self.original, &part) {
            lacking
                .told
                .push(format!("its time of modification: {}", reason(&error)));
        }
        Ok((part, lacking))
    }

    /// Compares the written file with the plan. Returns what it lacks.
    fn prove(&self, part: &Path, path: &Path, spliced: bool, told: &[String]) -> Result<Lacking, Error> {
        let times = self.times(path);
        let videos = self.videos.iter().zip(&times);
        let videos = videos.map(|(video, times)| ExpectedVideo {
            video: &video.scan.video,
            segments: &video.segments,
            times,
            orientation: video.scan.orientation.map(|_| video.turning.output),
        });
        let expected = Expected {
            original: self.original,
            videos: &videos.collect::<Vec<_>>(),
            part: self.part,
            same_container: spliced,
            same_times: !spliced && self.keeps_container_times(path),
            start: self.remux(path, &times).start(remux::muxer_for(path)),
            told,
            is_damage_told: self.videos.iter().any(|video| video.scan.damage.is_some()),
        };
        proof::prove(&expected, part, path)
    }

    /// Whether the output has the times that the original's container has, wherever they begin: where both are Matroska.
    fn keeps_container_times(&self, path: &Path) -> bool {
        let is_matroska = self.videos.iter().any(|video| video.scan.is_matroska);
        self.part.is_none() && is_matroska && remux::is_matroska(remux::muxer_for(path))
    }

    /// Returns the times of the frames of each video.
    fn times(&self, path: &Path) -> Vec<Vec<u64>> {
        let of_container = self.keeps_container_times(path);
        self.videos.iter().map(|video| video.times(of_container)).collect()
    }

    fn remux<'a>(&'a self, path: &Path, times: &'a [Vec<u64>]) -> Remux<'a> {
        Remux {
            original: self.original,
            videos: self.videos,
            times,
            part: self.part,
            keeps_container_times: self.keeps_container_times(path),
            tags: self.tags,
        }
    }

    /// Writes the output as `part`. Returns what it lacks, and whether everything else is spliced from the original's bytes.
    fn write_to(&self, part: &Path, path: &Path) -> Result<(Vec<String>, bool), Error> {
        let mut lost: Vec<String> = self
            .videos
            .iter()
            .filter_map(|video| Turning::lost(video.scan))
            .collect();
        let is_lost = |scan: &Scan| {
            let is_written = !output_name::is_mp4(path) && stereo::is_written_into_matroska(&scan.caps);
            scan.packing_in_bitstream && !is_written
        };
        if self.videos.iter().any(|video| is_lost(video.scan)) {
            lost.push("that both eyes are in one picture, as the bitstream states it".into());
        }
        if self.part.is_none() && output_name::is_mp4(path) {
            match mp4::splice(self.original, self.videos, self.tags, part, path) {
                Ok(mut notes) => {
                    notes.append(&mut lost);
                    for video in self.videos {
                        placement::correct_spliced(video.scan, video.turning, part, path)?;
                    }
                    return Ok((notes, true));
                }
                Err(SpliceError::Failed(error)) => return Err(error),
                // Not an MP4 file, a damaged or a fragmented one. What can be kept is the streams that GStreamer demuxes.
                Err(SpliceError::Unsuitable(reason)) => lost.extend(reason),
            }
        }
        let times = self.times(path);
        lost.extend(self.remux(path, &times).write(part, remux::muxer_for(path))?);
        for video in self.videos {
            if video.scan.orientation.is_none() {
                lost.push("the orientation, which is no whole number of quarter turns".into());
            }
            if output_name::is_mp4(path) {
                placement::state(&video.segments, video.turning, part, path)?;
            }
        }
        Ok((lost, false))
    }
}

/// Gives a file the time of modification of another.
fn keep_time(original: &Path, file: &Path) -> io::Result<()> {
    let changed = fs::metadata(original)?.modified()?;
    File::options().write(true).open(file)?.set_modified(changed)
}
