// SPDX-License-Identifier: MPL-2.0

//! A model bundle: a folder, or the one compiled in, with `manifest.toml` and the graphs that it lists with their
//! hashes. One ONNX file is a bundle whose manifest is made up.

pub(crate) mod builtin;
mod contract;
mod gate;
mod manifest;
mod plain;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    diffusion::Schedule,
    engine::{error::Error, frame_size::FrameSize, precision::Precision, regular_file},
};

pub(super) use contract::Contract;
pub(super) use gate::check as check_graph;
pub use manifest::{
    BackboneSection, EncoderInput, Manifest, PriorSection, ScalesSection, ScheduleSection, TrainingSection,
};
pub(super) use plain::{BLACK, COLOURS, Conventions, Plain, SCALE};
pub use plain::{ChannelOrder, Layout, ModelFormat, Range};
use plain::{Refusal, modelinfo};

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
    /// The network of a model of one file.
    plain: Option<Plain>,
}

/// What samples priors.
#[derive(Debug, Clone)]
struct PriorGraphs {
    schedule: Schedule,
    encoder: Bytes,
    residuals: Bytes,
    /// `None` for a network of one scale.
    scales: Option<Bytes>,
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

    /// Reads the bundle in a folder, or the model that is one ONNX file.
    ///
    /// # Errors
    /// [`Error::BundleMissing`] when there is no such file, folder or manifest, [`Error::BundleInvalid`] for an unknown key,
    /// a wrong hash, a missing file, one that is not regular or a path that leaves the folder, and for a graph that has
    /// what graphs for images never have and what may crash or block ONNX Runtime, [`Error::Schedule`] for a schedule
    /// that cannot be sampled, [`Error::ModelFormat`] for a `.modelinfo` beside the ONNX file that cannot be true of it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, ModelFormat::default())
    }

    /// As [`Bundle::open`], with what the caller knows of the model if it is one ONNX file.
    ///
    /// # Errors
    /// As [`Bundle::open`], and [`Error::ModelFormat`] for what cannot be true.
    pub fn open_with(path: &Path, format: ModelFormat) -> Result<Self, Error> {
        if fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            Self::open_file(path, format)
        } else {
            Self::open_folder(path)
        }
    }

    fn open_file(path: &Path, format: ModelFormat) -> Result<Self, Error> {
        let label = path.display().to_string();
        let missing = |error: io::Error| Error::BundleMissing {
            bundle: label.clone(),
            reason: error.to_string(),
        };
        let file = fs::canonicalize(path).map_err(missing)?;
        let bytes = Bytes::from(regular_file::read(&file, LARGEST_GRAPH).map_err(missing)?);
        let model = gate::check(&bytes).map_err(|reason| Refusal::Graph(reason).of_file(&label))?;
        let modelinfo = modelinfo::read(path).map_err(|reason| Refusal::Format(reason).of_file(&label))?;
        let plain = Plain::new(model, format, modelinfo.as_deref()).map_err(|refusal| refusal.of_file(&label))?;
        let mut hash = Sha256::new_with_prefix(&bytes);
        if *plain.format() != ModelFormat::default() {
            // What is told changes what the model computes.
            hash.update(format!("{:?}", plain.format()));
        }
        let hash = hex(&hash.finalize());
        Ok(Self {
            manifest: Manifest::of_file(path, &hash),
            prior: None,
            label,
            hash,
            backbones: BTreeMap::new(),
            plain: Some(plain),
        })
    }

    fn open_folder(folder: &Path) -> Result<Self, Error> {
        let label = folder.display().to_string();
        let root = fs::canonicalize(folder).map_err(|error| Error::BundleMissing {
            bundle: label.clone(),
            reason: format!(
                "{error}; set model to a folder that holds {MANIFEST}, to an ONNX file, or leave it empty for the built-in model"
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
                scales: manifest
                    .scales
                    .as_ref()
                    .map(|scales| graph(&scales.graph))
                    .transpose()?,
            })
        });
        Ok(Self {
            prior: prior.transpose()?,
            backbones,
            plain: None,
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

    /// Returns the folder or the file that the bundle was read from, or the name of the built-in one.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the SHA-256 of the manifest, which holds the hashes of the graphs, or of the ONNX file and what was told of it: it
    /// identifies the model.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the graphs `prior_encoder` and `residuals`, or `None` for a bundle without a prior.
    pub(crate) fn prior_graphs(&self) -> Option<(&[u8], &[u8])> {
        self.prior.as_ref().map(|prior| (&*prior.encoder, &*prior.residuals))
    }

    /// Returns the graph `scales`, or `None` for a network of one scale.
    pub(crate) fn scales_graph(&self) -> Option<&[u8]> {
        self.prior.as_ref()?.scales.as_deref()
    }

    /// Returns the graph `backbone` that a precision runs, or `None` if the bundle has no such variant.
    pub(crate) fn backbone(&self, precision: Precision) -> Option<&[u8]> {
        let plain = self
            .plain
            .as_ref()
            .filter(|_| precision.variant() == Precision::Fp32.nick());
        let of_file = plain.and_then(Plain::backbone);
        of_file.or_else(|| self.backbones.get(precision.variant()).map(Bytes::as_ref))
    }

    /// Returns the size that the graphs are fixed to, or `None` for graphs of any size.
    pub fn fixed_size(&self) -> Option<FrameSize> {
        let square = |side| FrameSize {
            width: side,
            height: side,
        };
        match &self.plain {
            Some(plain) => plain.fixed_size(),
            None => self.manifest.backbone.tile.map(square),
        }
    }

    /// Returns the network of a model of one file; `None` for the bundle of a folder.
    pub(crate) fn plain(&self) -> Option<&Plain> {
        self.plain.as_ref()
    }

    /// Returns the number of pixels that sides are padded to multiples of. That of a model of one file is 1 before it
    /// was tried.
    pub(crate) fn multiple(&self) -> usize {
        let found = self.plain.as_ref().and_then(Plain::conventions);
        found.map_or(self.manifest.backbone.multiple, |found| found.multiple)
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
