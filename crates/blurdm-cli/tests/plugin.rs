// SPDX-License-Identifier: MPL-2.0

//! Where the command finds the plugin, and what it says without one.

// A test fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use common::{models, plugin_folder};
use tempfile::TempDir;

const PLUGIN: &str = "libgstblurdm.so";

/// A prefix with the command in `bin`, and no plugin that GStreamer finds by itself.
struct Prefix(TempDir);

impl Prefix {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        // Not a symbolic link, which would not change the folder of the executable.
        fs::hard_link(env!("CARGO_BIN_EXE_blurdm"), folder.path().join("bin/blurdm")).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn add_plugin(&self, folder: &str) {
        let folder = self.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        symlink(
            plugin_folder().join(PLUGIN).canonicalize().unwrap(),
            folder.join(PLUGIN),
        )
        .unwrap();
    }

    /// Lists the models, which needs the built-in one of the plugin.
    fn models(&self, environment: &[(&str, &Path)]) -> Output {
        let mut command = Command::new(self.path().join("bin/blurdm"));
        command.arg("models");
        for variable in ["GST_PLUGIN_PATH", "GST_PLUGIN_PATH_1_0"] {
            command.env_remove(variable);
        }
        command.env("GST_REGISTRY", self.path().join("registry.bin"));
        command.env("XDG_DATA_HOME", self.path().join("data"));
        command.envs(environment.iter().copied()).output().unwrap()
    }
}

fn assert_found(output: &Output) {
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success() && out.starts_with("blurdm-nano "),
        "{out}{error}"
    );
}

#[test]
fn the_plugin_is_found_beside_the_command_and_in_the_plugin_folders_of_its_prefix() {
    for folder in ["bin", "lib/gstreamer-1.0", "share/gstreamer-1.0/plugins"] {
        let prefix = Prefix::new();
        prefix.add_plugin(folder);
        assert_found(&prefix.models(&[]));
    }
}

#[test]
fn the_plugin_is_found_where_the_user_has_installed_it_or_says_it_is() {
    let prefix = Prefix::new();
    prefix.add_plugin("data/gstreamer-1.0/plugins");
    assert_found(&prefix.models(&[]));
    let prefix = Prefix::new();
    prefix.add_plugin("elsewhere");
    assert_found(&prefix.models(&[("GST_PLUGIN_PATH", &prefix.path().join("elsewhere"))]));
}

#[test]
fn a_plugin_that_the_user_names_takes_precedence_over_one_beside_the_command() {
    let prefix = Prefix::new();
    let beside = prefix.path().join("bin").join(PLUGIN);
    fs::write(&beside, "no library").unwrap();
    let output = prefix.models(&[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains(beside.to_str().unwrap()),
        "{error}"
    );
    assert_found(&prefix.models(&[("GST_PLUGIN_PATH", plugin_folder())]));
}

#[test]
fn without_a_plugin_the_error_names_every_folder_that_was_searched() {
    let prefix = Prefix::new();
    let named = prefix.path().join("named");
    fs::create_dir(&named).unwrap();
    let output = prefix.models(&[("GST_PLUGIN_PATH", &named)]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    for folder in ["named", "bin", "lib/gstreamer-1.0", "data/gstreamer-1.0/plugins"] {
        let folder = prefix.path().join(folder);
        assert!(
            error.contains(folder.to_str().unwrap()),
            "{folder:?} is not in: {error}"
        );
    }
    assert!(error.contains(PLUGIN) && error.contains("make install"), "{error}");
}

#[test]
fn the_command_does_not_contain_the_model() {
    let graph = fs::read(models().join("blurdm-nano/backbone.onnx")).unwrap();
    let names = graph.split(|byte| !byte.is_ascii_graphic());
    let name = names.max_by_key(|name| name.len()).unwrap();
    let name = str::from_utf8(name).unwrap();
    assert!(name.len() > 20, "{name}");
    let contains = |file: &Path| {
        let grep = Command::new("grep").args(["-aqF", "--", name]).arg(file).status();
        grep.unwrap().success()
    };
    assert!(!contains(Path::new(env!("CARGO_BIN_EXE_blurdm"))));
    assert!(contains(&plugin_folder().join(PLUGIN)));
}
