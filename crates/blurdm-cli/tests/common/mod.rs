// SPDX-License-Identifier: MPL-2.0

//! What the tests share.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use gstblurdm::engine::{Provider, Runtime, Search, runtime};

/// The command, which finds the plugin of this build beside itself, with a registry of its own.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blurdm"));
    command.env_remove("GST_PLUGIN_PATH").env_remove("GST_PLUGIN_PATH_1_0");
    command.env(
        "GST_REGISTRY",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry.bin"),
    );
    command
}

/// The runtime that the ordinary search finds. Without one nothing here can be tested, so that is a failure.
pub fn the_runtime() -> &'static Runtime {
    runtime(&Search::default()).unwrap_or_else(|error| panic!("the tests need ONNX Runtime (run `make test`): {error}"))
}

/// Whether the library of a provider lies beside the runtime. The CPU is always there.
pub fn has_library(provider: Provider) -> bool {
    let name = match provider {
        Provider::Cpu => return true,
        other => format!("libonnxruntime_providers_{}.so", other.nick()),
    };
    the_runtime().path().parent().unwrap().join(name).exists()
}

/// The folder that holds the repository's models.
pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models")
        .canonicalize()
        .unwrap()
}
