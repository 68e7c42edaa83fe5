// SPDX-License-Identifier: MPL-2.0

//! Where ONNX Runtime's library is searched for, and which file is taken.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::engine::error::Error;

/// The oldest ONNX Runtime whose C API this crate can use: `1.MINIMUM_MINOR`.
pub const MINIMUM_MINOR: u32 = 17;

/// Where to search for the library, and where to store what providers build.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The library itself, or a folder that holds it; nothing else is tried. The environment variable `ORT_DYLIB_PATH`
    /// means the same, and is used where this is `None`.
    pub library: Option<PathBuf>,
    /// Folders to search first, such as the plugin's.
    pub beside: Vec<PathBuf>,
    /// The folder in which providers store the engines that they build (see
    /// [`default_cache`](crate::engine::default_cache)). With `None` they build them at every start.
    pub cache: Option<PathBuf>,
}

/// Returns the library's file and its minor version.
pub(super) fn find(search: &Search) -> Result<(PathBuf, u32), Error> {
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
    Err(Error::RuntimeMissing {
        minimum_minor: MINIMUM_MINOR,
        folders,
        refused,
    })
}

/// Returns the library at `path`, or in the folder there, with its minor version, if it can be used.
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

/// Returns `libonnxruntime.so` of a folder, or its versioned forms, newest first: Debian and PyPI install only those.
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

/// Returns the folders to search, in their order.
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

/// Returns `onnxruntime/capi` of the active virtual environment, of this user's packages, of every Python on the PATH,
/// and of the system's.
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
