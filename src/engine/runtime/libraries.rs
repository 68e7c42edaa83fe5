// SPDX-License-Identifier: MPL-2.0

//! The shared libraries that a provider needs, and which of them cannot be loaded here.
//!
//! Of a provider that it cannot load ONNX Runtime says so, and not always why. Of one that lacks cuDNN it says nothing: convolutions
//! then take a slow path.

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

/// NVIDIA's driver, which no package of ours or of ONNX Runtime's brings along.
const DRIVER: &str = "libcuda.so.1";

/// From this `1.x` on ONNX Runtime for CUDA is built with cuDNN 9, before with 8.
const CUDNN_9_SINCE: u32 = 19;

/// A library that keeps a provider from running, or from running at speed.
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

/// What keeps a provider from running with this runtime, each by its name; empty where all that it needs can be loaded. Loads what
/// can be, so that the provider finds it: packages of Python keep CUDA's libraries where no linker looks.
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
                remedy(provider)
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
            load(&library, &folders)
                .err()
                .map(|reason| MissingLibrary { library, reason })
        })
        .collect()
}

/// Why a provider refused: the libraries that it lacks, or what ONNX Runtime says.
pub(crate) fn explain(provider: Provider, runtime: &Runtime, message: &str) -> String {
    let missing = missing_libraries(provider, runtime);
    if missing.is_empty() {
        return message.to_owned();
    }
    let names: Vec<String> = missing.iter().map(MissingLibrary::to_string).collect();
    names.join("; ")
}

/// What would keep a provider from running at speed without a word: for those on NVIDIA's GPUs, any library that is missing.
pub(crate) fn refusal(provider: Provider, runtime: &Runtime) -> Option<String> {
    if !provider.on_gpu() {
        return None;
    }
    let missing: Vec<String> = missing_libraries(provider, runtime)
        .iter()
        .map(MissingLibrary::to_string)
        .collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

fn file_name(provider: Provider) -> String {
    format!("libonnxruntime_providers_{}.so", provider.nick())
}

fn cudnn(runtime: &Runtime) -> String {
    let major = if runtime.minor() >= CUDNN_9_SINCE { 9 } else { 8 };
    format!("libcudnn.so.{major}")
}

fn remedy(provider: Provider) -> &'static str {
    match provider {
        Provider::TensorRt => "build ONNX Runtime with it (--use_tensorrt), and name it in library-path",
        Provider::Cuda => "install onnxruntime-gpu, and name its libonnxruntime.so in library-path",
        Provider::OpenVino => {
            "run `make install`, or install onnxruntime-openvino and name its libonnxruntime.so in library-path"
        }
        Provider::Cpu => "install ONNX Runtime again",
    }
}

/// The names of the libraries that a library is linked with, but for ONNX Runtime's own, which is loaded by then.
fn needed(library: &Path) -> Result<Vec<String>, String> {
    let file = File::open(library).map_err(|error| error.to_string())?;
    names(&ReadCache::new(file)).map_err(|error| format!("it is no library for this machine: {error}"))
}

fn names(data: &ReadCache<File>) -> Result<Vec<String>, object::Error> {
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

/// Where libraries lie that the linker does not find: beside the runtime, and in NVIDIA's packages beside the one of ONNX Runtime.
fn folders(runtime: &Path) -> Vec<PathBuf> {
    let mut folders = vec![runtime.to_owned()];
    // site-packages/onnxruntime/capi
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
        // What failed stands in the error, why in its source.
        _ => error.source().map_or_else(|| error.to_string(), ToString::to_string),
    })
}

/// The file, with its version, of a library that this process has loaded: "libnvinfer.so.10.3.0" for "libnvinfer.so".
pub(crate) fn loaded_file(library: &str) -> Option<String> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let mut files = maps
        .lines()
        .filter_map(|line| Path::new(line.split_whitespace().nth(5)?).file_name()?.to_str());
    files.find(|file| file.starts_with(library)).map(str::to_owned)
}
