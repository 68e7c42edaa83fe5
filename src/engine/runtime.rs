// SPDX-License-Identifier: MPL-2.0

//! Finding and loading ONNX Runtime, and the one environment that a process may have.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use once_cell::sync::OnceCell;
use ort::{environment::Environment, logging::LogLevel};

use super::{Error, log};

/// The oldest ONNX Runtime whose C interface this crate speaks: `1.MINIMUM_MINOR`.
pub const MINIMUM_MINOR: u32 = 17;

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

/// Where to look for the library, and where to keep what is built with it.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The library itself, or a folder that holds it: nothing else is tried. `ORT_DYLIB_PATH` means the same and yields
    /// to this.
    pub library: Option<PathBuf>,
    /// Folders to look into first, such as the one that the plugin lies in.
    pub beside: Vec<PathBuf>,
    /// Where providers that build engines keep them (see [`super::default_cache`]); without one they build them at every start.
    pub cache: Option<PathBuf>,
}

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The process's runtime, loaded at the first call. A failed call leaves no trace: the next one searches again.
///
/// # Errors
/// [`Error::RuntimeMissing`] with every place looked at, [`Error::RuntimeUnusable`] for a named library that is absent,
/// too old or no ONNX Runtime.
pub fn runtime(search: &Search) -> Result<&'static Runtime, Error> {
    RUNTIME.get_or_try_init(|| {
        let (path, minor) = find(search)?;
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

fn find(search: &Search) -> Result<(PathBuf, u32), Error> {
    let named = search.library.clone().or_else(|| {
        env::var_os("ORT_DYLIB_PATH")
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    });
    if let Some(path) = named {
        return usable(&path);
    }
    let folders = folders(search);
    let mut refused = Vec::new();
    for library in folders.iter().flat_map(|folder| libraries_in(folder)) {
        match usable(&library) {
            Ok(found) => return Ok(found),
            Err(error) => refused.push(error.to_string()),
        }
    }
    Err(Error::RuntimeMissing { folders, refused })
}

/// The file and its minor version, if it is an ONNX Runtime that this crate can use.
fn usable(path: &Path) -> Result<(PathBuf, u32), Error> {
    let unusable = |reason: String| Error::RuntimeUnusable {
        path: path.to_owned(),
        reason,
    };
    let file = if path.is_dir() {
        libraries_in(path)
            .into_iter()
            .next()
            .ok_or_else(|| unusable("the folder holds no libonnxruntime.so".into()))?
    } else {
        path.to_owned()
    };
    let file = fs::canonicalize(&file).map_err(|error| unusable(error.to_string()))?;
    match ort::util::probe(&file) {
        None => Err(unusable(
            "it is not an ONNX Runtime library that loads on this machine".into(),
        )),
        Some(minor) if minor < MINIMUM_MINOR => Err(unusable(format!(
            "it is ONNX Runtime 1.{minor}, and 1.{MINIMUM_MINOR} or later is needed"
        ))),
        Some(minor) => Ok((file, minor)),
    }
}

/// `libonnxruntime.so` in a folder, or its numbered forms, newest first: Debian and PyPI install only those.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<(Vec<u32>, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix("libonnxruntime.so")?;
            let numbers = version
                .split('.')
                .skip(1)
                .map(|n| n.parse().ok())
                .collect::<Option<Vec<u32>>>()?;
            (version.is_empty() || version.starts_with('.')).then(|| (numbers, entry.path()))
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    found.into_iter().map(|(_, path)| path).collect()
}

fn folders(search: &Search) -> Vec<PathBuf> {
    let mut folders = search.beside.clone();
    folders.extend(data_home().map(|data| data.join("blurdm/runtime")));
    folders.extend(python_folders());
    if let Some(paths) = env::var_os("LD_LIBRARY_PATH") {
        folders.extend(env::split_paths(&paths).filter(|p| p.is_absolute()));
    }
    let multiarch = format!("{}-linux-gnu", env::consts::ARCH);
    for root in ["/usr/local/lib", "/usr/lib"] {
        folders.push(Path::new(root).join(&multiarch));
        folders.push(root.into());
    }
    folders
}

fn data_home() -> Option<PathBuf> {
    env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| {
            env::home_dir()
                .filter(|h| h.is_absolute())
                .map(|home| home.join(".local/share"))
        })
}

/// `onnxruntime/capi` of the active virtual environment, this user's packages, every Python on the PATH, and the system's.
fn python_folders() -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> = env::var_os("VIRTUAL_ENV").map(PathBuf::from).into_iter().collect();
    prefixes.extend(env::home_dir().map(|home| home.join(".local")));
    if let Some(paths) = env::var_os("PATH") {
        let pythons = env::split_paths(&paths)
            .map(|bin| bin.join("python3"))
            .filter(|p| p.exists());
        prefixes.extend(pythons.filter_map(|p| Some(p.parent()?.parent()?.to_owned())));
    }
    prefixes.extend(["/usr/local".into(), "/usr".into()]);
    let mut folders = Vec::new();
    for lib in prefixes.iter().map(|prefix| prefix.join("lib")) {
        let Ok(entries) = fs::read_dir(&lib) else { continue };
        let mut pythons: Vec<PathBuf> = entries
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("python3"))
            .map(|e| e.path())
            .collect();
        pythons.sort();
        for python in pythons {
            for packages in ["site-packages", "dist-packages"] {
                let folder = python.join(packages).join("onnxruntime/capi");
                if folder.is_dir() && !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
        }
    }
    folders
}
