// SPDX-License-Identifier: MPL-2.0

//! Child processes, for tests of what a process has once: its ONNX Runtime, its standard output.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

const CHILD: &str = "BLURDM_TEST_CHILD";

/// Runs the body of a test in a process that has not loaded ONNX Runtime: runs the test binary again with this test alone. `name` is the
/// name of the test, `environment` the variables to set or to remove.
pub fn in_own_process(name: &str, environment: &[(&str, Option<&Path>)], body: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(CHILD, name);
    command.env(
        "GST_REGISTRY",
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry-child.bin"),
    );
    for (key, value) in environment {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(
        ran,
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns a folder that contains the plugin, as applications load it, and nothing else.
pub fn plugin_folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        // Cargo puts the library of this build beside the test binaries.
        let built = env::current_exe().unwrap().with_file_name("libgstblurdm.so");
        assert!(built.exists(), "{} was not built", built.display());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin");
        fs::create_dir_all(&folder).unwrap();
        let link = folder.join("libgstblurdm.so");
        // An earlier run may have left a link.
        fs::remove_file(&link).ok();
        symlink(&built, &link).unwrap();
        folder
    });
    &FOLDER
}

/// Runs gst-launch-1.0 with the plugin.
pub fn gst_launch(arguments: &[&str]) -> Output {
    tool("gst-launch-1.0", arguments)
}

/// Runs gst-inspect-1.0 with the plugin.
pub fn gst_inspect(arguments: &[&str]) -> Output {
    tool("gst-inspect-1.0", arguments)
}

fn tool(name: &str, arguments: &[&str]) -> Output {
    let registry = Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry-launch.bin");
    Command::new(name)
        .args(arguments)
        .env("GST_PLUGIN_PATH", plugin_folder())
        .env("GST_REGISTRY", registry)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}
