// SPDX-License-Identifier: MPL-2.0

//! What was done to a file, for whoever has to rely on it: a record beside the output, and a tag in it.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, encoder::Encoder, error::reason, interrupt, plan::Wanted, treatment::Treatment};

/// The name of the tag.
pub const TAG: &str = "blurdm";

/// The file that was given, so that it is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    pub name: String,
    pub bytes: u64,
    /// Last change, in ns since 1970.
    pub changed: u64,
}

impl Original {
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn of(path: &Path) -> Result<Self, Error> {
        let about = fs::metadata(path).map_err(|error| Error::unreadable(path, reason(&error)))?;
        let changed = about
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            name: path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            bytes: about.len(),
            changed: changed
                .and_then(|since| u64::try_from(since.as_nanos()).ok())
                .unwrap_or(0),
        })
    }
}

/// The model that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    pub name: String,
    pub version: String,
    /// SHA-256 of its manifest, which has those of all its files.
    pub sha256: String,
}

/// All that decides what the output looks like. Equal identities give equal frames on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of this program.
    pub blurdm: String,
    pub original: Original,
    pub model: Model,
    pub treatment: Treatment,
    pub encoder: Encoder,
    pub wanted: Wanted,
    /// Stills and figures for a report are part of the work.
    pub report: bool,
}

/// The record beside the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// What an enhanced picture must be called, for it shows what a model made of the recording.
    pub enhanced: bool,
    #[serde(flatten)]
    pub identity: Identity,
    pub original_sha256: String,
    /// What ran, as the element's property `active-provider` has it.
    pub provider: String,
    pub frames: usize,
    /// Frames that were let pass, since they were sharp.
    pub passed: usize,
    /// What could not be decoded.
    pub gaps: Vec<String>,
    /// What of the original the output lacks.
    pub lost: Vec<String>,
    /// When it was finished, by RFC 3339.
    pub finished: String,
}

impl Provenance {
    /// Where it lies for `output`.
    pub fn beside(output: &Path) -> PathBuf {
        output.with_added_extension("json")
    }

    /// What was done to make `output`, where somebody has recorded it.
    pub fn read(output: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::beside(output)).ok()?).ok()
    }

    /// # Errors
    /// [`Error::Unwritable`].
    pub fn write(&self, output: &Path) -> Result<(), Error> {
        let path = Self::beside(output);
        let part = path.with_added_extension("part");
        let written = serde_json::to_string_pretty(self)
            .map_err(io::Error::from)
            .and_then(|text| {
                let mut file = File::create(&part)?;
                file.write_all(text.as_bytes())?;
                file.write_all(b"\n")?;
                fs::rename(&part, &path)
            });
        written.map_err(|error| Error::unwritable(&path, reason(&error)))
    }

    /// For people: names and values.
    pub fn in_words(&self) -> Vec<(String, String)> {
        let made = &self.identity;
        let treatment = &made.treatment;
        let rows = [
            (
                "Original",
                format!("{}, {} bytes", made.original.name, made.original.bytes),
            ),
            ("SHA-256 of the original", self.original_sha256.clone()),
            ("Made by", format!("blurdm {}, {}", made.blurdm, self.finished)),
            ("Model", format!("{} {}", made.model.name, made.model.version)),
            ("SHA-256 of the model", made.model.sha256.clone()),
            ("Ran on", self.provider.clone()),
            ("Strength", treatment.strength.to_string()),
            (
                "Sampler steps",
                if treatment.steps == 0 {
                    "the model's own".into()
                } else {
                    treatment.steps.to_string()
                },
            ),
            (
                "Frames",
                format!("{}, of which {} were let pass", self.frames, self.passed),
            ),
            (
                "Encoded in",
                format!(
                    "{} by {}, quality {}",
                    made.encoder.codec, made.encoder.factory, made.encoder.quality
                ),
            ),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// What goes into the output itself: one line.
    pub fn tag(identity: &Identity) -> String {
        format!(
            "enhanced by blurdm {}, model {} {} ({}), strength {}",
            identity.blurdm,
            identity.model.name,
            identity.model.version,
            identity.model.sha256,
            identity.treatment.strength
        )
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// [`Error::Unreadable`].
pub fn sha256(path: &Path) -> Result<String, Error> {
    let unreadable = |error: io::Error| Error::unreadable(path, reason(&error));
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut digest, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        interrupt::check()?;
        match file.read(&mut block).map_err(unreadable)? {
            0 => break,
            read => digest.update(&block[..read]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The time now, by RFC 3339.
pub fn now() -> String {
    let now = gst::glib::DateTime::now_utc().and_then(|now| now.format("%Y-%m-%dT%H:%M:%SZ"));
    now.map(Into::into).unwrap_or_default()
}
