// SPDX-License-Identifier: MPL-2.0

//! The folder of unfinished work beside an output, which holds its finished segments.
//!
//! A segment is finished when its `NNNNN.json` exists, which is written last and renamed into place. `NNNNN.mp4` is its video. All other
//! files come from an interrupted run and are written again. The folder is removed when the output is complete.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, reason},
    restore::plan::{Segment, inputs::WORK_EXTENSION},
};

/// What is recorded about a frame of a finished segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FrameRecord {
    /// Stream time in nanoseconds.
    pub time: u64,
    /// PTS of the demuxer in nanoseconds.
    pub pts: u64,
    /// Time in the element.
    pub milliseconds: f32,
    /// `false` for a frame that passed unchanged because it is sharp.
    pub restored: bool,
    /// Whether the decoder concealed errors in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
    /// Width of its edges in pixels before and after, if a report is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_widths: Option<(f32, f32)>,
}

/// A finished segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinishedSegment {
    #[serde(rename = "span")]
    pub segment: Segment,
    pub frames: Vec<FrameRecord>,
    /// Provider and precision of the element.
    pub provider: String,
    /// Why frames are missing, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// What identifies the work. Finished segments of a different plan are of no use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan<I> {
    pub identity: I,
    #[serde(rename = "spans")]
    pub segments: Vec<Segment>,
}

#[derive(Debug)]
pub struct WorkDir {
    folder: PathBuf,
    /// Locked while this process uses the folder.
    _lock: File,
}

impl WorkDir {
    /// Returns the folder for an output.
    pub fn path_for(output: &Path) -> PathBuf {
        let mut name = output.file_name().map_or_else(OsString::new, OsString::from);
        name.push(".");
        name.push(WORK_EXTENSION);
        output.with_file_name(name)
    }

    /// Opens or creates a folder. What it holds of a different plan is removed.
    ///
    /// # Errors
    /// [`Error::Unwritable`]; [`Error::Busy`] where another process uses the folder.
    pub fn open<I: PartialEq + Serialize + DeserializeOwned>(folder: PathBuf, plan: &Plan<I>) -> Result<Self, Error> {
        let unwritable = |error: io::Error| Error::unwritable(&folder, reason(&error));
        fs::create_dir_all(&folder).map_err(unwritable)?;
        let lock = File::create(folder.join("lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: folder }),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let work = Self { folder, _lock: lock };
        if work.read::<Plan<I>>("job.json").as_ref() != Some(plan) {
            work.clear()?;
            work.write("job.json", plan)?;
        }
        Ok(work)
    }

    /// Returns the file for the video of a finished segment.
    pub fn video(&self, segment: &Segment) -> PathBuf {
        self.folder.join(format!("{:05}.mp4", segment.number))
    }

    /// Returns the file to which the video of a segment is written until it is finished.
    pub fn partial_video(&self, segment: &Segment) -> PathBuf {
        self.folder.join(format!("{:05}.part", segment.number))
    }

    /// Returns the file of a still for the report. `side` is "before" or "after".
    pub fn still(&self, number: usize, side: &str) -> PathBuf {
        self.folder.join(format!("still-{number}-{side}.png"))
    }

    /// Returns the record of a segment, if it is finished.
    pub fn finished(&self, segment: &Segment) -> Option<FinishedSegment> {
        let finished = self.read::<FinishedSegment>(&format!("{:05}.json", segment.number))?;
        (finished.segment == *segment && self.video(segment).is_file()).then_some(finished)
    }

    /// Finishes a segment whose video is complete in [`WorkDir::partial_video`].
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn finish(&self, finished: &FinishedSegment) -> Result<(), Error> {
        let (part, video) = (self.partial_video(&finished.segment), self.video(&finished.segment));
        // Synchronised, so that after a power failure no segment counts as finished that is not.
        File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, &video))
            .map_err(|error| Error::unwritable(&video, reason(&error)))?;
        self.write(&format!("{:05}.json", finished.segment.number), finished)
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn remove(self) -> Result<(), Error> {
        fs::remove_dir_all(&self.folder).map_err(|error| Error::unwritable(&self.folder, reason(&error)))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.folder.join(name)).ok()?).ok()
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let path = self.folder.join(name);
        let part = self.folder.join(format!("{name}.part"));
        let written = serde_json::to_vec(value).map_err(io::Error::from).and_then(|text| {
            let mut file = File::create(&part)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        });
        written.map_err(|error| Error::unwritable(&path, reason(&error)))
    }

    fn clear(&self) -> Result<(), Error> {
        let cleared = fs::read_dir(&self.folder).and_then(|entries| {
            for entry in entries {
                let path = entry?.path();
                if path.file_name().is_none_or(|name| name != "lock") {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        });
        cleared.map_err(|error| Error::unwritable(&self.folder, reason(&error)))
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SEGMENT: Segment = Segment {
        number: 0,
        from: 0,
        to: None,
        frames: 1,
        seek_to: None,
    };

    fn plan(identity: &str) -> Plan<String> {
        Plan {
            identity: identity.into(),
            segments: vec![SEGMENT],
        }
    }

    fn finished() -> FinishedSegment {
        FinishedSegment {
            segment: SEGMENT,
            frames: vec![FrameRecord {
                time: 7,
                pts: 8,
                milliseconds: 1.5,
                restored: true,
                damaged: false,
                edge_widths: None,
            }],
            provider: "cpu".into(),
            damage: None,
        }
    }

    fn open(folder: &Path, identity: &str) -> WorkDir {
        WorkDir::open(folder.join("clip.mp4.blurdm"), &plan(identity)).unwrap()
    }

    #[test]
    fn finished_segments_are_there_for_the_same_plan_and_removed_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let work = open(folder.path(), "a");
        fs::write(work.partial_video(&SEGMENT), "video").unwrap();
        work.finish(&finished()).unwrap();
        drop(work);
        assert_eq!(open(folder.path(), "a").finished(&SEGMENT), Some(finished()));
        assert_eq!(open(folder.path(), "b").finished(&SEGMENT), None);
        assert_eq!(open(folder.path(), "a").finished(&SEGMENT), None);
    }

    #[test]
    fn an_interrupted_segment_is_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        let work = open(folder.path(), "a");
        fs::write(work.partial_video(&SEGMENT), "vid").unwrap();
        assert_eq!(work.finished(&SEGMENT), None);
        fs::write(work.folder.join("00000.json"), "{\"span\":").unwrap();
        fs::write(work.video(&SEGMENT), "video").unwrap();
        assert_eq!(work.finished(&SEGMENT), None);
    }

    #[test]
    fn two_processes_do_not_use_the_same_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _work = open(folder.path(), "a");
        let second = WorkDir::open(folder.path().join("clip.mp4.blurdm"), &plan("a"));
        assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
    }
}
