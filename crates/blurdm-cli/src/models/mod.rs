// SPDX-License-Identifier: MPL-2.0

//! `blurdm models`: the models that are available, and whether one can be used.

mod check;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use gst::glib;
use gstblurdm::engine::{Bundle, Precision};
use serde::Serialize;

use crate::{error::CommandError, plugin};

const MANIFEST: &str = "manifest.toml";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder of a model bundle, or of several, to list as well; may be given several times
    #[arg(long = "model", value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Print the list as a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a model has what could crash or block ONNX Runtime, and load it on the CPU in a process of its own
    Check(check::Arguments),
    /// What that process does
    #[command(name = check::LOAD, hide = true)]
    Load(check::Arguments),
}

/// A bundle that was read and whose files have the hashes of its manifest.
#[derive(Debug, Serialize)]
struct Model {
    name: String,
    version: String,
    licence: String,
    /// `None` for the built-in model.
    path: Option<PathBuf>,
    /// SHA-256 of the manifest, which identifies the model in records of restored files.
    sha256: String,
    precisions: Vec<PrecisionEntry>,
    /// The steps of the sampler; absent for a model without a prior.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_steps: Option<usize>,
    /// Side in pixels of the frames that graphs of fixed size take.
    #[serde(skip_serializing_if = "Option::is_none")]
    tile: Option<usize>,
    data: Vec<String>,
    scores: BTreeMap<String, f64>,
}

/// A precision that the model has.
#[derive(Debug, Serialize)]
struct PrecisionEntry {
    precision: &'static str,
    /// Loss against fp32 in dB, where the manifest states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f64>,
}

impl Model {
    fn of(bundle: &Bundle, path: Option<PathBuf>) -> Self {
        let manifest = bundle.manifest();
        let backbone = &manifest.backbone;
        let has = |precision: &Precision| {
            let nick = precision.nick();
            backbone.variants.contains_key(nick) || backbone.losses.contains_key(nick)
        };
        let entry = |precision: Precision| PrecisionEntry {
            precision: precision.nick(),
            loss: backbone.losses.get(precision.nick()).copied(),
        };
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            licence: manifest.licence.clone(),
            path,
            sha256: bundle.hash().to_owned(),
            precisions: Precision::ALL.into_iter().filter(has).map(entry).collect(),
            default_steps: manifest.prior.as_ref().map(|prior| prior.default_steps),
            max_steps: manifest.prior.as_ref().map(|prior| prior.max_steps),
            tile: backbone.tile,
            data: manifest.training.data.clone(),
            scores: manifest.training.scores.clone(),
        }
    }
}

/// Runs the subcommand, or lists the models.
///
/// # Errors
/// Those of the subcommand; otherwise a given folder that holds no model, or one that cannot be read.
pub fn run(arguments: &Arguments, out: impl Write) -> Result<(), CommandError> {
    match &arguments.command {
        Some(Command::Check(arguments)) => check::run(arguments, out),
        Some(Command::Load(arguments)) => check::load(arguments, out),
        None => list(arguments, out),
    }
}

/// Lists the built-in model, those in the given folders, and those that are installed. An installed model that cannot be read is reported
/// on standard error.
///
/// # Errors
/// A given folder that holds no model, or one that cannot be read.
fn list(arguments: &Arguments, mut out: impl Write) -> Result<(), CommandError> {
    let mut models = vec![Model::of(&plugin::builtin_bundle()?, None)];
    for folder in &arguments.folders {
        for folder in bundles_of(folder) {
            models.push(Model::of(&Bundle::open(&folder)?, Some(folder)));
        }
    }
    for folder in installed() {
        match Bundle::open(&folder) {
            Ok(bundle) => models.push(Model::of(&bundle, Some(folder))),
            Err(error) => drop(writeln!(io::stderr(), "blurdm: {error}")),
        }
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&models).map_err(io::Error::from)?;
        writeln!(out, "{text}")?;
    } else {
        models.iter().try_for_each(|model| print(model, &mut out))?;
    }
    Ok(())
}

/// Returns the folder itself if it is a bundle, and the bundles in it otherwise.
fn bundles_of(folder: &Path) -> Vec<PathBuf> {
    let within = bundles_in(folder);
    if within.is_empty() || folder.join(MANIFEST).exists() {
        return vec![folder.to_owned()];
    }
    within
}

fn bundles_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut bundles: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.join(MANIFEST).is_file())
        .collect();
    bundles.sort_by(|a, b| alphanumeric_sort::compare_path(a, b));
    bundles
}

/// Returns the bundles in the folders where `make install` and packages put them, and beside the executable.
fn installed() -> Vec<PathBuf> {
    let mut folders = vec![glib::user_data_dir()];
    folders.extend(glib::system_data_dirs());
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| folder.join("blurdm/models")).collect();
    let program = env::current_exe().ok();
    folders.extend(program.and_then(|program| Some(program.parent()?.join("models"))));
    folders.iter().flat_map(|folder| bundles_in(folder)).collect()
}

fn print(model: &Model, out: &mut impl Write) -> io::Result<()> {
    let path = match &model.path {
        Some(path) => path.display().to_string(),
        None => "built in".into(),
    };
    writeln!(out, "{} {} ({}), {path}", model.name, model.version, model.licence)?;
    let precisions = model.precisions.iter().map(|entry| match entry.loss {
        Some(loss) => format!("{} (loses {loss:.3} dB)", entry.precision),
        None => entry.precision.to_owned(),
    });
    writeln!(out, "  precisions  {}", precisions.collect::<Vec<_>>().join(", "))?;
    match model.max_steps.zip(model.default_steps) {
        Some((max, default)) => writeln!(out, "  steps       1 to {max}, {default} unless told otherwise")?,
        None => writeln!(out, "  steps       none: the model has no prior")?,
    }
    if let Some(tile) = model.tile {
        writeln!(out, "  tiles       {tile}x{tile}")?;
    }
    if !model.scores.is_empty() {
        let scores = model.scores.iter().map(|(name, score)| format!("{name} {score:.3}"));
        writeln!(out, "  scores      {}", scores.collect::<Vec<_>>().join(", "))?;
    }
    if !model.data.is_empty() {
        writeln!(out, "  trained on  {}", model.data.join(", "))?;
    }
    writeln!(out, "  sha256      {}", model.sha256)
}
