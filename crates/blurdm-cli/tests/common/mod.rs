// SPDX-License-Identifier: MPL-2.0

//! What the tests share.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::LazyLock,
};

use gstblurdm::engine::{Provider, Runtime, Search, runtime};

/// Returns the command, with the plugin of this build and a registry of its own.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blurdm"));
    command
        .env_remove("GST_PLUGIN_PATH_1_0")
        .env("GST_PLUGIN_PATH", plugin_folder())
        .env("GST_REGISTRY", temporary().join("registry.bin"));
    command
}

/// Returns a folder that holds the plugin of this build and nothing else.
pub fn plugin_folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        // Cargo puts it beside the test binaries.
        let built = env::current_exe().unwrap().with_file_name("libgstblurdm.so");
        assert!(built.exists(), "{} was not built", built.display());
        let folder = temporary().join("plugin");
        fs::create_dir_all(&folder).unwrap();
        // Renamed into place, since other test processes do the same at the same time.
        let link = folder.join(format!(".{}", process::id()));
        symlink(&built, &link).unwrap();
        fs::rename(&link, folder.join("libgstblurdm.so")).unwrap();
        folder
    });
    &FOLDER
}

fn temporary() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Returns the runtime that the ordinary search finds. Without one nothing here can be tested, so that is a failure.
pub fn the_runtime() -> &'static Runtime {
    runtime(&Search::default()).unwrap_or_else(|error| panic!("the tests need ONNX Runtime (run `make test`): {error}"))
}

/// Whether the library of a provider is in the folder of the runtime. The CPU provider has none.
pub fn has_library(provider: Provider) -> bool {
    let name = match provider {
        Provider::Cpu => return true,
        other => format!("libonnxruntime_providers_{}.so", other.nick()),
    };
    the_runtime().path().parent().unwrap().join(name).exists()
}

/// Returns the folder of the repository's models.
pub fn models() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    folder.canonicalize().unwrap()
}
