// SPDX-License-Identifier: MPL-2.0

//! A model bundle: a folder, or the one compiled in, with `manifest.toml` and the graphs that it lists with their
//! hashes.

pub(crate) mod builtin;
mod contract;
mod gate;
mod manifest;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    diffusion::Schedule,
    engine::{error::Error, precision::Precision, regular_file},
};

pub(super) use contract::Contract;
pub(super) use gate::check as check_graph;
pub use manifest::{BackboneSection, EncoderInput, Manifest, PriorSection, ScheduleSection, TrainingSection};

const MANIFEST: &str = "manifest.toml";

/// The largest manifest, in bytes. Ours have 2,000.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// The largest graph, in bytes: protocol buffers cannot be longer.
pub(super) const LARGEST_GRAPH: u64 = (1 << 31) - 1;

/// A checked bundle: every value of the manifest is accepted, every graph has the hash that the manifest states, and
/// has passed the gate. The graphs are kept in memory, and are what sessions are created from. Clones share them.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    /// `None` for a backbone alone.
    prior: Option<PriorGraphs>,
    label: String,
    hash: String,
    /// By variant.
    backbones: BTreeMap<String, Bytes>,
}

/// What samples priors.
#[derive(Debug, Clone)]
struct PriorGraphs {
    schedule: Schedule,
    encoder: Bytes,
    residuals: Bytes,
}

/// Where the files of a bundle come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From this program, whose own tests have put them through the gate.
    BuiltIn,
    /// From whoever has written them.
    Folder,
}

impl Bundle {
    /// Returns the bundle that is compiled into the library, blurdm-nano.
    ///
    /// # Errors
    /// As [`Bundle::open`]; the same checks are made, except for the gate's.
    pub fn builtin() -> Result<Self, Error> {
        Self::read(builtin::NAME, Origin::BuiltIn, |name, _| {
            builtin::file(name)
                .map(Bytes::from_static)
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        })
    }

    /// Reads the bundle in `folder`.
    ///
    /// # Errors
    /// [`Error::BundleMissing`] when there is no such folder or manifest, [`Error::BundleInvalid`] for an unknown key,
    /// a wrong hash, a missing file, one that is not regular or a path that leaves the folder, and for a graph that has
    /// what graphs for images never have and what may crash or block ONNX Runtime, [`Error::Schedule`] for a schedule
    /// that cannot be sampled.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let label = folder.display().to_string();
        let root = fs::canonicalize(folder).map_err(|error| Error::BundleMissing {
            bundle: label.clone(),
            reason: format!(
                "{error}; set model to a folder that holds {MANIFEST}, or leave it empty for the built-in model"
            ),
        })?;
        Self::read(&label, Origin::Folder, |name, largest| {
            read_inside(&root, name, largest)
        })
    }

    /// Reads a bundle whose files `file` returns by name, if they are no larger than a number of bytes. Errors name it
    /// by `label`.
    pub(crate) fn read(
        label: &str,
        origin: Origin,
        file: impl Fn(&str, u64) -> io::Result<Bytes>,
    ) -> Result<Self, Error> {
        let invalid = |file: &str, reason: String| Error::BundleInvalid {
            bundle: label.to_owned(),
            file: file.to_owned(),
            reason,
        };
        let text = file(MANIFEST, LARGEST_MANIFEST).map_err(|error| Error::BundleMissing {
            bundle: label.to_owned(),
            reason: format!("{MANIFEST} cannot be read: {error}"),
        })?;
        let text = std::str::from_utf8(&text).map_err(|error| invalid(MANIFEST, error.to_string()))?;
        let manifest = Manifest::parse(text).map_err(|reason| invalid(MANIFEST, reason))?;
        let section = manifest.schedule.as_ref();
        let schedule = section.map(|section| Schedule::new(section.alphas.clone(), section.beta_bars.clone()));
        let schedule = schedule.transpose().map_err(|source| Error::Schedule {
            bundle: label.to_owned(),
            source,
        })?;
        manifest
            .check(schedule.as_ref())
            .map_err(|reason| invalid(MANIFEST, reason))?;
        let graph = |name: &str| -> Result<Bytes, Error> {
            let expected = manifest.files.get(name).ok_or_else(|| {
                invalid(
                    MANIFEST,
                    format!("[files] has no sha256 for '{name}', which the manifest uses"),
                )
            })?;
            let bytes = file(name, LARGEST_GRAPH).map_err(|error| invalid(name, error.to_string()))?;
            let actual = hex(&Sha256::digest(&bytes));
            if !actual.eq_ignore_ascii_case(expected) {
                let reason =
                    format!("its sha256 is {actual}, and the manifest says {expected}; fetch the bundle again");
                return Err(invalid(name, reason));
            }
            if origin == Origin::Folder {
                gate::check(&bytes).map_err(|reason| invalid(name, reason))?;
            }
            Ok(bytes)
        };
        let backbones = manifest.backbone.variants.iter();
        let backbones = backbones
            .map(|(variant, name)| Ok((variant.clone(), graph(name)?)))
            .collect::<Result<_, Error>>()?;
        let prior = manifest.prior.as_ref().zip(schedule);
        let prior = prior.map(|(section, schedule)| {
            Ok(PriorGraphs {
                schedule,
                encoder: graph(&section.encoder)?,
                residuals: graph(&section.residuals)?,
            })
        });
        Ok(Self {
            prior: prior.transpose()?,
            backbones,
            label: label.to_owned(),
            hash: hex(&Sha256::digest(text.as_bytes())),
            manifest,
        })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the schedule of the sampler, or `None` for a bundle without a prior.
    pub fn schedule(&self) -> Option<&Schedule> {
        self.prior.as_ref().map(|prior| &prior.schedule)
    }

    /// Returns the folder that the bundle was read from, or the name of the built-in one.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the SHA-256 of the manifest, which holds the hashes of the graphs: it identifies the model.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the graphs `prior_encoder` and `residuals`, or `None` for a bundle without a prior.
    pub(crate) fn prior_graphs(&self) -> Option<(&[u8], &[u8])> {
        self.prior.as_ref().map(|prior| (&*prior.encoder, &*prior.residuals))
    }

    /// Returns the graph `backbone` that a precision runs, or `None` if the bundle has no such variant.
    pub(crate) fn backbone(&self, precision: Precision) -> Option<&[u8]> {
        self.backbones.get(precision.variant()).map(Bytes::as_ref)
    }
}

/// Reads a file of the folder `root`, whose path is canonical. A path that leaves the folder, also through a link, is
/// an error.
fn read_inside(root: &Path, name: &str, largest: u64) -> io::Result<Bytes> {
    let path = fs::canonicalize(join_inside(root, name)?)?;
    if !path.starts_with(root) {
        return Err(leaves_folder(name));
    }
    regular_file::read(&path, largest).map(Bytes::from)
}

fn join_inside(root: &Path, name: &str) -> io::Result<PathBuf> {
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if plain && !name.is_empty() {
        Ok(root.join(name))
    } else {
        Err(leaves_folder(name))
    }
}

fn leaves_folder(name: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("the path '{name}' leaves the bundle's folder"),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
