// SPDX-License-Identifier: MPL-2.0

//! Finding and loading ONNX Runtime, and the one environment that a process may have.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use once_cell::sync::OnceCell;
use ort::{environment::Environment, logging::LogLevel};

use super::{
    log,
    search::{self, Search},
};
use crate::engine::error::Error;

/// The loaded library. There is one per process: the first that loads stays, since neither ONNX Runtime nor `ort` can
/// exchange it.
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
    minor: u32,
}

impl Runtime {
    /// The environment of the process. `ort` allows only one, so whoever else needs sessions makes them on this.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The file it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As in `1.minor`.
    pub(super) fn minor(&self) -> u32 {
        self.minor
    }

    /// As in "1.24".
    pub fn version(&self) -> String {
        format!("1.{}", self.minor)
    }
}

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The process's runtime, loaded at the first call. A failed call leaves no trace: the next one searches again.
///
/// # Errors
/// [`Error::RuntimeMissing`] with every place looked at, [`Error::RuntimeUnusable`] for a named library that is absent,
/// too old or no ONNX Runtime.
pub fn runtime(search: &Search) -> Result<&'static Runtime, Error> {
    RUNTIME.get_or_try_init(|| {
        let (path, minor) = search::find(search)?;
        load(path, minor)
    })
}

fn load(path: PathBuf, minor: u32) -> Result<Runtime, Error> {
    // The library is loaded before anything else of `ort` is touched: without it even its errors cannot be made.
    let builder = ort::init_from(&path).map_err(|error| Error::RuntimeUnusable {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let environment = builder
        .with_name("blurdm")
        .with_telemetry(false)
        .with_logger(Arc::new(log::forward))
        .build()
        .map_err(|error| Error::RuntimeUnusable {
            path: path.clone(),
            reason: error.to_string(),
        })?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Runtime {
        environment,
        path,
        minor,
    })
}
