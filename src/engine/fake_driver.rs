// SPDX-License-Identifier: MPL-2.0

//! Tests beside a driver that is none: see `fake_driver.c`.

#![allow(clippy::unwrap_used)]

use std::{env, fs, process::Command};

const CHILD: &str = "BLURDM_TEST_CHILD";

/// Runs the body of the test `name` (with its path) in a process that finds this driver, with `defines` such as "LOST_AFTER=3"; without any
/// driver of its own where `defines` is none.
pub(super) fn beside(name: &str, defines: Option<&[&str]>, body: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let folder = tempfile::tempdir().unwrap();
    if let Some(defines) = defines {
        let library = folder.path().join("libcuda.so");
        let source = folder.path().join("driver.c");
        fs::write(&source, include_str!("fake_driver.c")).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"])
            .arg(&library)
            .arg(&source)
            .args(defines.iter().map(|define| format!("-D{define}")))
            .status();
        assert!(compiled.unwrap().success());
        fs::copy(&library, folder.path().join("libcuda.so.1")).unwrap();
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, name)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{said}");
}
