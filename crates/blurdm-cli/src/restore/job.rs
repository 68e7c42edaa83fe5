// SPDX-License-Identifier: MPL-2.0

//! One file from beginning to end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Error, beside,
    encoder::{Codec, Encoder},
    error::reason,
    interrupt,
    join::Joined,
    kept::Kept,
    plan::{self, Span, Wanted},
    provenance::{self, Identity, Model, Original, Provenance},
    remux::Part,
    restoring::{self, Restored, Restoring, Watched},
    scan::Scan,
    segment::Writer,
    side_by_side, still,
    treatment::{Compare, Treatment},
    work::{self, Finished, Frame, Work},
};
use crate::progress::{FileProgress, Progress};

/// What is wanted of every file.
#[derive(Debug, Clone)]
pub struct Options {
    pub treatment: Treatment,
    pub model: Model,
    pub codec: Option<Codec>,
    pub quality: u32,
    pub hardware: bool,
    pub wanted: Wanted,
    pub report: bool,
    pub overwrite: bool,
    /// Of the segments only these, which are left unjoined; all where there is none.
    pub segments: Option<std::ops::RangeInclusive<usize>>,
}

/// How a file ended that was not failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    Restored,
    /// But for this.
    Damaged(Vec<String>),
    /// The segments that were asked for are there.
    Segments,
}

/// A file that is ready to be restored.
pub struct Job<'a> {
    options: &'a Options,
    output: PathBuf,
    scan: Scan,
    spans: Vec<Span>,
    /// Times of frames that the report shows.
    stills: Vec<u64>,
    identity: Identity,
}

impl<'a> Job<'a> {
    /// Looks at `input` and decides how it is to be restored; none where that was done before.
    ///
    /// # Errors
    /// What speaks against it, before any long work.
    pub fn prepare(input: &Path, output: &Path, options: &'a Options) -> Result<Option<Self>, Error> {
        let original = Original::of(input)?;
        if fs::canonicalize(output).is_ok_and(|output| fs::canonicalize(input).is_ok_and(|input| input == output)) {
            return Err(Error::IsInput { path: input.to_owned() });
        }
        let scan = Scan::of(input)?;
        let spans = plan::segments(&scan, options.wanted)?;
        let encoder = encoder(&scan, options)?;
        let identity = Identity {
            blurdm: env!("CARGO_PKG_VERSION").into(),
            original,
            model: options.model.clone(),
            treatment: options.treatment.as_seen(),
            encoder,
            wanted: options.wanted,
            report: options.report,
        };
        if output.exists() && !options.overwrite {
            return match Provenance::read(output) {
                Some(made) if made.identity == identity => Ok(None),
                _ => Err(Error::Exists {
                    path: output.to_owned(),
                }),
            };
        }
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| Error::unwritable(folder, reason(&error)))?;
        }
        Ok(Some(Self {
            options,
            output: output.to_owned(),
            stills: if options.report {
                beside::still_times(&scan, &spans)
            } else {
                Vec::new()
            },
            scan,
            spans,
            identity,
        }))
    }

    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Begins the work, or takes up that of an earlier run.
    ///
    /// # Errors
    /// As [`Work::begin`].
    pub fn begin(&self) -> Result<Work, Error> {
        let job = work::Job {
            identity: self.identity.clone(),
            spans: self.spans.clone(),
        };
        Work::begin(Work::folder_of(&self.output), &job)
    }

    /// Restores what is not finished yet, and joins it all.
    ///
    /// # Errors
    /// Why it cannot go on. What is finished is kept.
    pub fn run(&self, kept: &Kept, progress: &Progress, name: &Path, renamed: Option<String>) -> Result<Done, Error> {
        let work = match self.begin() {
            Ok(work) => work,
            Err(error) => {
                let failed = Err(error);
                progress.begin(name, None, 0).end(super::outcome_of(&failed));
                return failed;
            }
        };
        let asked = |span: &&Span| {
            self.options
                .segments
                .as_ref()
                .is_none_or(|some| some.contains(&span.number))
        };
        let spans: Vec<Span> = self.spans.iter().filter(asked).copied().collect();
        let already = spans.iter().filter_map(|span| work.finished(span));
        let already: usize = already.map(|finished| finished.frames.len()).sum();
        let frames: usize = spans.iter().map(|span| span.frames).sum();
        let progress = progress.begin(name, Some(frames as u64), already as u64);
        if let Some(renamed) = renamed {
            progress.note(&renamed);
        }
        self.tell_beforehand(&progress);
        let done = self.restore_all(&work, &spans, kept, &progress).and_then(|()| {
            if self.options.segments.is_some() {
                return Ok(Done::Segments);
            }
            self.complete(work, &progress)
        });
        progress.end(super::outcome_of(&done));
        done
    }

    fn tell_beforehand(&self, progress: &FileProgress) {
        if self.scan.more_videos > 0 {
            progress.note("the file has more than one video; the first is restored, the others are kept where the container allows");
        }
        let wanted = self.options.codec.or(Codec::of_coded(self.scan.codec()));
        if wanted != Some(self.identity.encoder.codec) {
            let (was, is) = (self.scan.codec(), self.identity.encoder.codec);
            progress.note(&format!("the video was {was} and becomes {is}"));
        }
    }

    /// Stretches of segments that are to be done, one after the other.
    fn restore_all(&self, work: &Work, spans: &[Span], kept: &Kept, progress: &FileProgress) -> Result<(), Error> {
        let mut next = 0;
        while next < spans.len() {
            if work.finished(&spans[next]).is_some() {
                next += 1;
                continue;
            }
            let pending = spans[next..].iter().take_while(|span| work.finished(span).is_none());
            let stretch = &spans[next..next + pending.count()];
            let reached = Stretch::new(self, work, stretch, progress).restore(kept)?;
            // A file that breaks off in the middle may go on behind that.
            next += reached.max(1);
        }
        Ok(())
    }

    fn complete(&self, work: Work, progress: &FileProgress) -> Result<Done, Error> {
        let finished: Vec<Finished> = self.spans.iter().filter_map(|span| work.finished(span)).collect();
        let segments: Vec<PathBuf> = finished.iter().map(|segment| work.video(&segment.span)).collect();
        let frames: Vec<Frame> = finished.iter().flat_map(|segment| &segment.frames).copied().collect();
        if frames.is_empty() {
            let reason = self.scan.damage.clone();
            return Err(Error::unreadable(
                &self.scan.path,
                reason.unwrap_or_else(|| "none of its frames can be decoded".into()),
            ));
        }
        let tag = Provenance::tag(&self.identity);
        let lost = Joined {
            scan: &self.scan,
            segments: &segments,
            frames: &frames,
            part: self.part(),
            tags: &[(provenance::TAG, &tag)],
        }
        .write(&self.output)?;
        for lost in &lost {
            progress.note(&format!("not kept: {lost}"));
        }
        let gaps = self.gaps(&finished);
        let provenance = Provenance {
            enhanced: true,
            identity: self.identity.clone(),
            original_sha256: provenance::sha256(&self.scan.path)?,
            provider: finished
                .iter()
                .map(|segment| segment.provider.clone())
                .find(|provider| !provider.is_empty())
                .unwrap_or_default(),
            frames: frames.len(),
            passed: frames.iter().filter(|frame| !frame.restored).count(),
            gaps: gaps.clone(),
            lost,
            finished: provenance::now(),
        };
        provenance.write(&self.output)?;
        beside::write_track(&self.scan.path, &self.output, progress)?;
        if self.options.report {
            beside::write_report(&self.output, &provenance, &frames, &self.stills, &work)?;
        }
        work.remove()?;
        Ok(if gaps.is_empty() {
            Done::Restored
        } else {
            Done::Damaged(gaps)
        })
    }

    fn part(&self) -> Option<Part> {
        let (first, last) = (self.spans.first()?, self.spans.last()?);
        (!self.options.wanted.is_all()).then_some(Part {
            from: first.from,
            to: last.to,
        })
    }

    /// What could not be decoded.
    fn gaps(&self, finished: &[Finished]) -> Vec<String> {
        let mut gaps: Vec<String> = self.scan.damage.iter().cloned().collect();
        for span in &self.spans {
            let segment = finished.iter().find(|segment| segment.span == *span);
            let there = segment.map_or(0, |segment| segment.frames.len());
            let made_up = segment.map_or(0, |segment| segment.frames.iter().filter(|frame| frame.damaged).count());
            if made_up > 0 {
                let from = span.from as f64 / 1e9;
                gaps.push(format!(
                    "{made_up} of {} frames from {from:.3} s on are damaged",
                    span.frames
                ));
            }
            if there < span.frames {
                let (from, missing) = (span.from as f64 / 1e9, span.frames - there);
                let why = segment.and_then(|segment| segment.damage.as_ref());
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                gaps.push(format!(
                    "{missing} of {} frames from {from:.3} s on cannot be decoded{why}",
                    span.frames
                ));
            }
        }
        gaps
    }
}

fn encoder(scan: &Scan, options: &Options) -> Result<Encoder, Error> {
    let find = |codec| Encoder::find(codec, options.quality, options.hardware);
    match (options.codec, Codec::of_coded(scan.codec())) {
        (Some(codec), _) => find(codec),
        // What it was coded in is best kept, and H.264 plays everywhere.
        (None, Some(codec)) => find(codec).or_else(|_| find(Codec::H264)),
        (None, None) => find(Codec::H264),
    }
}

/// Segments that follow one another and are all to be done.
struct Stretch<'a> {
    job: &'a Job<'a>,
    work: &'a Work,
    spans: &'a [Span],
    progress: &'a FileProgress,
    /// Which of `spans` is in work.
    current: usize,
    open: Option<Open>,
}

/// A segment in work.
struct Open {
    writer: Writer,
    caps: gst::Caps,
    frames: Vec<Frame>,
}

impl<'a> Stretch<'a> {
    fn new(job: &'a Job<'a>, work: &'a Work, spans: &'a [Span], progress: &'a FileProgress) -> Self {
        Self {
            job,
            work,
            spans,
            progress,
            current: 0,
            open: None,
        }
    }

    /// Restores as far as the file can be decoded, and returns how many of the segments that are.
    fn restore(mut self, kept: &Kept) -> Result<usize, Error> {
        let treatment = &self.job.options.treatment;
        let watched = Watched {
            edges: self.job.options.report,
            originals: self.job.options.report || treatment.compare == Compare::SideBySide,
        };
        let mut restoring = match Restoring::begin(&self.job.scan, self.spans, kept, watched) {
            Err(Error::Unreadable { .. }) if self.spans.first().is_some_and(|span| span.number > 0) => return Ok(1),
            begun => begun?,
        };
        while let Some(frame) = restoring.next()? {
            while self.spans[self.current].to.is_some_and(|to| frame.passage.time >= to) {
                self.close(&restoring, None)?;
                self.current += 1;
            }
            self.take(&frame)?;
            self.progress.restored(1);
        }
        self.close(&restoring, restoring.damage())?;
        Ok(self.current + 1)
    }

    fn take(&mut self, frame: &Restored) -> Result<(), Error> {
        let span = &self.spans[self.current];
        let passage = &frame.passage;
        let last = self.open.as_ref().and_then(|open| open.frames.last());
        if last.is_some_and(|last| last.time >= passage.time) {
            // Of a damaged stream: no two frames can be shown at one time, and none before one that was shown.
            return Ok(());
        }
        let Restored { sample, .. } = frame;
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else {
            return Err(Error::Failed("a frame came without caps or without data".into()));
        };
        let watched = self.job.options.report;
        let after = watched
            .then(|| gst_video::VideoInfo::from_caps(caps).ok())
            .flatten()
            .and_then(|info| restoring::edge_width(buffer, &info));
        self.keep_still(frame)?;
        let joined = match (&passage.original, self.job.options.treatment.compare) {
            (Some(original), Compare::SideBySide) => Some(side_by_side::joined(original, buffer, caps)?),
            _ => None,
        };
        let shown = joined.as_ref().unwrap_or(sample);
        let (Some(buffer), Some(caps)) = (shown.buffer(), shown.caps()) else {
            return Err(Error::Failed("two frames side by side are none".into()));
        };
        if self.open.is_none() {
            let writer = Writer::create(&self.work.part(span), caps, &self.job.identity.encoder, span.from)?;
            self.open = Some(Open {
                writer,
                caps: caps.to_owned(),
                frames: Vec::with_capacity(span.frames),
            });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.caps.as_ref() != caps {
            let seconds = passage.time as f64 / 1e9;
            return Err(Error::Failed(format!(
                "its frames change their size or form at {seconds:.3} s; restore the parts before and after that by --start and --duration"
            )));
        }
        open.writer.write(buffer, passage.time)?;
        open.frames.push(Frame {
            time: passage.time,
            pts: passage.pts,
            milliseconds: passage.milliseconds,
            restored: passage.restored,
            damaged: passage.damaged,
            edge_widths: passage.edge_width.zip(after),
        });
        Ok(())
    }

    /// Some frames of the whole are kept as pictures for the report.
    fn keep_still(&self, frame: &Restored) -> Result<(), Error> {
        let Some(number) = self.job.stills.iter().position(|&time| time == frame.passage.time) else {
            return Ok(());
        };
        let before = frame.passage.original.as_ref().and_then(|original| {
            let caps = frame.sample.caps()?.to_owned();
            Some(gst::Sample::builder().buffer(original).caps(&caps).build())
        });
        if let Some(before) = before {
            for (sample, name) in [(&before, "before"), (&frame.sample, "after")] {
                let path = self.work.other(&beside::still_name(number, name));
                fs::write(&path, still::png(sample)?).map_err(|error| Error::unwritable(&path, reason(&error)))?;
            }
        }
        Ok(())
    }

    fn close(&mut self, restoring: &Restoring, damage: Option<String>) -> Result<(), Error> {
        interrupt::check()?;
        let Some(open) = self.open.take() else { return Ok(()) };
        open.writer.finish()?;
        self.work.finish(&Finished {
            span: self.spans[self.current],
            frames: open.frames,
            provider: restoring.provider(),
            damage,
        })
    }
}
