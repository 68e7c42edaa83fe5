// SPDX-License-Identifier: MPL-2.0

//! `manifest.toml`: its keys, and the values that are accepted.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    diffusion::Schedule,
    engine::{frame_size::TILE_SIDES, precision::Precision, prior_in_use::MOST_SCALES},
};

/// The only value of the key `format` that this version reads.
const FORMAT: u32 = 1;

/// `manifest.toml`, as read. Unknown keys are an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub name: String,
    pub version: String,
    pub licence: String,
    /// The SHA-256 of each file of the bundle, in hexadecimal.
    pub files: BTreeMap<String, String>,
    /// The schedule of the sampler; `None` without a prior.
    pub schedule: Option<ScheduleSection>,
    /// `None` for a bundle that is a backbone alone.
    pub prior: Option<PriorSection>,
    /// `None` for a network that restores every frame at one scale.
    pub scales: Option<ScalesSection>,
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
    /// T. Must agree with the schedule.
    pub max_steps: usize,
    /// The number of steps that `steps` = 0 stands for.
    pub default_steps: usize,
    /// The share of a frame's prior that stays in the next one's, in 0..1. The default is 0.
    #[serde(default)]
    pub smoothing: f64,
    /// What the prior encoder sees. `frame` is what the backbone sees: a frame or a tile at its own size.
    pub encoder_input: EncoderInput,
    pub encoder: String,
    pub residuals: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderInput {
    Frame,
}

/// The scales between which a network chooses by itself, for each region of a frame.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScalesSection {
    /// By which a frame's sides are divided at each scale, 1 first.
    pub divisors: Vec<usize>,
    /// The file of the graph that tells what was chosen.
    pub graph: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneSection {
    pub name: String,
    /// The graph pads its input to a multiple of this number of pixels.
    pub multiple: usize,
    /// The side in pixels to which height and width of the frames are fixed in the graphs, or `None` for graphs of any
    /// size.
    pub tile: Option<usize>,
    /// Maps each precision that has a graph of its own (fp32, fp16, int8) to its file. fp32 is required.
    pub variants: BTreeMap<String, String>,
    /// Maps a precision (bf16, fp16, int8) to its loss against fp32, in dB of mean PSNR on the validation set.
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

impl Manifest {
    /// Makes up the manifest of a model that is one ONNX file.
    pub(super) fn of_file(path: &Path, hash: &str) -> Self {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name: String = name.chars().filter(|character| !character.is_control()).collect();
        Self {
            format: FORMAT,
            version: hash.get(..8).unwrap_or_default().to_owned(),
            licence: "unknown".into(),
            files: BTreeMap::new(),
            schedule: None,
            prior: None,
            scales: None,
            backbone: BackboneSection {
                name: name.clone(),
                multiple: 1,
                tile: None,
                variants: [(Precision::Fp32.nick().to_owned(), path.display().to_string())].into(),
                losses: BTreeMap::new(),
            },
            training: TrainingSection {
                data: Vec::new(),
                seeds: Vec::new(),
                scores: BTreeMap::new(),
            },
            name,
        }
    }

    /// Reads a manifest, and checks the keys outside its sections.
    ///
    /// # Errors
    /// The reason, which names the key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if manifest.format != FORMAT {
            return Err(format!(
                "format is {}, and this version reads format {FORMAT}; use a bundle exported for it",
                manifest.format
            ));
        }
        if manifest.name.is_empty() || manifest.name.chars().any(char::is_control) {
            return Err("name is empty or holds control characters".into());
        }
        Ok(manifest)
    }

    /// Checks the values of the sections, given the schedule that the manifest holds.
    ///
    /// # Errors
    /// The reason, which names the section and the key.
    pub(super) fn check(&self, schedule: Option<&Schedule>) -> Result<(), String> {
        match (&self.prior, schedule) {
            (Some(prior), Some(schedule)) => prior.check(schedule)?,
            (None, None) => {}
            (Some(_), None) => {
                return Err("[prior] needs [schedule], which is not there; add it, or leave both out".into());
            }
            (None, Some(_)) => {
                return Err("[schedule] needs [prior], which is not there; add it, or leave both out".into());
            }
        }
        if let Some(scales) = &self.scales {
            scales.check(self.prior.is_some())?;
        }
        self.backbone.check()
    }
}

impl ScalesSection {
    fn check(&self, has_prior: bool) -> Result<(), String> {
        if !has_prior {
            return Err("[scales] needs [prior], which is not there; add it, or leave both out".into());
        }
        let divisors = &self.divisors;
        let rises = divisors.first() == Some(&1) && divisors.is_sorted_by(|one, next| one < next);
        if !rises || divisors.len() > MOST_SCALES {
            return Err(format!(
                "[scales] divisors are {divisors:?}; they must rise from 1, and be {MOST_SCALES} at most"
            ));
        }
        Ok(())
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
        self.check_variants()?;
        self.check_losses()?;
        self.check_tile()
    }

    fn check_variants(&self) -> Result<(), String> {
        let variants = [Precision::Fp32, Precision::Fp16, Precision::Int8];
        if let Some(name) = self.variants.keys().find(|name| !names_one_of(&variants, name)) {
            return Err(format!(
                "[backbone.variants] has '{name}', which is not one of fp32, fp16 and int8"
            ));
        }
        if !self.variants.contains_key(Precision::Fp32.nick()) {
            return Err("[backbone.variants] has no fp32".into());
        }
        Ok(())
    }

    fn check_losses(&self) -> Result<(), String> {
        if let Some(name) = self.losses.keys().find(|name| !names_one_of(&Precision::ALL, name)) {
            return Err(format!("[backbone.losses] has '{name}', which is not a precision"));
        }
        if let Some((name, loss)) = self.losses.iter().find(|(_, loss)| !loss.is_finite()) {
            return Err(format!("[backbone.losses] {name} is {loss}; it must be a number of dB"));
        }
        Ok(())
    }

    fn check_tile(&self) -> Result<(), String> {
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

fn names_one_of(precisions: &[Precision], name: &str) -> bool {
    precisions.iter().any(|precision| precision.nick() == name)
}
