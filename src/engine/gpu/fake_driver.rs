// SPDX-License-Identifier: MPL-2.0

//! Runs tests in a process that loads a fake NVIDIA driver, `tests/common/fake_cuda_driver.c`.

#![allow(clippy::unwrap_used)]

use std::{any, env, fs, process::Command};

const SOURCE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/fake_cuda_driver.c"));

/// Set in the process that runs the body of the test.
const CHILD: &str = "BLURDM_TEST_CHILD";

/// Runs `body`, a closure that is the whole body of a test, in a process of its own with a fake driver that is compiled
/// with `defines`, such as "LOST_AFTER=3". Without `defines` the process has no fake driver.
pub(crate) fn with_driver<F: FnOnce()>(defines: Option<&[&str]>, body: F) {
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let folder = tempfile::tempdir().unwrap();
    if let Some(defines) = defines {
        let library = folder.path().join("libcuda.so");
        let source = folder.path().join("driver.c");
        fs::write(&source, SOURCE).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"])
            .arg(&library)
            .arg(&source)
            .args(defines.iter().map(|define| format!("-D{define}")))
            .status();
        assert!(compiled.unwrap().success());
        fs::copy(&library, folder.path().join("libcuda.so.1")).unwrap();
    }
    // The closure's type is named after the test that it stands in; the test harness leaves out the crate.
    let name = any::type_name::<F>();
    let (_, name) = name.strip_suffix("::{{closure}}").unwrap().split_once("::").unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, name)
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}\n{errors}"
    );
}
