// SPDX-License-Identifier: MPL-2.0

//! A model bundle: a folder (or the one compiled in) with `manifest.toml` and the graphs it vouches for by hash.

pub(crate) mod builtin;
mod contract;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    diffusion::Schedule,
    engine::{error::Error, frame_size::TILE_SIDES, precision::Precision},
};

pub(super) use contract::Contract;

const MANIFEST: &str = "manifest.toml";
const FORMAT: u32 = 1;

/// `manifest.toml`, as read. Unknown keys are an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub name: String,
    pub version: String,
    pub licence: String,
    /// SHA-256 of each file of the bundle, in hexadecimal.
    pub files: BTreeMap<String, String>,
    pub schedule: ScheduleSection,
    pub prior: PriorSection,
    pub backbone: BackboneSection,
    pub training: TrainingSection,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    pub alphas: Vec<f64>,
    pub beta_bars: Vec<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorSection {
    /// D, the length of the latent vectors.
    pub dim: usize,
    /// T; must agree with the schedule.
    pub max_steps: usize,
    /// What `steps` = 0 means.
    pub default_steps: usize,
    /// The share of a frame's prior that stays in the next one's, 0 (where the manifest has no such key) up to but not including 1.
    #[serde(default)]
    pub smoothing: f64,
    /// What the prior encoder sees: `frame` is what the backbone sees, a frame or a tile at its own size.
    pub encoder_input: EncoderInput,
    pub encoder: String,
    pub residuals: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderInput {
    Frame,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneSection {
    pub name: String,
    /// The graph pads its input to a multiple of this, inside.
    pub multiple: usize,
    /// The side in pixels to which height and width of the frames are fixed in the graphs; none for graphs of any size.
    pub tile: Option<usize>,
    /// Precision (fp32, and fp16 or int8 if there are such) to file.
    pub variants: BTreeMap<String, String>,
    /// Precision (bf16, fp16, int8) to what it loses against fp32, in dB of mean PSNR on the validation set.
    #[serde(default)]
    pub losses: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSection {
    pub data: Vec<String>,
    pub seeds: Vec<u64>,
    pub scores: BTreeMap<String, f64>,
}

/// A checked bundle: the manifest is sound and every graph has the hash that it names.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    schedule: Schedule,
    label: String,
    hash: String,
    pub(crate) encoder: Vec<u8>,
    pub(crate) residuals: Vec<u8>,
    /// By variant.
    backbones: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// The bundle compiled into the library, blurdm-nano.
    ///
    /// # Errors
    /// As [`Bundle::open`]: the same checks run on it.
    pub fn builtin() -> Result<Self, Error> {
        Self::read(builtin::NAME, |name| {
            builtin::file(name)
                .map(<[u8]>::to_vec)
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        })
    }

    /// Reads the bundle in `folder`.
    ///
    /// # Errors
    /// [`Error::BundleMissing`] when there is no such folder or manifest, [`Error::BundleInvalid`] for an unknown key, a wrong
    /// hash, a missing file or a path that leaves the folder, [`Error::Schedule`] for a schedule that cannot be sampled.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let label = folder.display().to_string();
        let root = fs::canonicalize(folder).map_err(|error| Error::BundleMissing {
            bundle: label.clone(),
            reason: format!(
                "{error}; set model to a folder that holds {MANIFEST}, or leave it empty for the built-in model"
            ),
        })?;
        Self::read(&label, |name| {
            let path = fs::canonicalize(inside(&root, name)?)?;
            if !path.starts_with(&root) {
                return Err(leaves_folder(name));
            }
            fs::read(path)
        })
    }

    /// Reads a bundle whose files `file` returns by name. Errors name it by `label`.
    pub(crate) fn read(label: &str, file: impl Fn(&str) -> io::Result<Vec<u8>>) -> Result<Self, Error> {
        let invalid = |file: &str, reason: String| Error::BundleInvalid {
            bundle: label.to_owned(),
            file: file.to_owned(),
            reason,
        };
        let text = file(MANIFEST).map_err(|error| Error::BundleMissing {
            bundle: label.to_owned(),
            reason: format!("{MANIFEST} cannot be read: {error}"),
        })?;
        let text = String::from_utf8(text).map_err(|error| invalid(MANIFEST, error.to_string()))?;
        let manifest: Manifest =
            toml::from_str(&text).map_err(|error| invalid(MANIFEST, error.to_string().trim_end().to_owned()))?;
        if manifest.format != FORMAT {
            let reason = format!(
                "format is {}, and this version reads format {FORMAT}; use a bundle exported for it",
                manifest.format
            );
            return Err(invalid(MANIFEST, reason));
        }
        if manifest.name.is_empty() || manifest.name.chars().any(char::is_control) {
            return Err(invalid(MANIFEST, "name is empty or holds control characters".into()));
        }
        let schedule =
            Schedule::new(manifest.schedule.alphas.clone(), manifest.schedule.beta_bars.clone()).map_err(|source| {
                Error::Schedule {
                    bundle: label.to_owned(),
                    source,
                }
            })?;
        let sections = manifest.prior.check(&schedule).and_then(|()| manifest.backbone.check());
        sections.map_err(|reason| invalid(MANIFEST, reason))?;
        let graph = |name: &str| -> Result<Vec<u8>, Error> {
            let expected = manifest.files.get(name).ok_or_else(|| {
                invalid(
                    MANIFEST,
                    format!("[files] has no sha256 for '{name}', which the manifest uses"),
                )
            })?;
            let bytes = file(name).map_err(|error| invalid(name, error.to_string()))?;
            let actual = hex(&Sha256::digest(&bytes));
            if !actual.eq_ignore_ascii_case(expected) {
                let reason =
                    format!("its sha256 is {actual}, and the manifest says {expected}; fetch the bundle again");
                return Err(invalid(name, reason));
            }
            Ok(bytes)
        };
        let backbones = manifest.backbone.variants.iter();
        let backbones = backbones
            .map(|(variant, name)| Ok((variant.clone(), graph(name)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            encoder: graph(&manifest.prior.encoder)?,
            residuals: graph(&manifest.prior.residuals)?,
            backbones,
            schedule,
            label: label.to_owned(),
            hash: hex(&Sha256::digest(text.as_bytes())),
            manifest,
        })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The folder it came from, or the name of the built-in one.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The backbone that a precision runs; none if the bundle has no such variant.
    pub(crate) fn backbone(&self, precision: Precision) -> Option<&[u8]> {
        self.backbones.get(precision.variant()).map(Vec::as_slice)
    }

    /// SHA-256 of the manifest, which holds the hashes of the graphs: identifies the model.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl PriorSection {
    fn check(&self, schedule: &Schedule) -> Result<(), String> {
        if self.max_steps != schedule.steps() {
            return Err(format!(
                "[prior] max_steps is {}, and the schedule has {} steps",
                self.max_steps,
                schedule.steps()
            ));
        }
        if !(1..=self.max_steps).contains(&self.default_steps) {
            return Err(format!(
                "[prior] default_steps is {}; it must be between 1 and {}",
                self.default_steps, self.max_steps
            ));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(format!(
                "[prior] smoothing is {}; it must be 0 or more and less than 1",
                self.smoothing
            ));
        }
        if self.dim == 0 {
            return Err("[prior] dim is 0".into());
        }
        Ok(())
    }
}

impl BackboneSection {
    fn check(&self) -> Result<(), String> {
        let known = |names: &[Precision], name: &String| names.iter().any(|precision| precision.nick() == name);
        let variants = [Precision::Fp32, Precision::Fp16, Precision::Int8];
        if let Some(name) = self.variants.keys().find(|name| !known(&variants, name)) {
            return Err(format!(
                "[backbone.variants] has '{name}', which is not one of fp32, fp16 and int8"
            ));
        }
        if !self.variants.contains_key(Precision::Fp32.nick()) {
            return Err("[backbone.variants] has no fp32".into());
        }
        if let Some(name) = self.losses.keys().find(|name| !known(&Precision::ALL, name)) {
            return Err(format!("[backbone.losses] has '{name}', which is no precision"));
        }
        if let Some((name, loss)) = self.losses.iter().find(|(_, loss)| !loss.is_finite()) {
            return Err(format!("[backbone.losses] {name} is {loss}; it must be a number of dB"));
        }
        let multiple = self.multiple;
        if multiple == 0 {
            return Err("[backbone] multiple is 0; it must be 1 or more".into());
        }
        let Some(tile) = self.tile else { return Ok(()) };
        if !TILE_SIDES.contains(&tile) {
            let (least, most) = TILE_SIDES.into_inner();
            return Err(format!(
                "[backbone] tile is {tile}; it must be between {least} and {most}"
            ));
        }
        if !tile.is_multiple_of(multiple) {
            return Err(format!(
                "[backbone] tile is {tile}; it must be a multiple of {multiple}, the section's multiple"
            ));
        }
        Ok(())
    }
}

fn inside(root: &Path, name: &str) -> io::Result<PathBuf> {
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
