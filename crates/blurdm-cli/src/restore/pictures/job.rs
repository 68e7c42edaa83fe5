// SPDX-License-Identifier: MPL-2.0

//! Restoring the pictures of one clip from start to end.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    journal::Journal,
    record::{Entry, Identity, Record, gaps},
    restoring::{ONLY, Restoring},
    times::{DEFAULT_RATE, in_range, time_of},
};
use crate::{
    error::{Error, reason},
    media::element::ElementSettings,
    progress::{FileProgress, Outcome, Progress},
    restore::{
        job::outcome_of_error,
        plan::{PictureRun, TimeRange, check_free, is_unread_picture, output_name},
        prepared::Prepared,
        report::{self, Model, ReportedVideo},
        segments::{FrameRecord, Plan, ReusableElement, WorkDir},
    },
};

/// What is the same for all pictures.
#[derive(Debug, Clone)]
pub struct PictureOptions {
    pub settings: ElementSettings,
    pub model: Model,
    pub range: TimeRange,
    /// Frames per second. `None` where none are stated.
    pub framerate: Option<f64>,
    pub report: bool,
    pub overwrite: bool,
    /// Whether a codec was asked for, which pictures have not.
    pub has_codec: bool,
}

impl PictureOptions {
    pub fn rate(&self) -> f64 {
        self.framerate.unwrap_or(DEFAULT_RATE)
    }
}

/// A clip that is ready to be restored.
pub struct PictureJob<'a> {
    run: &'a PictureRun,
    output: &'a Path,
    options: PictureOptions,
    identity: Identity,
    selected: Vec<usize>,
    /// By index: what is recorded of pictures that are written already, by this run or an earlier one.
    entries: Vec<Option<Entry>>,
    /// By index: whether what has the name of the output may be replaced.
    replaces: Vec<bool>,
    /// Whether the record, and the report, may be replaced.
    replaces_record: bool,
    replaces_report: bool,
    work: WorkDir,
    journal: Journal,
}

impl<'a> PictureJob<'a> {
    /// Finds what is to be done. `output` is the path of the output, with the pattern of the names.
    ///
    /// # Errors
    /// What prevents restoring the pictures, as far as it can be found without decoding.
    pub fn prepare(run: &'a PictureRun, output: &'a Path, options: PictureOptions) -> Result<Prepared<Self>, Error> {
        let first = run.path(0);
        if is_unread_picture(&first) {
            let what = "pictures of this kind are not read; convert them to TIFF or PNG of 16 bits";
            return Err(Error::unreadable(first.with_file_name(run.pattern()), what));
        }
        let selected = select(run, &options)?;
        let identity = Identity {
            blurdm: env!("CARGO_PKG_VERSION").into(),
            model: options.model.clone(),
            settings: options.settings.visible(),
            report: options.report,
        };
        let record = Record::read(output);
        let has_record = record.is_some();
        let recorded = record.filter(|record| record.identity == identity);
        let is_same = recorded.is_some();
        let recorded = recorded.map(|record| record.pictures).unwrap_or_default();
        let mut recorded: HashMap<String, Entry> =
            recorded.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let mut entries = unselected(run, &selected, &recorded);
        if options.overwrite {
            recorded.clear();
        }
        take_current(run, output, &selected, &recorded, &mut entries)?;
        if selected.iter().all(|&index| entries[index].is_some()) {
            WorkDir::discard(WorkDir::path_for(output));
            let done = selected.iter().filter_map(|&index| entries[index].as_ref());
            return Ok(Prepared::Done(gaps(&done.collect::<Vec<_>>())));
        }
        let replaces_record = options.overwrite || has_record;
        let replaces_report = options.overwrite || is_same;
        check_free(&output_name::record(output), replaces_record)?;
        if options.report {
            check_free(&output_name::report(output), replaces_report)?;
        }
        if let Some(folder) = output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, reason(&error)))?;
        }
        let plan = Plan {
            identity: identity.clone(),
            segments: Vec::new(),
        };
        let work = WorkDir::open(WorkDir::path_for(output), &plan)?;
        let (journal, written) = Journal::open(&work)?;
        take_current(run, output, &selected, &written, &mut entries)?;
        let has_begun = !written.is_empty();
        // What was made of a damaged picture gives way to what is made of the whole one.
        let mut replaceable = recorded;
        replaceable.retain(|_, entry| entry.damage.is_some());
        replaceable.extend(written);
        let replaces = match check_outputs(run, output, &selected, &entries, &replaceable, options.overwrite) {
            Ok(replaces) => replaces,
            Err(error) => {
                if !has_begun {
                    work.remove()?;
                }
                return Err(error);
            }
        };
        Ok(Prepared::Work(Self {
            run,
            output,
            options,
            identity,
            selected,
            entries,
            replaces,
            replaces_record,
            replaces_report,
            work,
            journal,
        }))
    }

    /// Restores the pictures that are not written yet, and writes the record. Progress is shown under `name`, after the note `note`.
    pub fn run(
        self,
        element: &ReusableElement,
        progress: &Progress,
        name: &Path,
        note: Option<String>,
    ) -> Result<Outcome, Error> {
        let already = self.selected.iter().filter(|&&index| self.entries[index].is_some());
        let already = already.count() as u64;
        let progress = progress.start(name, Some(self.selected.len() as u64), already);
        if let Some(note) = note {
            progress.note(&note);
        }
        self.note_choices(&progress);
        let done = self.restore(element, &progress);
        let outcome = match &done {
            Ok(outcome) => outcome.clone(),
            Err(error) => outcome_of_error(error),
        };
        progress.end(outcome);
        done
    }

    /// Notes what is chosen for pictures, and what is different from videos.
    fn note_choices(&self, progress: &FileProgress) {
        if let Some(missing) = self.run.missing() {
            progress.note(&missing);
        }
        if !self.options.range.is_whole_file() && self.options.framerate.is_none() {
            progress.note(&format!(
                "pictures have no times; {DEFAULT_RATE} per second are assumed, --framerate states another number"
            ));
        }
        if self.options.has_codec {
            progress.note("--codec is for videos: pictures stay the kind of file that they are");
        }
    }

    fn restore(self, element: &ReusableElement, progress: &FileProgress) -> Result<Outcome, Error> {
        let mut entries = self.entries;
        let times: Vec<u64> = self
            .selected
            .iter()
            .map(|&index| time_of(index, self.options.rate()))
            .collect();
        let still_times = match self.options.report {
            true => report::stills_of(&times),
            false => Vec::new(),
        };
        let is_still = |(_, time): &(&usize, &u64)| still_times.contains(time);
        let stills: Vec<usize> = self
            .selected
            .iter()
            .zip(&times)
            .filter(is_still)
            .map(|(&index, _)| index)
            .collect();
        let restoring = Restoring {
            run: self.run,
            output: self.output,
            work: &self.work,
            journal: self.journal,
            element,
            report: self.options.report,
            stills: &stills,
            replaces: &self.replaces,
            progress,
        };
        let provider = restoring.restore(&self.selected, &mut entries)?;
        let selected: Vec<&Entry> = self
            .selected
            .iter()
            .filter_map(|&index| entries[index].as_ref())
            .collect();
        let gaps = gaps(&selected);
        if selected.iter().all(|entry| entry.output.is_none()) {
            self.work.remove()?;
            let path = self.run.path(0).with_file_name(self.run.pattern());
            return Err(Error::unreadable(path, gaps.join("; ")));
        }
        let frames = self.options.report.then(|| frames(&selected, &times));
        let record = Record::of(self.identity, provider, self.run.missing(), gaps.clone(), entries);
        if let Some(frames) = frames {
            let page = make_report(&record, &frames, &still_times, self.run, self.output, &self.work)?;
            self.work
                .place(&page, &output_name::report(self.output), self.replaces_report)?;
        }
        let made = record.make(self.output, &self.work)?;
        self.work
            .place(&made, &output_name::record(self.output), self.replaces_record)?;
        if let Err(error) = self.work.remove() {
            progress.note(&error.to_string());
        }
        Ok(match gaps.is_empty() {
            true => Outcome::Restored,
            false => Outcome::Damaged(gaps.join("; ")),
        })
    }
}

/// Returns which pictures are in the range that was asked for.
fn select(run: &PictureRun, options: &PictureOptions) -> Result<Vec<usize>, Error> {
    let (range, rate) = (options.range, options.rate());
    let selected = in_range(run.len(), range, rate);
    if selected.is_empty() {
        let (seconds, length) = (|ns: u64| ns as f64 / 1e9, time_of(run.len(), rate));
        let end = range
            .duration
            .map_or(u64::MAX, |duration| range.start.saturating_add(duration));
        return Err(Error::EmptyRange {
            path: run.path(0).with_file_name(run.pattern()),
            from: seconds(range.start),
            to: seconds(end.min(length.max(range.start))),
            length: seconds(length),
        });
    }
    Ok(selected)
}

/// Returns by index what is recorded of the pictures that are not selected: another run has restored them.
fn unselected(run: &PictureRun, selected: &[usize], recorded: &HashMap<String, Entry>) -> Vec<Option<Entry>> {
    let mut entries: Vec<Option<Entry>> = (0..run.len())
        .map(|index| recorded.get(&*run.name(index).to_string_lossy()).cloned())
        .collect();
    for &index in selected {
        entries[index] = None;
    }
    entries
}

/// Takes over the recorded entries of pictures whose original and output are as recorded.
fn take_current(
    run: &PictureRun,
    output: &Path,
    selected: &[usize],
    recorded: &HashMap<String, Entry>,
    entries: &mut [Option<Entry>],
) -> Result<(), Error> {
    for &index in selected {
        let name = run.name(index).to_string_lossy().into_owned();
        if let Some(entry) = recorded.get(&name).filter(|_| entries[index].is_none())
            && entry.is_current(&run.path(index), &run.output(output, index))?
        {
            entries[index] = Some(entry.clone());
        }
    }
    Ok(())
}

/// Checks that the outputs that are to be written are free. Returns by index which of them may be replaced: all where that was asked for, else those that
/// are what was `written`, and of which the original is another now.
fn check_outputs(
    run: &PictureRun,
    output: &Path,
    selected: &[usize],
    entries: &[Option<Entry>],
    written: &HashMap<String, Entry>,
    overwrite: bool,
) -> Result<Vec<bool>, Error> {
    let mut replaces = vec![overwrite; run.len()];
    for &index in selected.iter().filter(|&&index| entries[index].is_none()) {
        let path: PathBuf = run.output(output, index);
        if !overwrite && let Some(entry) = written.get(&*run.name(index).to_string_lossy()) {
            replaces[index] = entry.output.is_some() && entry.is_output(&path)?;
        }
        check_free(&path, replaces[index])?;
    }
    Ok(replaces)
}

/// Returns what a report shows of the pictures that were written.
fn frames(pictures: &[&Entry], times: &[u64]) -> Vec<FrameRecord> {
    let written = pictures.iter().zip(times).filter(|(entry, _)| entry.output.is_some());
    written
        .map(|(entry, &time)| FrameRecord {
            time,
            pts: time,
            milliseconds: entry.milliseconds,
            restored: entry.restored,
            damaged: entry.damage.is_some(),
            edge_widths: entry.edge_widths,
        })
        .collect()
}

fn make_report(
    record: &Record,
    frames: &[FrameRecord],
    still_times: &[u64],
    run: &PictureRun,
    output: &Path,
    work: &WorkDir,
) -> Result<PathBuf, Error> {
    let name = run.pattern().to_string_lossy().into_owned();
    let content = report::Content {
        rows: record.rows(&name),
        title: name,
        gaps: record.gaps.iter().chain(&record.lost).cloned().collect(),
    };
    let reported = ReportedVideo {
        number: ONLY,
        description: "",
        frames,
        stills: still_times,
    };
    report::make_report(output, content, &[reported], work)
}
