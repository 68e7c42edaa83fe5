// SPDX-License-Identifier: MPL-2.0

//! The shared libraries that a provider needs, and which of them cannot be loaded here.
//!
//! ONNX Runtime reports a provider that it cannot load, but not always why. It does not report a missing cuDNN:
//! convolutions then take a slow path.

use std::{
    error::Error,
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
};

use object::{
    Endianness,
    elf::{DT_NEEDED, FileHeader64},
    read::{
        ReadCache,
        elf::{Dyn, FileHeader},
    },
};

use super::loading::Runtime;
use crate::engine::provider::Provider;

/// NVIDIA's driver, which comes with no package of ours or of ONNX Runtime's.
const DRIVER: &str = "libcuda.so.1";

/// The first `1.x` whose CUDA provider is built with cuDNN 9; older ones use cuDNN 8.
const CUDNN_9_SINCE: u32 = 19;

/// A library that a provider lacks, so that it does not run, or not at full speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingLibrary {
    pub library: String,
    pub reason: String,
}

impl fmt::Display for MissingLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.library, self.reason)
    }
}

/// Returns the libraries that a provider needs with this runtime and that cannot be loaded.
///
/// Those that can be loaded are loaded, so that the provider finds them: Python packages install CUDA's libraries where
/// no linker looks.
pub fn missing_libraries(provider: Provider, runtime: &Runtime) -> Vec<MissingLibrary> {
    let folder = runtime.path().parent().unwrap_or(Path::new("/"));
    if provider == Provider::Cpu {
        return Vec::new();
    }
    let own = folder.join(file_name(provider));
    if !own.is_file() {
        return vec![MissingLibrary {
            library: file_name(provider),
            reason: format!(
                "it does not lie beside '{}', which was built without it; {}",
                runtime.path().display(),
                provider.remedy()
            ),
        }];
    }
    let mut needed = match needed(&own) {
        Ok(needed) => needed,
        Err(reason) => {
            return vec![MissingLibrary {
                library: file_name(provider),
                reason,
            }];
        }
    };
    if provider.on_gpu() {
        needed.retain(|name| name != DRIVER);
        needed.insert(0, DRIVER.into());
        if !needed.iter().any(|name| name.starts_with("libcudnn.")) {
            needed.push(cudnn(runtime));
        }
    }
    let folders = folders(folder);
    needed
        .into_iter()
        .filter_map(|library| {
            let reason = load(&library, &folders).err()?;
            Some(MissingLibrary { library, reason })
        })
        .collect()
}

/// Returns why a provider failed: the libraries that it lacks, or else the message of ONNX Runtime.
pub(crate) fn explain(provider: Provider, runtime: &Runtime, message: &str) -> String {
    join(&missing_libraries(provider, runtime)).unwrap_or_else(|| message.to_owned())
}

/// Returns why a provider is not even tried. That is any missing library of a provider for NVIDIA's GPUs: ONNX Runtime
/// would run it slowly without a word.
pub(crate) fn refusal(provider: Provider, runtime: &Runtime) -> Option<String> {
    if !provider.on_gpu() {
        return None;
    }
    join(&missing_libraries(provider, runtime))
}

fn join(missing: &[MissingLibrary]) -> Option<String> {
    let missing: Vec<String> = missing.iter().map(MissingLibrary::to_string).collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

fn file_name(provider: Provider) -> String {
    format!("libonnxruntime_providers_{}.so", provider.nick())
}

fn cudnn(runtime: &Runtime) -> String {
    let major = if runtime.minor() >= CUDNN_9_SINCE { 9 } else { 8 };
    format!("libcudnn.so.{major}")
}

/// Returns the names of the libraries that a library is linked with, without ONNX Runtime's own, which is loaded
/// already.
fn needed(library: &Path) -> Result<Vec<String>, String> {
    let file = File::open(library).map_err(|error| error.to_string())?;
    needed_entries(&ReadCache::new(file)).map_err(|error| format!("it is not a library for this machine: {error}"))
}

fn needed_entries(data: &ReadCache<File>) -> Result<Vec<String>, object::Error> {
    let elf = FileHeader64::<Endianness>::parse(data)?;
    let endian = elf.endian()?;
    let sections = elf.sections(endian, data)?;
    let Some((dynamic, link)) = sections.dynamic(endian, data)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, data, link)?;
    let mut names = Vec::new();
    for entry in dynamic.iter().filter(|entry| entry.tag(endian) == DT_NEEDED) {
        let name = String::from_utf8_lossy(entry.string(endian, strings)?).into_owned();
        if !name.starts_with("libonnxruntime") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns the folders with libraries that the linker does not search: the runtime's, and those of NVIDIA's Python
/// packages beside ONNX Runtime's.
fn folders(runtime: &Path) -> Vec<PathBuf> {
    let mut folders = vec![runtime.to_owned()];
    // The runtime lies in site-packages/onnxruntime/capi.
    let Some(packages) = runtime.parent().and_then(Path::parent) else {
        return folders;
    };
    let nvidia = fs::read_dir(packages.join("nvidia")).into_iter().flatten().flatten();
    folders.extend(nvidia.map(|package| package.path().join("lib")));
    folders.push(packages.join("tensorrt_libs"));
    folders
}

fn load(library: &str, folders: &[PathBuf]) -> Result<(), String> {
    let found = folders
        .iter()
        .map(|folder| folder.join(library))
        .find(|path| path.is_file());
    let path = found.unwrap_or_else(|| library.into());
    ort::util::preload_dylib(&path).map_err(|error| match library {
        DRIVER => "no NVIDIA driver can be loaded here; install it, or give the container access to the GPU".to_owned(),
        // The error names the library, its source the reason.
        _ => error.source().map_or_else(|| error.to_string(), ToString::to_string),
    })
}

/// Returns the file, with its version, of a library that this process has loaded: "libnvinfer.so.10.3.0" for
/// "libnvinfer.so".
pub(crate) fn loaded_file(library: &str) -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let mut files = maps
        .lines()
        .filter_map(|line| Path::new(line.split_whitespace().nth(5)?).file_name()?.to_str());
    files.find(|file| file.starts_with(library)).map(str::to_owned)
}
