// SPDX-License-Identifier: MPL-2.0

//! What is kept while a file is in work: a folder beside the output, of finished segments.
//!
//! A segment is finished when its `NNNNN.json` is there, which is written last and renamed into place; `NNNNN.mp4` is the video then. All else is
//! of a run that was cut off, and made anew. The folder goes when the output is complete.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Error, error::reason, inputs::WORK_EXTENSION, plan::Span};

/// A frame that was restored, or passed on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Stream time in ns.
    pub time: u64,
    /// In ns, as the demuxer gave it.
    pub pts: u64,
    /// In the element.
    pub milliseconds: f32,
    /// Whether it was restored, or was sharp enough.
    pub restored: bool,
    /// Whether the decoder had to make up for what it could not read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
    /// Width of its edges in pixels before and after, where somebody wants to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_widths: Option<(f32, f32)>,
}

/// A finished segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub span: Span,
    pub frames: Vec<Frame>,
    /// What has run: as the element's property `active-provider` has it.
    pub provider: String,
    /// Why frames are missing, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// What was decided when the work began. Work of other decisions is of no use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job<I> {
    pub identity: I,
    pub spans: Vec<Span>,
}

#[derive(Debug)]
pub struct Work {
    folder: PathBuf,
    /// Held while this process works here.
    _lock: File,
}

impl Work {
    /// Where the work for `output` lies.
    pub fn folder_of(output: &Path) -> PathBuf {
        let mut name = output.file_name().map_or_else(OsString::new, OsString::from);
        name.push(".");
        name.push(WORK_EXTENSION);
        output.with_file_name(name)
    }

    /// Goes on with the work in `folder`, or begins it: there must be none of another job, or it goes.
    ///
    /// # Errors
    /// [`Error::Unwritable`], and [`Error::Busy`] where another process has it.
    pub fn begin<I: PartialEq + Serialize + DeserializeOwned>(folder: PathBuf, job: &Job<I>) -> Result<Self, Error> {
        let unwritable = |error: io::Error| Error::unwritable(&folder, reason(&error));
        fs::create_dir_all(&folder).map_err(unwritable)?;
        let lock = File::create(folder.join("lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: folder }),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let work = Self { folder, _lock: lock };
        if work.read::<Job<I>>("job.json").as_ref() != Some(job) {
            work.forget_all()?;
            work.write("job.json", job)?;
        }
        Ok(work)
    }

    /// The video of a segment, finished or not.
    pub fn video(&self, span: &Span) -> PathBuf {
        self.folder.join(format!("{:05}.mp4", span.number))
    }

    /// Where a segment's video is written before it is finished.
    pub fn part(&self, span: &Span) -> PathBuf {
        self.folder.join(format!("{:05}.part", span.number))
    }

    /// A file of the work's own that is neither video nor frames: a still, say.
    pub fn other(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A segment that was finished before.
    pub fn finished(&self, span: &Span) -> Option<Finished> {
        let finished = self.read::<Finished>(&format!("{:05}.json", span.number))?;
        (finished.span == *span && self.video(span).is_file()).then_some(finished)
    }

    /// The video of a segment is complete in [`Work::part`].
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn finish(&self, finished: &Finished) -> Result<(), Error> {
        let (part, video) = (self.part(&finished.span), self.video(&finished.span));
        // A power failure must not leave a segment that is called finished and is not.
        File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, &video))
            .map_err(|error| Error::unwritable(&video, reason(&error)))?;
        self.write(&format!("{:05}.json", finished.span.number), finished)
    }

    /// The work is done, or given up.
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

    fn forget_all(&self) -> Result<(), Error> {
        let forgotten = fs::read_dir(&self.folder).and_then(|entries| {
            for entry in entries {
                let path = entry?.path();
                if path.file_name().is_none_or(|name| name != "lock") {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        });
        forgotten.map_err(|error| Error::unwritable(&self.folder, reason(&error)))
    }
}

#[cfg(test)]
mod tests {
    // A test may fail at once.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SPAN: Span = Span {
        number: 0,
        from: 0,
        to: None,
        frames: 1,
        before: None,
    };

    fn job(identity: &str) -> Job<String> {
        Job {
            identity: identity.into(),
            spans: vec![SPAN],
        }
    }

    fn finished() -> Finished {
        Finished {
            span: SPAN,
            frames: vec![Frame {
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

    fn begin(folder: &Path, identity: &str) -> Work {
        Work::begin(folder.join("clip.mp4.blurdm"), &job(identity)).unwrap()
    }

    #[test]
    fn what_was_finished_is_there_for_the_same_job_and_gone_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let work = begin(folder.path(), "a");
        fs::write(work.part(&SPAN), "video").unwrap();
        work.finish(&finished()).unwrap();
        drop(work);
        assert_eq!(begin(folder.path(), "a").finished(&SPAN), Some(finished()));
        assert_eq!(begin(folder.path(), "b").finished(&SPAN), None);
        assert_eq!(begin(folder.path(), "a").finished(&SPAN), None);
    }

    #[test]
    fn what_was_cut_off_is_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        let work = begin(folder.path(), "a");
        fs::write(work.part(&SPAN), "vid").unwrap();
        assert_eq!(work.finished(&SPAN), None);
        fs::write(work.other("00000.json"), "{\"span\":").unwrap();
        fs::write(work.video(&SPAN), "video").unwrap();
        assert_eq!(work.finished(&SPAN), None);
    }

    #[test]
    fn two_processes_do_not_work_in_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let _work = begin(folder.path(), "a");
        let second = Work::begin(folder.path().join("clip.mp4.blurdm"), &job("a"));
        assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
    }
}
