// SPDX-License-Identifier: MPL-2.0

//! `blurdm restore`: restores the videos in files.
//!
//! ```text
//! plan ─┬─ pictures: decode ! blurdm ! encode, each on its own
//!       ├─ segments: decode ! blurdm ! encode ─┬─ mux: MP4 splice or remux ─ proof ─ output ─ report: record, track, page
//!       └─ segments finished by an earlier run ┘
//! ```

mod batch;
mod digest;
mod job;
mod mux;
mod options;
mod pictures;
mod plan;
mod prepared;
mod preview;
mod proof;
mod report;
mod segments;
mod video;
mod worker;

use std::{
    ffi::OsString,
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use gstblurdm::engine::Bundle;

use crate::{
    error::{CommandError, Error},
    media::{
        element::ElementSettings,
        encoder::{Codec, Encoder, QUALITIES},
        interrupt,
        watchdog::{self, StallLimit},
    },
    plugin,
    progress::{Form, Progress},
    values,
};
use job::Job;
use options::Options;
use plan::{PlannedFile, TimeRange, VideoChoice, Written, inputs};
use prepared::Prepared;
use report::Model;
use segments::WorkDir;
use worker::Supervisor;

#[cfg(fuzzing)]
pub use {
    pictures::{PictureEntry, PictureIdentity, PictureRecord, codec},
    report::{Record, WorkIdentity},
    segments::{Plan, StoredSegment},
    worker::{Order, Report},
};

/// Exit status where parts of some files could not be decoded, and everything else was restored.
const EXIT_DAMAGED: u8 = 3;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, folders and patterns of files
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<OsString>,
    /// File or folder to write to; missing folders are created, and originals are never overwritten
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    settings: ElementSettings,
    /// Codec to encode with [default: that of the original, or h264]
    #[arg(long, value_enum)]
    codec: Option<Codec>,
    /// Quality of the encoding, from 0 (best) to 51, on the scale of H.264's constant rate factor
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u32).range(i64::from(*QUALITIES.start())..=i64::from(*QUALITIES.end())))]
    quality: u32,
    /// Encode on the CPU even where a hardware encoder works
    #[arg(long)]
    software_encoder: bool,
    /// Start of the part to restore, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    start: Option<u64>,
    /// Duration of the part to restore, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    duration: Option<u64>,
    /// Save only the frame at this time, original and restored, as NAME-before.png and NAME-after.png
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds, conflicts_with_all = ["start", "duration", "report", "segments", "plan"])]
    preview: Option<u64>,
    /// Frames per second of numbered pictures, for --start, --duration and --preview [default: 25]
    #[arg(long, value_name = "NUMBER", value_parser = values::framerate)]
    framerate: Option<f64>,
    /// The video to restore of files that have several, by its number in the file from 1, or all of them [default: the enabled, largest, longest one]
    #[arg(long, value_name = "NUMBER|all")]
    video: Option<VideoChoice>,
    /// Write an HTML report beside each output
    #[arg(long)]
    report: bool,
    /// Overwrite existing outputs, and the files beside them
    #[arg(long)]
    overwrite: bool,
    /// Print only errors
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Print progress to standard output, as one JSON object per line
    #[arg(long)]
    json: bool,
    /// Prepare one file, and print its segments as JSON instead of restoring them
    #[arg(long, help_heading = "Distributing one file over machines")]
    plan: bool,
    /// Restore only these segments of one file, as in 3 or 3-5, and leave them in OUT.blurdm
    #[arg(long, value_name = "RANGE", value_parser = values::range, help_heading = "Distributing one file over machines")]
    segments: Option<RangeInclusive<usize>>,
    #[command(flatten)]
    stall_limit: StallLimit,
    /// Restore the files that come through standard input: how this command starts itself
    #[arg(long, hide = true)]
    worker: bool,
}

impl Arguments {
    fn form(&self) -> Form {
        match (self.quiet, self.json) {
            (true, _) => Form::Quiet,
            (_, true) => Form::Json,
            _ => Form::interactive(),
        }
    }

    fn options(&self) -> Result<Options, CommandError> {
        let bundle = match &self.settings.model {
            Some(path) => Bundle::open_with(path, self.settings.model_format.parse()?)?,
            None => plugin::builtin_bundle()?,
        };
        Ok(Options {
            model: Model {
                name: bundle.manifest().name.clone(),
                version: bundle.manifest().version.clone(),
                sha256: bundle.hash().into(),
            },
            settings: self.settings.clone(),
            codec: self.codec,
            quality: self.quality,
            hardware_encoder: !self.software_encoder,
            range: TimeRange {
                start: self.start.unwrap_or(0),
                duration: self.duration,
            },
            video: self.video.unwrap_or_default(),
            framerate: self.framerate,
            report: self.report,
            overwrite: self.overwrite,
            segments: self.segments.clone(),
        })
    }
}

/// Restores all files that the arguments name.
///
/// # Errors
/// What is wrong with the arguments, the plugin, the model or the output as a whole. The error of a single file is shown as its progress.
pub fn run(arguments: &Arguments, out: impl io::Write) -> Result<ExitCode, CommandError> {
    plugin::load()?;
    if arguments.worker {
        interrupt::handle_signals().map_err(|error| Error::Failed(error.to_string()))?;
        return worker::run(&arguments.options()?, arguments.preview, arguments.stall_limit);
    }
    watchdog::start(arguments.stall_limit, watchdog::end_process)?;
    let found = inputs::find(&arguments.inputs, &arguments.output)?;
    let outputs = found.outputs(&arguments.output, None)?;
    // A preview has names of its own, which are compared with the originals as well.
    if arguments.preview.is_none() {
        found.check_originals(&outputs)?;
    }
    let options = arguments.options()?;
    if let Some(codec) = options.codec {
        Encoder::find(codec, options.quality, options.hardware_encoder, false)?;
    }
    if (arguments.plan || arguments.segments.is_some()) && outputs.len() != 1 {
        return Err(CommandError::Arguments(format!(
            "--plan and --segments take one file, and {} are given",
            outputs.len()
        )));
    }
    if (arguments.plan || arguments.segments.is_some()) && found.files.iter().any(|input| input.pictures.is_some()) {
        let text = "--plan and --segments are for videos; give several machines different folders of pictures";
        return Err(CommandError::Arguments(text.into()));
    }
    interrupt::handle_signals().map_err(|error| Error::Failed(error.to_string()))?;
    let written = match arguments.preview {
        Some(_) => Written::Preview,
        None => Written::Output { report: options.report },
    };
    let files = plan::plan_files(&found.files, &outputs, written);
    if arguments.plan {
        return files
            .into_iter()
            .next()
            .map_or(Ok(ExitCode::SUCCESS), |file| print_plan(file, &options, out));
    }
    let progress = Progress::new(arguments.form(), outputs.len(), None);
    for error in &found.unreadable {
        progress.skip(error.path().unwrap_or(Path::new("?")), error.to_string());
    }
    let mut supervisor = Supervisor::new(&progress);
    for file in files {
        if interrupt::is_requested() {
            break;
        }
        supervisor.restore(file);
    }
    supervisor.finish();
    let counts = progress.finish()?;
    let has_failed = counts.failed > 0 || !found.unreadable.is_empty();
    let has_damaged = counts.damaged > 0;
    Ok(match () {
        () if interrupt::is_requested() => ExitCode::from(interrupt::EXIT_STATUS),
        () if has_failed => ExitCode::FAILURE,
        () if has_damaged => ExitCode::from(EXIT_DAMAGED),
        () => ExitCode::SUCCESS,
    })
}

/// Prints the segments of a file, for programs that distribute the work.
fn print_plan(file: PlannedFile, options: &Options, mut out: impl io::Write) -> Result<ExitCode, CommandError> {
    if let Some(conflict) = file.conflict {
        return Err(conflict.into());
    }
    let output = file.output;
    let Prepared::Work(job) = Job::prepare(&file.input, &output, options)? else {
        let plan = serde_json::json!({ "done": true, "output": output, "segments": [] });
        writeln!(out, "{plan}")?;
        return Ok(ExitCode::SUCCESS);
    };
    let work = job.open_work_dir()?;
    let segments = job.segments();
    let finished = segments.iter().filter(|segment| work.finished(segment).is_some());
    let finished: Vec<usize> = finished.map(|segment| segment.number).collect();
    let plan = serde_json::json!({
        "done": false,
        "finished": finished,
        "output": output,
        "work": WorkDir::path_for(&output),
        "segments": segments,
    });
    writeln!(out, "{plan}")?;
    Ok(ExitCode::SUCCESS)
}
