// SPDX-License-Identifier: MPL-2.0

//! What is recorded about the pictures of a clip. The record beside them and the journal of unfinished work hold it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::sources::{Content, Source};
use crate::{
    error::{Error, reason},
    media::element::ElementSettings,
    restore::{
        digest::sha256,
        plan::output_name,
        report::{self, Model},
        segments::WorkDir,
    },
};

/// How many damaged pictures are named.
const NAMED: usize = 5;

/// Everything but the pictures that determines the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of this program.
    pub blurdm: String,
    pub model: Model,
    #[serde(rename = "treatment")]
    pub settings: ElementSettings,
    /// Whether figures and stills for a report are recorded.
    pub report: bool,
}

/// What is recorded about a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub original: Content,
    /// `None` where the original cannot be decoded.
    pub output: Option<Content>,
    /// Time in the element.
    pub milliseconds: f32,
    /// `false` for a picture that passed unchanged because it is sharp.
    pub restored: bool,
    /// Why it cannot be decoded, or what the decoder has concealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// What of the original is not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Width of its edges in pixels before and after, if a report is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_widths: Option<(f32, f32)>,
}

impl Entry {
    /// Whether the original is still the same, and the output is what was written.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn is_current(&self, original: &Path, output: &Path) -> Result<bool, Error> {
        Ok(self.is_output(output)? && holds(&self.original, original)?)
    }

    /// Whether a file is the output that was written.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn is_output(&self, path: &Path) -> Result<bool, Error> {
        let Some(output) = &self.output else { return Ok(true) };
        let is_plain = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
        Ok(is_plain && holds(output, path)?)
    }

    /// Records a picture that cannot be restored.
    pub fn unreadable(name: String, source: Option<&Source>, damage: String) -> Self {
        Self {
            name,
            original: source.map(Source::content).unwrap_or_default(),
            output: None,
            milliseconds: 0.0,
            restored: false,
            damage: Some(damage),
            lost: Vec::new(),
            edge_widths: None,
        }
    }
}

/// Whether a file has this content. One that cannot be read has not.
fn holds(content: &Content, path: &Path) -> Result<bool, Error> {
    if fs::metadata(path).map(|found| found.len()).ok() != Some(content.bytes) {
        return Ok(false);
    }
    match sha256(path) {
        Ok(sha256) => Ok(sha256 == content.sha256),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(_) => Ok(false),
    }
}

/// The record beside the pictures. Its format must not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Always `true`: the pictures are enhanced by a model and are not the recording itself.
    pub enhanced: bool,
    #[serde(flatten)]
    pub identity: Identity,
    /// Provider and precision of the element.
    pub provider: String,
    /// Number of pictures that were written.
    pub frames: usize,
    /// Number of pictures that passed unchanged because they are sharp.
    pub passed: usize,
    /// The numbers that have no picture, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// What could not be decoded.
    pub gaps: Vec<String>,
    /// What of the originals could not be kept.
    pub lost: Vec<String>,
    pub pictures: Vec<Entry>,
    /// When the output was finished, in RFC 3339.
    pub finished: String,
}

impl Record {
    /// Returns the record of all pictures.
    pub fn of(
        identity: Identity,
        provider: String,
        missing: Option<String>,
        gaps: Vec<String>,
        entries: Vec<Option<Entry>>,
    ) -> Self {
        let pictures: Vec<Entry> = entries.into_iter().flatten().collect();
        let written = || pictures.iter().filter(|entry| entry.output.is_some());
        let mut lost: Vec<String> = pictures.iter().flat_map(|entry| &entry.lost).cloned().collect();
        lost.sort();
        lost.dedup();
        Self {
            enhanced: true,
            identity,
            provider,
            frames: written().count(),
            passed: written().filter(|entry| !entry.restored).count(),
            missing,
            gaps,
            lost,
            pictures,
            finished: report::now(),
        }
    }

    /// Reads the record of an output, if there is one.
    pub fn read(output: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(output_name::record(output)).ok()?).ok()
    }

    /// Writes the record in `work`. Returns the file.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn make(&self, output: &Path, work: &WorkDir) -> Result<PathBuf, Error> {
        let (path, part) = (output_name::record(output), work.partial("record"));
        let written = serde_json::to_string_pretty(self)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&part, text + "\n"));
        written.map_err(|error| Error::unwritable(&path, reason(&error)))?;
        Ok(part)
    }

    /// Returns names and values for people to read.
    pub fn rows(&self, name: &str) -> Vec<(String, String)> {
        let identity = &self.identity;
        let rows = [
            ("Original", format!("{name}, {} pictures", self.pictures.len())),
            ("Made by", format!("blurdm {}, {}", identity.blurdm, self.finished)),
            ("Model", format!("{} {}", identity.model.name, identity.model.version)),
            ("SHA-256 of the model", identity.model.sha256.clone()),
            ("Ran on", self.provider.clone()),
            ("Strength", identity.settings.strength.to_string()),
            (
                "Frames",
                format!("{}, of which {} were let pass", self.frames, self.passed),
            ),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// Returns sentences about the pictures that are damaged.
pub fn gaps(pictures: &[&Entry]) -> Vec<String> {
    let damaged: Vec<(&Entry, &String)> = pictures
        .iter()
        .filter_map(|&entry| entry.damage.as_ref().map(|damage| (entry, damage)))
        .collect();
    let sentence = |(entry, damage): &(&Entry, &String)| match entry.output {
        Some(_) => format!("{} is damaged: {damage}", entry.name),
        None => format!("{} is not restored: {damage}", entry.name),
    };
    let mut gaps: Vec<String> = damaged.iter().take(NAMED).map(sentence).collect();
    if damaged.len() > NAMED {
        gaps.push(format!(
            "so are {} more pictures, which the record names",
            damaged.len() - NAMED
        ));
    }
    gaps
}
