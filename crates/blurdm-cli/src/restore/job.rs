// SPDX-License-Identifier: MPL-2.0

//! Restoring one file from start to end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    digest::sha256,
    mux::{Output, lost_styles, muxer_for},
    options::Options,
    plan::{self, Part, Segment, output_name, webm},
    prepared::Prepared,
    proof,
    report::{self, Identity, Record, ReportedVideo, Witness, WorkIdentity},
    segments::{Plan, ReusableElement, WorkDir},
    video::{FinishedVideo, PlannedVideo, PlannedVideos},
};
use crate::{
    error::{Error, reason},
    limits,
    media::muxer,
    progress::{FileProgress, Outcome, Progress},
};

/// How a file ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub enum Completion {
    Restored,
    /// Restored but for these gaps.
    Damaged(Vec<String>),
    /// The requested segments are finished.
    Segments,
}

/// A file that is ready to be restored.
pub struct Job<'a> {
    options: &'a Options,
    output: PathBuf,
    planned: PlannedVideos,
    identity: WorkIdentity,
    /// The original as it was before the scan.
    witness: Witness,
    /// Whether the record, and the other files beside the output, may be replaced.
    replaces: Replaces,
}

#[derive(Debug, Clone, Copy)]
struct Replaces {
    record: bool,
    others: bool,
}

impl<'a> Job<'a> {
    /// Scans `input` and plans its segments.
    ///
    /// # Errors
    /// What prevents restoring the file, as far as it can be found without decoding.
    pub fn prepare(input: &Path, output: &Path, options: &'a Options) -> Result<Prepared<Self>, Error> {
        let witness = Witness::of(input)?;
        let planned = PlannedVideos::of(input, output, options)?;
        let main = planned
            .main()
            .ok_or_else(|| Error::NoVideo { path: input.to_owned() })?;
        let identity = WorkIdentity {
            file: Identity {
                blurdm: env!("CARGO_PKG_VERSION").into(),
                original: witness.original().clone(),
                model: options.model.clone(),
                settings: options.settings.visible(),
                encoder: main.encoder.clone(),
                range: options.range,
                video: Some(main.scan.video.clone()),
                turned: main.turned(),
                report: options.report,
            },
            videos: planned.videos.iter().map(PlannedVideo::identity).collect(),
        };
        let record = Record::read(output);
        let same = record.as_ref().filter(|record| record.is_of(&identity));
        if let Some(done) = same.filter(|_| !options.overwrite && output.is_file()) {
            WorkDir::discard(WorkDir::path_for(output));
            return Ok(Prepared::Done(done.gaps.clone()));
        }
        let is_same = same.is_some();
        plan::check_free(output, options.overwrite)?;
        // A record whose output is gone is one of ours. If it is that of this job, an earlier run has made the others as well.
        let replaces = Replaces {
            record: options.overwrite || record.is_some(),
            others: options.overwrite || is_same,
        };
        plan::check_free(&output_name::record(output), replaces.record)?;
        if let Err(error) = plan::check_free(&output_name::track(output), replaces.others)
            && report::has_track(input)
        {
            return Err(error);
        }
        if options.report {
            plan::check_free(&output_name::report(output), replaces.others)?;
        }
        if webm::is_webm(output) {
            webm::check_sound(output, &main.scan)?;
        }
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, reason(&error)))?;
        }
        Ok(Prepared::Work(Self {
            options,
            output: output.to_owned(),
            planned,
            identity,
            witness,
            replaces,
        }))
    }

    /// Returns the segments of all videos.
    pub fn segments(&self) -> Vec<Segment> {
        self.planned.segments()
    }

    /// Opens the folder of unfinished work, which may hold finished segments of an earlier run.
    ///
    /// # Errors
    /// As [`WorkDir::open`].
    pub fn open_work_dir(&self) -> Result<WorkDir, Error> {
        let plan = Plan {
            identity: self.identity.clone(),
            segments: self.segments(),
        };
        WorkDir::open(WorkDir::path_for(&self.output), &plan)
    }

    /// Restores the segments that are not finished, and writes the output. Progress is shown under `name`, after the note `note`.
    ///
    /// # Errors
    /// Why it cannot continue. Finished segments are kept.
    pub fn run(
        &self,
        element: &ReusableElement,
        progress: &Progress,
        name: &Path,
        note: Option<String>,
    ) -> Result<Completion, Error> {
        let work = match self.open_work_dir() {
            Ok(work) => work,
            Err(error) => {
                progress.start(name, None, 0).end(outcome_of_error(&error));
                return Err(error);
            }
        };
        let segments: Vec<Segment> = self
            .planned
            .videos
            .iter()
            .flat_map(|video| self.requested(video))
            .collect();
        let finished = segments.iter().filter_map(|segment| work.finished(segment));
        let already: usize = finished.map(|finished| finished.frames.len()).sum();
        let frames: usize = segments.iter().map(|segment| segment.frames).sum();
        let progress = progress.start(name, Some(frames as u64), already as u64);
        if let Some(note) = note {
            progress.note(&note);
        }
        self.note_changes(&progress);
        let result = self.restore_videos(&work, element, &progress).and_then(|undecodable| {
            if self.options.segments.is_some() {
                return Ok(Completion::Segments);
            }
            self.write_output(work, &undecodable, &progress)
        });
        progress.end(outcome_of(&result));
        result
    }

    fn requested(&self, video: &PlannedVideo) -> Vec<Segment> {
        let requested = |segment: &&Segment| {
            let numbers = self.options.segments.as_ref();
            numbers.is_none_or(|numbers| numbers.contains(&segment.number))
        };
        video.segments.iter().filter(requested).copied().collect()
    }

    /// Notes what of the videos will be different.
    fn note_changes(&self, progress: &FileProgress) {
        let (choice, parts) = (self.planned.choice(), &self.planned.notes);
        choice.iter().chain(parts).for_each(|note| progress.note(note));
        for lost in self.unholdable() {
            progress.note(&format!(
                "'{}' cannot hold {lost}, which is not kept; another container may",
                self.output.display()
            ));
        }
        let changes = self
            .planned
            .videos
            .iter()
            .flat_map(|video| video.changes(self.options.codec));
        changes.for_each(|change| progress.note(&change));
    }

    /// Returns descriptions of the streams that the container cannot hold. None where all of the original stays in its bytes.
    fn unholdable(&self) -> Vec<String> {
        let is_spliced = self.part().is_none()
            && output_name::is_mp4(&self.output)
            && mp4_splice::Movie::open(self.witness.path()).is_ok();
        let Some(first) = self.planned.videos.first().filter(|_| !is_spliced) else {
            return Vec::new();
        };
        let muxer = muxer_for(&self.output);
        let others = first.scan.others.iter();
        let refused = others.filter(|caps| muxer::refuses(muxer, caps).unwrap_or(false));
        refused
            .map(|caps| {
                let media = caps.structure(0).map_or("unknown", |first| first.name().as_str());
                lost_styles(caps).unwrap_or_else(|| proof::description(media))
            })
            .collect()
    }

    /// Restores one video after the other. Returns the numbers of those of which nothing can be decoded, and why. There are others then.
    fn restore_videos(
        &self,
        work: &WorkDir,
        element: &ReusableElement,
        progress: &FileProgress,
    ) -> Result<Vec<(usize, Error)>, Error> {
        let (mut undecodable, mut restored) = (Vec::new(), 0);
        for video in &self.planned.videos {
            let segments = self.requested(video);
            if segments.is_empty() {
                continue;
            }
            match video.restore(&segments, work, element, self.options, &self.witness, progress) {
                Ok(()) => restored += 1,
                Err(error @ (Error::Unreadable { .. } | Error::Unsuitable { .. } | Error::MissingPlugin { .. })) => {
                    undecodable.push((video.scan.video.number, error));
                }
                Err(Error::Failed(reason)) => return Err(Error::Failed(video.sentence(reason))),
                Err(error) => return Err(error),
            }
        }
        match undecodable.pop() {
            Some((_, error)) if restored == 0 => Err(error),
            last => Ok(undecodable.into_iter().chain(last).collect()),
        }
    }

    /// Writes the output and the files beside it, and removes the folder of unfinished work. `undecodable`: videos that cannot be restored.
    fn write_output(
        &self,
        work: WorkDir,
        undecodable: &[(usize, Error)],
        progress: &FileProgress,
    ) -> Result<Completion, Error> {
        let original = &self.witness.path();
        let videos: Vec<FinishedVideo> = self.planned.videos.iter().map(|video| video.finished(&work)).collect();
        let damage = self.planned.videos.iter().find_map(|video| video.scan.damage.clone());
        let decoded: Vec<&FinishedVideo> = videos.iter().filter(|video| !video.frames.is_empty()).collect();
        if decoded.is_empty() {
            let reason = damage.unwrap_or_else(|| "none of its frames can be decoded".into());
            return Err(Error::unreadable(original, reason));
        }
        let tag = Record::tag(&self.identity.file);
        let restored: Vec<_> = decoded.iter().map(|video| video.restored(&work)).collect();
        let output = Output {
            original,
            videos: &restored,
            part: self.part(),
            tags: &[(report::TAG, &tag)],
        };
        let (made, lacking) = output.make(&self.output, &work, || self.witness.check())?;
        for lost in &lacking.told {
            progress.note(&format!("not kept: {lost}"));
        }
        let reason = |number: usize| {
            undecodable
                .iter()
                .find(|(video, _)| *video == number)
                .map(|(_, error)| error)
        };
        let gaps = videos
            .iter()
            .flat_map(|video| video.gaps(reason(video.planned().scan.video.number)));
        let gaps: Vec<String> = damage.into_iter().chain(gaps).chain(lacking.gaps).collect();
        let records: Vec<_> = videos.iter().map(FinishedVideo::record).collect();
        let record = Record {
            enhanced: true,
            identity: self.identity.file.clone(),
            original_sha256: sha256(original)?,
            provider: decoded
                .iter()
                .find_map(|video| video.provider())
                .unwrap_or_default()
                .into(),
            frames: records.iter().map(|video| video.frames).sum(),
            passed: records.iter().map(|video| video.passed).sum(),
            videos: records,
            gaps: gaps.clone(),
            lost: lacking.told,
            finished: report::now(),
        };
        let record_file = record.make(&self.output, &work)?;
        let mut others = Vec::new();
        let track = report::make_track(original, &self.output, &work, progress)?;
        others.extend(track.map(|track| (track, output_name::track(&self.output))));
        if self.options.report {
            let reported = decoded.iter().map(|video| ReportedVideo {
                number: video.planned().scan.video.number,
                description: &video.planned().scan.description,
                frames: &video.frames,
                stills: &video.planned().stills,
            });
            let page = report::make_report(&self.output, (&record).into(), &reported.collect::<Vec<_>>(), &work)?;
            others.push((page, output_name::report(&self.output)));
        }
        self.place(&made, &record_file, &others, &work)?;
        if let Err(error) = work.remove() {
            progress.note(&error.to_string());
        }
        Ok(if gaps.is_empty() {
            Completion::Restored
        } else {
            Completion::Damaged(gaps)
        })
    }

    /// Gives the output and the files beside it their names. All of them are complete. A run that is ended in between is continued: as long as
    /// there is no output, the record that is there is one of ours. Where an output is replaced, it is the first: the record that is there is its.
    fn place(&self, output: &Path, record: &Path, others: &[(PathBuf, PathBuf)], work: &WorkDir) -> Result<(), Error> {
        let place_output = || work.place(output, &self.output, self.options.overwrite);
        let is_first = self.output.exists();
        if is_first {
            place_output()?;
        }
        work.place(record, &output_name::record(&self.output), self.replaces.record)?;
        for (part, path) in others {
            work.place(part, path, self.replaces.others)?;
        }
        if is_first { Ok(()) } else { place_output() }
    }

    /// Returns the part of the original that is kept: all that is restored of any video. It has an end if a video goes on after it.
    fn part(&self) -> Option<Part> {
        if self.options.range.is_whole_file() {
            return None;
        }
        let videos = &self.planned.videos;
        Some(Part {
            from: videos
                .iter()
                .filter_map(|video| Some(video.segments.first()?.from))
                .min()?,
            to: videos.iter().filter_map(|video| video.segments.last()?.to).max(),
        })
    }
}

fn outcome_of(result: &Result<Completion, Error>) -> Outcome {
    match result {
        Ok(Completion::Damaged(gaps)) => Outcome::Damaged(gaps.join("; ")),
        Ok(_) => Outcome::Restored,
        Err(error) => outcome_of_error(error),
    }
}

pub fn outcome_of_error(error: &Error) -> Outcome {
    match error {
        Error::Interrupted => Outcome::Stopped,
        // What else fails may do so for want of memory, and rarely says it.
        Error::Unreadable { .. } | Error::MissingPlugin { .. } | Error::NoEncoder { .. } | Error::Failed(_) => {
            Outcome::Failed(limits::explained(&error.to_string()))
        }
        error => Outcome::Failed(error.to_string()),
    }
}
