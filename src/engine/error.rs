// SPDX-License-Identifier: MPL-2.0

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use super::{precision::Precision, provider::Provider};
use crate::diffusion::ScheduleError;

/// Why a bundle cannot be loaded or a frame not be restored. Every message names the object, the reason and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "no usable ONNX Runtime (1.{min} or later) was found; run `make install`, `pip install onnxruntime`, \
         or set library-path or ORT_DYLIB_PATH to libonnxruntime.so (searched: {}{})",
        list(.folders),
        refused_text(.refused),
        min = .minimum_minor
    )]
    RuntimeMissing {
        /// The oldest version that can be used, as in `1.minor`.
        minimum_minor: u32,
        folders: Vec<PathBuf>,
        /// The libraries that were found, with the reasons why they cannot be used.
        refused: Vec<String>,
    },
    #[error("ONNX Runtime at '{path}' cannot be used: {reason}")]
    RuntimeUnusable { path: PathBuf, reason: String },
    #[error("model bundle '{bundle}': {reason}")]
    BundleMissing { bundle: String, reason: String },
    #[error("model bundle '{bundle}', {file}: {reason}")]
    BundleInvalid {
        bundle: String,
        file: String,
        reason: String,
    },
    #[error("model bundle '{bundle}', manifest.toml: {source}")]
    Schedule { bundle: String, source: ScheduleError },
    /// What is told of the conventions of an ONNX file. `format` is the file, or what was told.
    #[error("the format of the model, '{format}': {reason}")]
    ModelFormat { format: String, reason: String },
    #[error("execution provider '{provider}' cannot be used: {reason}")]
    Provider { provider: Provider, reason: String },
    #[error("precision {precision} cannot be used: {reason}")]
    Precision { precision: Precision, reason: String },
    #[error(
        "{width}x{height} pixels at once do not fit in memory on {provider}: {reason}; \
         {figures}close what else uses it, or choose a smaller model or another execution-provider"
    )]
    Memory {
        width: usize,
        height: usize,
        provider: Provider,
        reason: String,
        /// What the device has, as a clause that ends with "; ", or empty.
        figures: String,
    },
    #[error("frames of {width}x{height} cannot be restored: {reason}")]
    Size {
        width: usize,
        height: usize,
        reason: String,
    },
    #[error("tiles of {side}x{side} pixels that overlap by {overlap} cannot be used: {reason}")]
    Tile {
        side: usize,
        overlap: usize,
        reason: String,
    },
    #[error("the model's {graph} graph failed: {reason}")]
    Inference { graph: &'static str, reason: String },
    #[error(
        "the model was not loaded within {} s; set load-timeout to more, or use a smaller model",
        .limit.as_secs_f64()
    )]
    LoadTimeout { limit: Duration },
    #[error("no thread can be made to load the model in: {reason}; end other programs, or allow more threads")]
    Thread { reason: String },
    #[error("the frame was discarded, because the run was cancelled; resume to go on")]
    Cancelled,
    #[error("the model does not compute a picture: {reason}; the bundle is damaged or was exported wrongly")]
    NotAPicture { reason: String },
    #[error(
        "{steps} sampler steps were asked for, and this model has {max}; \
         set steps between 1 and {max}, or 0 for the model's own choice"
    )]
    Steps { steps: usize, max: usize },
}

impl Error {
    /// Returns the reason if memory ran out. ONNX Runtime has no error code for it: the messages are those of its
    /// arena, of the CUDA runtime and libraries, and of C++.
    pub(super) fn out_of_memory(&self) -> Option<&str> {
        const MESSAGES: [&str; 6] = [
            "failed to allocate memory",
            "out of memory",
            "outofmemory",
            "alloc_failed",
            "bad_alloc",
            "cannot allocate memory",
        ];
        let (Error::Provider { reason, .. } | Error::Inference { reason, .. } | Error::BundleInvalid { reason, .. }) =
            self
        else {
            return None;
        };
        let message = reason.to_lowercase();
        MESSAGES.iter().any(|part| message.contains(part)).then_some(reason)
    }
}

fn list(folders: &[PathBuf]) -> String {
    folders
        .iter()
        .map(|f| f.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn refused_text(refused: &[String]) -> String {
    if refused.is_empty() {
        String::new()
    } else {
        format!("; found and refused: {}", refused.join("; "))
    }
}
