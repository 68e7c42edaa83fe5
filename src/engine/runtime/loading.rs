// SPDX-License-Identifier: MPL-2.0

//! Loads ONNX Runtime, and holds the one environment that a process may have.

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

/// The loaded library. There is one per process: neither ONNX Runtime nor `ort` can exchange the library that was
/// loaded first.
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
    minor: u32,
}

impl Runtime {
    /// Returns the environment of the process. `ort` allows only one, so any other code that needs sessions creates
    /// them with it.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns the file that the library was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns `minor` of the version `1.minor`.
    pub(super) fn minor(&self) -> u32 {
        self.minor
    }

    /// Returns the version, such as "1.24".
    pub fn version(&self) -> String {
        format!("1.{}", self.minor)
    }
}

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// Returns the process's runtime, which the first call loads. After a call that failed, the next one searches again.
///
/// # Errors
/// [`Error::RuntimeMissing`] with every folder that was searched, [`Error::RuntimeUnusable`] for a named library that
/// is absent, too old or not an ONNX Runtime.
pub fn runtime(search: &Search) -> Result<&'static Runtime, Error> {
    RUNTIME.get_or_try_init(|| {
        let (path, minor) = search::find(search)?;
        load(path, minor)
    })
}

fn load(path: PathBuf, minor: u32) -> Result<Runtime, Error> {
    let unusable = |error: &dyn std::error::Error| Error::RuntimeUnusable {
        path: path.clone(),
        reason: error.to_string(),
    };
    // The library must be loaded before anything else of `ort` is used, even its error type: without a library `ort`
    // panics.
    let environment = ort::init_from(&path)
        .map_err(|error| unusable(&error))?
        .with_name("blurdm")
        .with_telemetry(false)
        .with_logger(Arc::new(log::forward))
        .build()
        .map_err(|error| unusable(&error))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Runtime {
        environment,
        path,
        minor,
    })
}
