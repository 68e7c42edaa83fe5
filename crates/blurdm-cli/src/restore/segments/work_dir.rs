// SPDX-License-Identifier: MPL-2.0

//! The folder of unfinished work beside an output, which holds its finished segments.
//!
//! A segment is finished when its `NNNNN.json` exists, which is written last and renamed into place, and `NNNNN.mp4`, its video, has the hash that
//! is stated there. All other files come from an interrupted run and are written again. The output and the files beside it are made here as well, and moved to where
//! they belong when they are complete. The folder is removed when all of them are.
//!
//! A folder is used only if it has been made by an earlier run, and only files that have names as they are given here are removed from it.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::finished::{FinishedSegment, StoredSegment};
use crate::{
    error::{Error, reason},
    restore::{
        digest::sha256,
        plan::{Segment, check_free, output_name},
    },
    sync::lock,
};

/// How long another process may hold the folder until it is said to be in use. One that was killed ends a moment later.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

const LOCK: &str = "lock";
const JOB: &str = "job.json";
const PART: &str = "part";
const JOURNAL: &str = "journal.jsonl";

/// What identifies the work, and the segments of all videos. Finished segments of a different plan are of no use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan<I> {
    pub identity: I,
    #[serde(rename = "spans")]
    pub segments: Vec<Segment>,
}

#[derive(Debug)]
pub struct WorkDir {
    folder: PathBuf,
    /// Whether the videos of segments have the hashes that they had, of those that have been looked at.
    whole: Mutex<BTreeMap<usize, bool>>,
    /// Locked while this process uses the folder.
    _lock: File,
}

impl WorkDir {
    /// Returns the folder for an output.
    pub fn path_for(output: &Path) -> PathBuf {
        output_name::work_folder(output)
    }

    /// Opens or creates a folder. What it holds of a different plan is removed.
    ///
    /// # Errors
    /// [`Error::Unwritable`], also for a link, and for a folder that no run has made; [`Error::Busy`] where another process uses the folder.
    pub fn open<I: PartialEq + Serialize + DeserializeOwned>(folder: PathBuf, plan: &Plan<I>) -> Result<Self, Error> {
        let unwritable = |error: io::Error| Error::unwritable(&folder, reason(&error));
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() && is_own(&folder) => {}
            Ok(_) => {
                return Err(Error::unwritable(
                    &folder,
                    "it is needed for unfinished work, and what has this name was not made by blurdm; rename that, or name another output",
                ));
            }
            Err(_) => fs::create_dir(&folder).map_err(unwritable)?,
        }
        // Not truncated, and not made through a link: `is_own` has looked at it.
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK));
        let lock = lock.map_err(unwritable)?;
        match lock_within(&lock, LOCK_LIMIT) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: folder }),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let work = Self::of(folder, lock);
        // What is written next is written to names at which nothing is.
        work.clear(|name, path| name.ends_with(PART) || (name != LOCK && !is_file_of_its_own(path)))?;
        if work.read::<Plan<I>>(JOB).as_ref() != Some(plan) {
            work.clear(|name, _| name != LOCK)?;
            work.write(JOB, plan)?;
        }
        Ok(work)
    }

    fn of(folder: PathBuf, lock: File) -> Self {
        Self {
            folder,
            whole: Mutex::default(),
            _lock: lock,
        }
    }

    /// Removes a folder that the run that finished the output could not remove, unless another process uses it.
    pub fn discard(folder: PathBuf) {
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        if !is_folder || !is_own(&folder) {
            return;
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK));
        if let Ok(lock) = lock
            && lock.try_lock().is_ok()
        {
            // What stays is tried again the next time.
            Self::of(folder, lock).remove().ok();
        }
    }

    /// Returns the file for the video of a finished segment.
    pub fn video(&self, segment: &Segment) -> PathBuf {
        self.folder.join(format!("{:05}.mp4", segment.number))
    }

    /// Returns the file to which the video of a segment is written until it is finished.
    pub fn partial_video(&self, segment: &Segment) -> PathBuf {
        self.folder.join(format!("{:05}.part", segment.number))
    }

    /// Returns the file of a still of this video for the report. `side` is "before" or "after".
    pub fn still(&self, video: usize, number: usize, side: &str) -> PathBuf {
        self.folder.join(format!("still-{video}-{number}-{side}.png"))
    }

    /// Returns the file of what has been written, where each frame is a file of its own.
    pub fn journal(&self) -> PathBuf {
        self.folder.join(JOURNAL)
    }

    /// Returns the file in which something that does not belong here is made. `name` must be unique in the folder.
    pub fn partial(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension(PART)
    }

    /// Moves a complete file that was made in [`WorkDir::partial`] to where it belongs. `replace`: whether it may take the place of a file.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Exists`].
    pub fn place(&self, part: &Path, path: &Path, replace: bool) -> Result<(), Error> {
        check_free(path, replace)?;
        File::open(part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(part, path))
            .map_err(|error| Error::unwritable(path, reason(&error)))
    }

    /// Returns the record of a segment, if it is finished and its video is what it was then.
    pub fn finished(&self, segment: &Segment) -> Option<FinishedSegment> {
        let stored = self.read::<StoredSegment>(&format!("{:05}.json", segment.number))?;
        (stored.finished.segment == *segment && self.is_whole(segment, &stored.sha256)).then_some(stored.finished)
    }

    /// Each video is read once.
    fn is_whole(&self, segment: &Segment, expected: &str) -> bool {
        let known = lock(&self.whole).get(&segment.number).copied();
        known.unwrap_or_else(|| {
            let is_whole = sha256(&self.video(segment)).is_ok_and(|found| found == expected);
            lock(&self.whole).insert(segment.number, is_whole);
            is_whole
        })
    }

    /// Finishes a segment whose video is complete in [`WorkDir::partial_video`].
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::Interrupted`].
    pub fn finish(&self, finished: FinishedSegment) -> Result<(), Error> {
        let segment = finished.segment;
        let (part, video) = (self.partial_video(&segment), self.video(&segment));
        let sha256 = sha256(&part)?;
        // Synchronised, so that after a power failure no segment counts as finished that is not.
        File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, &video))
            .map_err(|error| Error::unwritable(&video, reason(&error)))?;
        let stored = StoredSegment { finished, sha256 };
        self.write(&format!("{:05}.json", segment.number), &stored)?;
        lock(&self.whole).insert(segment.number, true);
        Ok(())
    }

    /// Removes the folder, unless somebody has put something else into it.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn remove(self) -> Result<(), Error> {
        self.clear(|_, _| true)?;
        match fs::remove_dir(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
                Err(Error::unwritable(&self.folder, reason(&error)))
            }
            _ => Ok(()),
        }
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

    /// Removes the files of a run that are `unwanted`, by their names and paths. Of links, the links.
    fn clear(&self, unwanted: impl Fn(&str, &Path) -> bool) -> Result<(), Error> {
        let cleared = fs::read_dir(&self.folder).and_then(|entries| {
            let mut names = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()?;
            // By these two the folder is known as one of ours, so they are the last.
            names.sort_by_key(|name| (name == LOCK, name == JOB));
            for name in names {
                let path = self.folder.join(&name);
                if name
                    .to_str()
                    .is_some_and(|name| is_own_name(name) && unwanted(name, &path))
                {
                    fs::remove_file(path)?;
                }
            }
            Ok(())
        });
        cleared.map_err(|error| Error::unwritable(&self.folder, reason(&error)))
    }
}

fn lock_within(file: &File, limit: Duration) -> Result<(), TryLockError> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < limit => thread::sleep(Duration::from_millis(20)),
            locked => return locked,
        }
    }
}

/// Whether a folder was made by a run: it holds the plan of one, or nothing yet but what is made before that.
fn is_own(folder: &Path) -> bool {
    let plain = |name: &str| fs::symlink_metadata(folder.join(name)).map(|found| found.is_file());
    if plain(LOCK).is_ok_and(|plain| !plain) {
        return false;
    }
    if plain(JOB).is_ok_and(|plain| plain) {
        let job = fs::read(folder.join(JOB)).ok();
        return job.is_some_and(|job| serde_json::from_slice::<Plan<serde_json::Value>>(&job).is_ok());
    }
    fs::read_dir(folder).is_ok_and(|mut entries| {
        entries
            .all(|entry| entry.is_ok_and(|entry| [LOCK, "job.json.part"].iter().any(|own| entry.file_name() == *own)))
    })
}

/// Whether a file has this name and no other, and is no link.
fn is_file_of_its_own(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.nlink() == 1)
}

/// Whether a run gives files this name.
fn is_own_name(name: &str) -> bool {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let is_number = stem.len() >= 5 && stem.bytes().all(|byte| byte.is_ascii_digit());
    match extension {
        "" => name == LOCK,
        "jsonl" => name == JOURNAL,
        "mp4" | "mp4.part" => is_number,
        "json" | "json.part" => is_number || stem == "job",
        "png" | "png.part" => stem.starts_with("still-"),
        PART => is_number || ["output", "record", "track", "report"].contains(&stem),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::{super::finished::FrameRecord, *};

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
        work.finish(finished()).unwrap();
        drop(work);
        assert_eq!(open(folder.path(), "a").finished(&SEGMENT), Some(finished()));
        assert_eq!(open(folder.path(), "b").finished(&SEGMENT), None);
        assert_eq!(open(folder.path(), "a").finished(&SEGMENT), None);
    }

    #[test]
    fn a_segment_whose_video_is_another_is_not_finished() {
        let folder = tempfile::tempdir().unwrap();
        for changed in ["", "vid", "vid\0o", "video and more"] {
            let work = open(folder.path(), "a");
            fs::write(work.partial_video(&SEGMENT), "video").unwrap();
            work.finish(finished()).unwrap();
            let video = work.video(&SEGMENT);
            drop(work);
            assert_eq!(open(folder.path(), "a").finished(&SEGMENT), Some(finished()));
            fs::write(&video, changed).unwrap();
            assert_eq!(open(folder.path(), "a").finished(&SEGMENT), None, "{changed:?}");
        }
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
    fn a_folder_that_no_run_has_made_is_left_alone_and_so_is_what_a_link_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("letter"), "dear").unwrap();
        let named = folder.path().join("clip.mp4.blurdm");
        for make in [
            |from: &Path, to: &Path| std::os::unix::fs::symlink(from, to),
            |from: &Path, to: &Path| fs::rename(from, to),
        ] {
            make(&victim, &named).unwrap();
            let refused = WorkDir::open(named.clone(), &plan("a"));
            assert!(matches!(refused, Err(Error::Unwritable { .. })), "{refused:?}");
            assert_eq!(fs::read_dir(&named).unwrap().count(), 1);
            if named.is_symlink() {
                fs::remove_file(&named).unwrap();
            }
        }
    }

    #[test]
    fn what_somebody_has_put_into_the_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let work = open(folder.path(), "a");
        fs::write(work.video(&SEGMENT), "video").unwrap();
        fs::write(work.partial("output"), "video").unwrap();
        let note = work.folder.join("note.txt");
        fs::write(&note, "mine").unwrap();
        drop(work);
        let work = open(folder.path(), "b");
        assert!(!work.video(&SEGMENT).exists() && !work.partial("output").exists());
        work.remove().unwrap();
        assert_eq!(fs::read(&note).unwrap(), b"mine");
        assert_eq!(fs::read_dir(note.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_from_a_run_that_was_killed_at_once_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["lock", "job.json.part"] {
            let named = folder.path().join("clip.mp4.blurdm");
            fs::create_dir_all(&named).unwrap();
            fs::write(named.join(file), "{").unwrap();
            open(folder.path(), "a").remove().unwrap();
            assert!(!named.exists());
        }
    }

    #[test]
    fn two_processes_do_not_use_the_same_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _work = open(folder.path(), "a");
        let second = WorkDir::open(folder.path().join("clip.mp4.blurdm"), &plan("a"));
        assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
    }
}
