// SPDX-License-Identifier: MPL-2.0

//! Restoring one file from start to end.

use std::{
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::{
    mux::Output,
    plan::{self, Part, Scan, Segment, TimeRange, Turning, VideoChoice, output_name, webm},
    report::{self, Identity, Model, Record, Witness},
    segments::{
        FinishedSegment, FrameRecord, Plan, ReusableElement, RunOptions, SegmentRun, WorkDir, decoded_info, turned,
    },
};
use crate::{
    error::{Error, reason},
    media::{
        coded_format,
        element::ElementSettings,
        encoder::{Codec, Encoder},
    },
    memory,
    progress::{FileProgress, Outcome, Progress},
};

/// What is the same for every file.
#[derive(Debug, Clone)]
pub struct Options {
    pub settings: ElementSettings,
    pub model: Model,
    pub codec: Option<Codec>,
    pub quality: u32,
    pub hardware_encoder: bool,
    pub range: TimeRange,
    pub video: VideoChoice,
    pub report: bool,
    pub overwrite: bool,
    /// Numbers of the segments to restore, without writing the output. `None` for all, with the output.
    pub segments: Option<RangeInclusive<usize>>,
}

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
    scan: Scan,
    turning: Turning,
    segments: Vec<Segment>,
    /// Stream times of the stills for the report.
    stills: Vec<u64>,
    identity: Identity,
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
    /// Scans `input` and plans its segments. Returns `None` if the same job has already been completed.
    ///
    /// # Errors
    /// What prevents restoring the file, as far as it can be found without decoding.
    pub fn prepare(input: &Path, output: &Path, options: &'a Options) -> Result<Option<Self>, Error> {
        let witness = Witness::of(input)?;
        let scan = Scan::run(input, options.video)?;
        let turning = Turning::of(&scan, output, options.settings.compare);
        let segments = plan::segments(&scan, options.range)?;
        let identity = Identity {
            blurdm: env!("CARGO_PKG_VERSION").into(),
            original: witness.original().clone(),
            model: options.model.clone(),
            settings: options.settings.visible(),
            encoder: find_encoder(&scan, output, options)?,
            range: options.range,
            video: Some(scan.video.clone()),
            turned: turning.is_turned().then(|| turning.frames.tag().into()),
            report: options.report,
        };
        let record = Record::read(output);
        let is_same = record.as_ref().is_some_and(|record| record.identity == identity);
        if !options.overwrite && output.is_file() && is_same {
            WorkDir::discard(WorkDir::path_for(output));
            return Ok(None);
        }
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
            webm::check_sound(output, &scan)?;
        }
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, reason(&error)))?;
        }
        let stills = if options.report {
            report::still_times(&scan, &segments)
        } else {
            Vec::new()
        };
        Ok(Some(Self {
            options,
            output: output.to_owned(),
            scan,
            turning,
            segments,
            stills,
            identity,
            witness,
            replaces,
        }))
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Opens the folder of unfinished work, which may hold finished segments of an earlier run.
    ///
    /// # Errors
    /// As [`WorkDir::open`].
    pub fn open_work_dir(&self) -> Result<WorkDir, Error> {
        let plan = Plan {
            identity: self.identity.clone(),
            segments: self.segments.clone(),
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
        let segments = self.requested_segments();
        let finished = segments.iter().filter_map(|segment| work.finished(segment));
        let already: usize = finished.map(|finished| finished.frames.len()).sum();
        let frames: usize = segments.iter().map(|segment| segment.frames).sum();
        let progress = progress.start(name, Some(frames as u64), already as u64);
        if let Some(note) = note {
            progress.note(&note);
        }
        self.note_changes(&progress);
        let result = self
            .restore_segments(&work, &segments, element, &progress)
            .and_then(|()| {
                if self.options.segments.is_some() {
                    return Ok(Completion::Segments);
                }
                self.write_output(work, &progress)
            });
        progress.end(outcome_of(&result));
        result
    }

    fn requested_segments(&self) -> Vec<Segment> {
        let requested = |segment: &&Segment| {
            let numbers = self.options.segments.as_ref();
            numbers.is_none_or(|numbers| numbers.contains(&segment.number))
        };
        self.segments.iter().filter(requested).copied().collect()
    }

    /// Notes what of the video will be different.
    fn note_changes(&self, progress: &FileProgress) {
        let video = &self.scan.video;
        if video.of > 1 {
            let (number, of, description) = (video.number, video.of, &self.scan.description);
            progress.note(&format!(
                "the file has {of} videos; video {number} ({description}) is restored, the others are kept where the container allows; --video chooses another"
            ));
        }
        if webm::is_webm(&self.output) {
            for lost in webm::lost(&self.scan) {
                progress.note(&format!(
                    "WebM cannot hold a stream of {lost}, which is not kept; .mkv can"
                ));
            }
        }
        let expected = self.options.codec.or(Codec::from_media_type(self.scan.media_type()));
        let codec = self.identity.encoder.codec;
        if expected != Some(codec) {
            progress.note(&format!("the video was {} and becomes {codec}", self.scan.media_type()));
        }
        if let Some(note) = self.turning.note() {
            progress.note(&note);
        }
        if let Ok(Some(frames)) = decoded_info(&self.scan)
            && let Ok(frames) = turned(&frames, self.turning.frames)
        {
            let losses = coded_format::losses(&frames, self.identity.encoder.coded_format(&frames));
            if !losses.is_empty() {
                progress.note(&format!("lost in {codec}: {}", losses.join(", ")));
            }
        }
    }

    /// Restores the unfinished ones among `segments`, in runs of contiguous ones.
    fn restore_segments(
        &self,
        work: &WorkDir,
        segments: &[Segment],
        element: &ReusableElement,
        progress: &FileProgress,
    ) -> Result<(), Error> {
        let options = RunOptions {
            scan: &self.scan,
            encoder: &self.identity.encoder,
            compare: self.options.settings.compare,
            report: self.options.report,
            stills: &self.stills,
            turning: self.turning,
        };
        let mut rest = segments;
        while let Some(first) = rest.first() {
            if work.finished(first).is_some() {
                rest = &rest[1..];
                continue;
            }
            let pending = rest.iter().take_while(|segment| work.finished(segment).is_none());
            let run = SegmentRun::new(options, work, &rest[..pending.count()], progress);
            // Fewer than all where a part of the file cannot be decoded. What follows may be decodable again.
            let reached = run.restore(element)?;
            rest = &rest[reached..];
            // What is finished of another file is of no use: its plan is another.
            self.witness.check()?;
        }
        Ok(())
    }

    /// Writes the output and the files beside it, and removes the folder of unfinished work.
    fn write_output(&self, work: WorkDir, progress: &FileProgress) -> Result<Completion, Error> {
        let finished: Vec<FinishedSegment> = self
            .segments
            .iter()
            .filter_map(|segment| work.finished(segment))
            .collect();
        let videos: Vec<PathBuf> = finished.iter().map(|finished| work.video(&finished.segment)).collect();
        let frames: Vec<FrameRecord> = finished.iter().flat_map(|finished| &finished.frames).copied().collect();
        if frames.is_empty() {
            let reason = self.scan.damage.clone();
            return Err(Error::unreadable(
                &self.scan.path,
                reason.unwrap_or_else(|| "none of its frames can be decoded".into()),
            ));
        }
        let tag = Record::tag(&self.identity);
        let output = Output {
            scan: &self.scan,
            segments: &videos,
            frames: &frames,
            part: self.part(),
            turning: self.turning,
            tags: &[(report::TAG, &tag)],
        };
        let (made, lost) = output.make(&self.output, &work, || self.witness.check())?;
        for lost in &lost {
            progress.note(&format!("not kept: {lost}"));
        }
        let gaps = self.gaps(&finished);
        let providers = finished.iter().map(|finished| finished.provider.clone());
        let record = Record {
            enhanced: true,
            identity: self.identity.clone(),
            original_sha256: report::sha256(&self.scan.path)?,
            provider: providers
                .into_iter()
                .find(|provider| !provider.is_empty())
                .unwrap_or_default(),
            frames: frames.len(),
            passed: frames.iter().filter(|frame| !frame.restored).count(),
            gaps: gaps.clone(),
            lost,
            finished: report::now(),
        };
        let record_file = record.make(&self.output, &work)?;
        let mut others = Vec::new();
        let track = report::make_track(&self.scan.path, &self.output, &work, progress)?;
        others.extend(track.map(|track| (track, output_name::track(&self.output))));
        if self.options.report {
            let page = report::make_report(&self.output, &record, &frames, &self.stills, &work)?;
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

    fn part(&self) -> Option<Part> {
        let (first, last) = (self.segments.first()?, self.segments.last()?);
        (!self.options.range.is_whole_file()).then_some(Part {
            from: first.from,
            to: last.to,
        })
    }

    /// Returns a sentence about each part that could not be decoded.
    fn gaps(&self, finished: &[FinishedSegment]) -> Vec<String> {
        let mut gaps: Vec<String> = self.scan.damage.iter().cloned().collect();
        for segment in &self.segments {
            let (from, total) = (segment.from as f64 / 1e9, segment.frames);
            let finished = finished.iter().find(|finished| finished.segment == *segment);
            let frames = finished.map_or(&[][..], |finished| &finished.frames);
            let damaged = frames.iter().filter(|frame| frame.damaged).count();
            if damaged > 0 {
                gaps.push(format!("{damaged} of {total} frames from {from:.3} s on are damaged"));
            }
            if frames.len() < total {
                let missing = total - frames.len();
                let reason = finished.and_then(|finished| finished.damage.as_ref());
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                gaps.push(format!(
                    "{missing} of {total} frames from {from:.3} s on cannot be decoded{reason}"
                ));
            }
        }
        gaps
    }
}

/// Returns the encoder for the requested codec, or for that of the original. H.264, which plays everywhere, replaces one that cannot be encoded.
fn find_encoder(scan: &Scan, output: &Path, options: &Options) -> Result<Encoder, Error> {
    let odd = scan.has_odd_side();
    let find = |codec| Encoder::find(codec, options.quality, options.hardware_encoder, odd);
    if webm::is_webm(output) {
        return find(webm::codec(
            output,
            options.codec,
            Codec::from_media_type(scan.media_type()),
        )?);
    }
    match (options.codec, Codec::from_media_type(scan.media_type())) {
        (Some(codec), _) => find(codec),
        (None, Some(codec)) => find(codec).or_else(|_| find(Codec::H264)),
        (None, None) => find(Codec::H264),
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
            Outcome::Failed(memory::explained(&error.to_string()))
        }
        error => Outcome::Failed(error.to_string()),
    }
}
