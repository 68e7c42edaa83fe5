// SPDX-License-Identifier: MPL-2.0

//! `blurdm restore`: files in, restored files out.
//!
//! ```text
//! scan ─ plan ─┬─ restoring (decode ! blurdm) ─ segment (encode) ─ work ─┬─ join (mp4 splice, or remux) ─ output, provenance, report
//!              └─ what is finished already ─────────────────────────────┘
//! ```

mod beside;
pub mod bus;
mod container;
pub mod encoder;
mod error;
mod inputs;
mod interrupt;
mod job;
mod join;
mod kept;
mod matroska;
mod plan;
mod preview;
mod provenance;
mod remux;
mod report;
mod restoring;
mod scan;
mod segment;
mod sharpness;
mod side_by_side;
mod source;
mod still;
mod text;
pub mod treatment;
mod work;

use std::{
    collections::HashSet,
    ffi::OsString,
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::LazyLock,
};

use clap::Args;
use gstblurdm::engine::Bundle;

use crate::{
    failure::Failure,
    plugin::{self, BuiltinError},
    progress::{Form, Outcome, Progress},
};
use encoder::{Codec, QUALITIES};
pub use error::Error;
pub use inputs::Unusable;
use job::{Done, Job, Options};
use kept::Kept;
use plan::Wanted;
use treatment::Treatment;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "blurdm-restore",
        gst::DebugColorFlags::empty(),
        Some("Restoring files with blurdm"),
    )
});

/// Some files were restored but for what could not be decoded of them.
const DAMAGED: u8 = 3;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, folders and patterns of files
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<OsString>,
    /// File or folder to write to; folders are made, and the originals are never overwritten
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    treatment: Treatment,
    /// What to encode the video in; what the original is in, or H.264, without it
    #[arg(long, value_enum)]
    codec: Option<Codec>,
    /// From 0, the best, to 51, by the scale of H.264's constant rate factor
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u32).range(i64::from(*QUALITIES.start())..=i64::from(*QUALITIES.end())))]
    quality: u32,
    /// Encode on the CPU even where there is hardware for it
    #[arg(long)]
    software_encoder: bool,
    /// Where to begin, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    start: Option<u64>,
    /// How much of it to restore, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<u64>,
    /// Only save the frame at this time, in seconds, as it is and restored: NAME-before.png and NAME-after.png
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with_all = ["start", "duration", "report", "segments", "plan"])]
    preview: Option<u64>,
    /// Write a page beside each output that shows what was done
    #[arg(long)]
    report: bool,
    /// Replace outputs that are there already
    #[arg(long)]
    overwrite: bool,
    /// Say only what went wrong
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Tell progress on standard output, as one JSON object per line
    #[arg(long)]
    json: bool,
    /// Begin with one file, and print its segments as JSON instead of restoring them
    #[arg(long, help_heading = "Spreading one file over machines")]
    plan: bool,
    /// Of one file restore only these segments, as in 3 or 3-5, and leave them in OUT.blurdm
    #[arg(long, value_name = "RANGE", value_parser = range, help_heading = "Spreading one file over machines")]
    segments: Option<RangeInclusive<usize>>,
}

/// Seconds to nanoseconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "it is no number of seconds, such as 12.5".to_owned())?;
    let time = gst::ClockTime::try_from_seconds_f64(seconds).map_err(|_| "it is no time".to_owned())?;
    Ok(time.nseconds())
}

fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err("it is neither a number nor two, as in 3-5".into()),
    }
}

impl Arguments {
    fn form(&self) -> Form {
        match (self.quiet, self.json) {
            (true, _) => Form::Quiet,
            (_, true) => Form::Json,
            _ => Form::for_people(),
        }
    }

    fn options(&self) -> Result<Options, Failure> {
        let bundle = match &self.treatment.model {
            Some(folder) => Bundle::open(folder)?,
            None => plugin::builtin_bundle()?,
        };
        Ok(Options {
            model: provenance::Model {
                name: bundle.manifest().name.clone(),
                version: bundle.manifest().version.clone(),
                sha256: bundle.hash().into(),
            },
            treatment: self.treatment.clone(),
            codec: self.codec,
            quality: self.quality,
            hardware: !self.software_encoder,
            wanted: Wanted {
                start: self.start.unwrap_or(0),
                duration: self.duration,
            },
            report: self.report,
            overwrite: self.overwrite,
            segments: self.segments.clone(),
        })
    }
}

/// Restores everything that the arguments name; a file that fails does not keep the others from it.
///
/// # Errors
/// What is wrong with the arguments, the model or the output as a whole, before any work.
pub fn run(arguments: &Arguments, out: impl io::Write) -> Result<ExitCode, Failure> {
    plugin::load().map_err(BuiltinError::from)?;
    let found = inputs::find(&arguments.inputs, &arguments.output)?;
    let outputs = found.outputs(&arguments.output, None)?;
    let options = arguments.options()?;
    if let Some(codec) = options.codec {
        encoder::Encoder::find(codec, options.quality, options.hardware)?;
    }
    if (arguments.plan || arguments.segments.is_some()) && outputs.len() != 1 {
        return Err(Error::Failed(format!(
            "segments are those of one file, and {} are given",
            outputs.len()
        ))
        .into());
    }
    interrupt::catch().map_err(|error| Error::Failed(error.to_string()))?;
    if arguments.plan {
        return print_plan(&found.inputs[0].path, &outputs[0], &options, out);
    }
    let progress = Progress::new(arguments.form(), outputs.len(), None);
    for error in &found.unreadable {
        progress.skip(error.path().unwrap_or(Path::new("?")), error.to_string());
    }
    let mut batch = Batch {
        options: &options,
        kept: Kept::new(&options.treatment),
        preview: arguments.preview,
        progress: &progress,
        made: HashSet::new(),
        damaged: false,
        failed: !found.unreadable.is_empty(),
    };
    for (input, output) in found.inputs.iter().zip(&outputs) {
        if interrupt::asked() {
            break;
        }
        batch.file(&input.path, output);
    }
    let (failed, damaged) = (batch.failed, batch.damaged);
    progress.finish()?;
    Ok(match () {
        () if interrupt::asked() => ExitCode::from(interrupt::INTERRUPTED),
        () if failed => ExitCode::FAILURE,
        () if damaged => ExitCode::from(DAMAGED),
        () => ExitCode::SUCCESS,
    })
}

/// Prints how a file is cut, for whoever spreads the work on it.
fn print_plan(input: &Path, output: &Path, options: &Options, mut out: impl io::Write) -> Result<ExitCode, Failure> {
    let (output, _) = container::output_for(output);
    let Some(job) = Job::prepare(input, &output, options)? else {
        writeln!(
            out,
            "{}",
            serde_json::json!({ "done": true, "output": output, "segments": [] })
        )?;
        return Ok(ExitCode::SUCCESS);
    };
    let work = job.begin()?;
    let finished = job.spans().iter().filter(|span| work.finished(span).is_some());
    let finished: Vec<usize> = finished.map(|span| span.number).collect();
    let plan = serde_json::json!({
        "done": false,
        "finished": finished,
        "output": output,
        "work": work::Work::folder_of(&output),
        "segments": job.spans(),
    });
    writeln!(out, "{plan}")?;
    Ok(ExitCode::SUCCESS)
}

struct Batch<'a> {
    options: &'a Options,
    kept: Kept,
    preview: Option<u64>,
    progress: &'a Progress,
    /// Outputs of this run: what is one container in another may have the name of a neighbour.
    made: HashSet<PathBuf>,
    damaged: bool,
    failed: bool,
}

impl Batch<'_> {
    fn file(&mut self, input: &Path, output: &Path) {
        if let Some(time) = self.preview {
            let progress = self.progress.begin(input, Some(1), 0);
            let saved = preview::save(input, output, time, &self.kept);
            self.failed |= saved.is_err();
            progress.restored(u64::from(saved.is_ok()));
            progress.end(match saved {
                Ok(()) => Outcome::Restored,
                Err(error) => failure(&error),
            });
            return;
        }
        let (output, renamed) = container::output_for(output);
        let prepared = if self.made.insert(output.clone()) {
            Job::prepare(input, &output, self.options)
        } else {
            Err(Error::Taken { path: output.clone() })
        };
        match prepared {
            Ok(Some(job)) => match job.run(&self.kept, self.progress, input, renamed) {
                Ok(Done::Damaged(_)) => self.damaged = true,
                Ok(_) => {}
                Err(_) => self.failed = true,
            },
            Ok(None) => self.progress.skip(input, "was restored before"),
            Err(error) => {
                self.failed = true;
                self.progress.begin(input, None, 0).end(failure(&error));
            }
        }
    }
}

fn failure(error: &Error) -> Outcome {
    match error {
        Error::Interrupted => Outcome::Stopped,
        error => Outcome::Failed(error.to_string()),
    }
}

fn outcome_of(done: &Result<Done, Error>) -> Outcome {
    match done {
        Ok(Done::Damaged(gaps)) => Outcome::Damaged(gaps.join("; ")),
        Ok(_) => Outcome::Restored,
        Err(error) => failure(error),
    }
}
