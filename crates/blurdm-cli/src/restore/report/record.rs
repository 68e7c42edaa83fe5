// SPDX-License-Identifier: MPL-2.0

//! The record of how an output was made, as a file beside it and as a tag in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::original::Original;
use crate::{
    error::{Error, reason},
    media::{element::ElementSettings, encoder::Encoder},
    restore::{
        plan::{TimeRange, VideoNumber, output_name},
        segments::WorkDir,
    },
};

/// The name of the tag.
pub const TAG: &str = "blurdm";

/// The model that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    pub name: String,
    pub version: String,
    /// SHA-256 of its manifest, which holds those of all its files.
    pub sha256: String,
}

/// Everything that determines the output. Equal identities lead to equal frames on the same machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of this program.
    pub blurdm: String,
    pub original: Original,
    pub model: Model,
    #[serde(rename = "treatment")]
    pub settings: ElementSettings,
    /// Of the main one of the restored videos.
    pub encoder: Encoder,
    #[serde(rename = "wanted")]
    pub range: TimeRange,
    /// The main one of the restored videos. `None` in records from before it could be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoNumber>,
    /// How the pictures were turned before they were restored, as a value of GStreamer's tag `image-orientation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned: Option<String>,
    /// Whether figures and stills for a report are recorded.
    pub report: bool,
}

/// A video that is restored. What is recorded of it determines its frames, as [`Identity`] does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoIdentity {
    #[serde(flatten)]
    pub video: VideoNumber,
    pub encoder: Encoder,
    /// As [`Identity::turned`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned: Option<String>,
}

/// What identifies unfinished work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkIdentity {
    #[serde(flatten)]
    pub file: Identity,
    pub videos: Vec<VideoIdentity>,
}

/// A video that was restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoRecord {
    #[serde(flatten)]
    pub identity: VideoIdentity,
    /// 0 where none could be decoded: it was kept as it is then.
    pub frames: usize,
    /// Number of frames that passed unchanged because they are sharp.
    pub passed: usize,
}

/// The record beside an output. Its format must not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Always `true`: the pictures are enhanced by a model and are not the recording itself.
    pub enhanced: bool,
    #[serde(flatten)]
    pub identity: Identity,
    pub original_sha256: String,
    /// Provider and precision of the element.
    pub provider: String,
    /// The restored videos, in the order of the file. Empty in records from before there could be several.
    #[serde(default)]
    pub videos: Vec<VideoRecord>,
    /// Frames of all of them.
    pub frames: usize,
    /// Number of frames that passed unchanged because they are sharp.
    pub passed: usize,
    /// What could not be decoded.
    pub gaps: Vec<String>,
    /// What of the original could not be kept.
    pub lost: Vec<String>,
    /// When the output was finished, in RFC 3339.
    pub finished: String,
}

impl Record {
    /// Reads the record of an output, if there is one.
    pub fn read(output: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(output_name::record(output)).ok()?).ok()
    }

    /// Whether it is the record of this work.
    pub fn is_of(&self, work: &WorkIdentity) -> bool {
        let videos = self.videos.iter().map(|video| &video.identity);
        self.identity == work.file && (videos.eq(&work.videos) || (self.videos.is_empty() && work.videos.len() == 1))
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
    pub fn rows(&self) -> Vec<(String, String)> {
        let identity = &self.identity;
        let settings = &identity.settings;
        let rows = [
            (
                "Original",
                format!("{}, {} bytes", identity.original.name, identity.original.bytes),
            ),
            ("SHA-256 of the original", self.original_sha256.clone()),
            ("Made by", format!("blurdm {}, {}", identity.blurdm, self.finished)),
            ("Model", format!("{} {}", identity.model.name, identity.model.version)),
            ("SHA-256 of the model", identity.model.sha256.clone()),
            ("Ran on", self.provider.clone()),
            ("Strength", settings.strength.to_string()),
            (
                "Sampler steps",
                if settings.steps == 0 {
                    "the model's own".into()
                } else {
                    settings.steps.to_string()
                },
            ),
        ];
        let mut rows: Vec<_> = rows.map(|(name, value)| (name.to_owned(), value)).into();
        for video in &self.videos {
            let of = match self.videos.len() {
                1 => String::new(),
                _ => format!(" of video {}", video.identity.video.number),
            };
            let encoder = &video.identity.encoder;
            rows.push((
                format!("Frames{of}"),
                format!("{}, of which {} were let pass", video.frames, video.passed),
            ));
            rows.push((
                format!("Encoding{of}"),
                format!("{} by {}, quality {}", encoder.codec, encoder.factory, encoder.quality),
            ));
        }
        rows
    }

    /// Returns the text of the tag.
    pub fn tag(identity: &Identity) -> String {
        format!(
            "enhanced by blurdm {}, model {} {} ({}), strength {}",
            identity.blurdm,
            identity.model.name,
            identity.model.version,
            identity.model.sha256,
            identity.settings.strength
        )
    }
}

/// Returns the current time in RFC 3339.
pub fn now() -> String {
    let now = gst::glib::DateTime::now_utc().and_then(|now| now.format("%Y-%m-%dT%H:%M:%SZ"));
    now.map(Into::into).unwrap_or_default()
}
