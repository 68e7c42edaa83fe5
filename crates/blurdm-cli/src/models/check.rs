// SPDX-License-Identifier: MPL-2.0

//! `blurdm models check`: what the gate says of a model, whether ONNX Runtime can load it, and what is found of an ONNX file that is a model
//! of its own. The model is loaded in a process of its own, since it may crash the runtime.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use gstblurdm::engine::{
    Bundle, Choice, Deblurrer, Error, FrameSize, GraphFile, ModelFormat, Options, Provider, Search,
};

use crate::{child_process, error::CommandError};

/// The size with which the element, too, tries a model before it has caps.
const TRIAL_SIDE: usize = 64;

/// How often it is looked whether the process has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// As much of what the process says as is kept, in bytes.
const LONGEST_TEXT: u64 = 1 << 16;

/// What the errors of this command begin with.
const PREFIX: &str = "blurdm: ";

/// The name of the subcommand that the process runs, beside `check`.
pub const LOAD: &str = "load";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of a model bundle, or an ONNX file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What is known of an ONNX file, as in the element's property model-format [default: found by trying it]
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    model_format: Option<String>,
    /// ONNX Runtime library, or the folder that holds it [default: searched for]
    #[arg(long, value_name = "PATH")]
    library_path: Option<PathBuf>,
    /// Give loading up after this time, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    limit: u64,
}

/// A model that has passed the gate.
enum Checked {
    Bundle(Box<Bundle>),
    Graph(GraphFile),
}

impl Checked {
    fn open(path: &Path) -> Result<Self, CommandError> {
        if path.is_dir() {
            Ok(Self::Bundle(Box::new(Bundle::open(path)?)))
        } else {
            Ok(Self::Graph(GraphFile::open(path)?))
        }
    }
}

/// Prints what the gate says, and then how loading went.
///
/// # Errors
/// A model that is refused, one that cannot be loaded in time, and one that crashes ONNX Runtime.
pub fn run(arguments: &Arguments, mut out: impl Write) -> Result<(), CommandError> {
    let path = arguments.path.display();
    match Checked::open(&arguments.path)? {
        Checked::Bundle(bundle) => writeln!(
            out,
            "{path}: the manifest and all graphs of {} are what they must be",
            bundle.manifest().name
        )?,
        Checked::Graph(_) => writeln!(out, "{path}: the graph is what it must be")?,
    }
    let started = Instant::now();
    let found = load_in_child(arguments)?;
    let seconds = started.elapsed().as_secs_f64();
    writeln!(out, "{path}: ONNX Runtime has loaded it on the CPU, in {seconds:.1} s")?;
    for line in found.lines() {
        writeln!(out, "{path}: {line}")?;
    }
    Ok(())
}

/// Loads the model in this process: what [`run`] starts another process for. Prints what is found of an ONNX file.
///
/// # Errors
/// Why it cannot be loaded.
pub fn load(arguments: &Arguments, mut out: impl Write) -> Result<(), CommandError> {
    let search = Search {
        library: arguments.library_path.clone(),
        ..Search::default()
    };
    let limit = Duration::from_secs(arguments.limit);
    match Checked::open(&arguments.path)? {
        Checked::Bundle(bundle) => drop(try_model(&bundle, &search, limit)?),
        Checked::Graph(graph) => {
            graph.load(&search, limit)?;
            let format: ModelFormat = arguments.model_format.as_deref().unwrap_or_default().parse()?;
            let tried =
                Bundle::open_with(&arguments.path, format).and_then(|bundle| try_model(&bundle, &search, limit));
            match tried {
                Ok(deblurrer) => {
                    let conventions = deblurrer.conventions().unwrap_or_default();
                    writeln!(out, "as a model of its own it takes {conventions}")?;
                }
                // One of the graphs of a bundle is none.
                Err(Error::BundleInvalid { reason, .. } | Error::NotAPicture { reason }) => {
                    writeln!(out, "it cannot be a model of its own: {reason}")?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Loads a model for small frames, or those that it is fixed to.
fn try_model(bundle: &Bundle, search: &Search, limit: Duration) -> Result<Deblurrer, Error> {
    let options = Options {
        provider: Choice::Only(Provider::Cpu),
        load_limit: Some(limit),
        ..Options::default()
    };
    let size = bundle.fixed_size().unwrap_or(FrameSize {
        width: TRIAL_SIDE,
        height: TRIAL_SIDE,
    });
    Deblurrer::new(bundle, &options, search, size)
}

/// Runs [`load`] in a child, and returns what it prints.
///
/// # Errors
/// Those that the child reports, and how it has ended otherwise.
fn load_in_child(arguments: &Arguments) -> Result<String, CommandError> {
    let error = |reason: String| CommandError::Model {
        path: arguments.path.clone(),
        reason,
    };
    let failed = |reason: io::Error| {
        error(format!(
            "no process can be started to load it in: {reason}; end other programs, and try again"
        ))
    };
    let mut command = Command::new(child_process::executable().map_err(failed)?);
    command.args(["models", LOAD]).arg(&arguments.path);
    command.args(["--limit", &arguments.limit.to_string()]);
    if let Some(library) = &arguments.library_path {
        command.arg("--library-path").arg(library);
    }
    if let Some(words) = &arguments.model_format {
        command.args(["--model-format", words]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = Ended(command.spawn().map_err(failed)?);
    let found = read_beside(child.0.stdout.take());
    let messages = read_beside(child.0.stderr.take());
    // The child has this limit itself, unless it is blocked.
    let limit = Duration::from_secs(arguments.limit) + Duration::from_secs(10);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait().map_err(failed)? {
            break status;
        }
        if started.elapsed() > limit {
            return Err(error(format!(
                "it was not loaded within {} s; --limit allows more",
                arguments.limit
            )));
        }
        thread::sleep(POLL_INTERVAL);
    };
    if status.success() {
        return Ok(found.join().unwrap_or_default());
    }
    let messages = messages.join().unwrap_or_default();
    let reported = messages.lines().rev().find_map(|line| line.strip_prefix(PREFIX));
    Err(match reported {
        Some(reason) if status.code().is_some() => CommandError::Reported(reason.to_owned()),
        _ => error(format!(
            "ONNX Runtime cannot load it: the process that did {}; do not use this model",
            child_process::describe(status)
        )),
    })
}

/// Reads what a child says in a thread of its own, so that it never waits for a reader.
fn read_beside(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        // What cannot be read is missing from a message.
        pipe.map(|pipe| pipe.take(LONGEST_TEXT).read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// A child that does not outlive this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
