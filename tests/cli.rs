// SPDX-License-Identifier: MPL-2.0

//! What the command `blurdm` promises to whoever sets up a machine.

// A test may fail at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use common::{has_library, the_runtime};
use gstblurdm::engine::Provider;

fn blurdm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_blurdm"))
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The one line that a failed command says.
fn error(output: &Output) -> String {
    assert!(!output.status.success(), "{}", out(output));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// What `doctor` says of a provider: its line and those under it.
fn of(report: &str, provider: Provider) -> Vec<&str> {
    let mut lines = report
        .lines()
        .skip_while(|line| !line.starts_with(&format!("  {}", provider.nick())));
    let first = lines.next().into_iter();
    first
        .chain(lines.take_while(|line| line.starts_with("            ")))
        .collect()
}

#[test]
fn doctor_names_the_runtime_and_what_each_provider_can_do_or_lacks() {
    let output = blurdm(&["doctor"]);
    let report = out(&output);
    assert!(output.status.success(), "{report}");
    let runtime = the_runtime();
    let first = format!("ONNX Runtime {} from {}", runtime.version(), runtime.path().display());
    assert_eq!(report.lines().next().unwrap(), first);
    for provider in Provider::BEST_FIRST {
        let lines = of(&report, provider);
        if has_library(provider) {
            assert!(lines[0].contains("runs the model in"), "{report}");
        } else {
            let library = format!("libonnxruntime_providers_{}.so", provider.nick());
            assert!(lines[0].contains(&library), "{report}");
        }
    }
    let best = Provider::BEST_FIRST.into_iter().find(|p| has_library(*p)).unwrap();
    assert!(report.contains(&format!("'auto' takes {best}.")), "{report}");
    assert!(report.contains("GPUs:"), "{report}");
}

#[test]
fn doctor_takes_the_runtime_that_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let copied = copy_runtime(folder.path());
    let output = blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]);
    assert!(out(&output).contains(copied.to_str().unwrap()), "{}", out(&output));
    let said = error(&blurdm(&["doctor", "--library-path", "/nonexistent/libonnxruntime.so"]));
    assert!(said.contains("/nonexistent/libonnxruntime.so"), "{said}");
}

#[test]
fn a_provider_whose_libraries_are_missing_is_told_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    copy_runtime(folder.path());
    link_against_nothing(
        &folder.path().join("libonnxruntime_providers_cuda.so"),
        &["libcublasLt.so.99", "libcufft.so.99"],
    );
    let report = out(&blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]));
    let cuda = of(&report, Provider::Cuda).join("\n");
    for library in ["libcublasLt.so.99", "libcufft.so.99"] {
        assert!(cuda.contains(&format!("{library}: ")), "{report}");
    }
}

#[test]
fn a_provider_without_cudnn_is_refused_since_it_would_be_slow() {
    if Command::new("ldconfig")
        .arg("-p")
        .output()
        .is_ok_and(|known| out(&known).contains("libcudnn.so"))
    {
        eprintln!("skipped: this machine has cuDNN");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    copy_runtime(folder.path());
    link_against_nothing(&folder.path().join("libonnxruntime_providers_cuda.so"), &[]);
    let report = out(&blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]));
    assert!(
        of(&report, Provider::Cuda).join("\n").contains("libcudnn.so."),
        "{report}"
    );
}

#[test]
fn a_provider_library_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    copy_runtime(folder.path());
    let library = folder.path().join("libonnxruntime_providers_tensorrt.so");
    fs::write(&library, "no library").unwrap();
    let report = out(&blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]));
    let tensorrt = of(&report, Provider::TensorRt).join("\n");
    assert!(tensorrt.contains("no library for this machine"), "{report}");
}

#[test]
fn engines_are_not_built_without_tensorrt_and_the_missing_library_is_named() {
    if has_library(Provider::TensorRt) {
        eprintln!("skipped: this machine has TensorRT");
        return;
    }
    let said = error(&blurdm(&["build-engine", "--size", "640x360"]));
    assert!(said.contains("libonnxruntime_providers_tensorrt.so"), "{said}");
}

#[test]
fn a_size_or_a_precision_that_is_none_is_refused_before_anything_is_loaded() {
    for (arguments, reason) in [
        (["build-engine", "--size", "640"], "as in 1280x720"),
        (["build-engine", "--size", "640xtall"], "as in 1280x720"),
        (
            ["build-engine", "--size=64x64", "--precision=fp7"],
            "none of fp32, fp16 and int8",
        ),
    ] {
        let output = blurdm(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(reason), "{said}");
    }
}

/// A runtime with no provider beside it, in a folder of its own.
fn copy_runtime(folder: &Path) -> std::path::PathBuf {
    let runtime = the_runtime().path();
    let copied = folder.join(runtime.file_name().unwrap());
    fs::copy(runtime, &copied).unwrap();
    fs::canonicalize(copied).unwrap()
}

/// A shared library that is linked with others, of which there is none by the time it is loaded.
fn link_against_nothing(library: &Path, needed: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("empty.c");
    fs::write(&source, "").unwrap();
    let cc = |out: &Path, name: &str, with: &[std::path::PathBuf]| {
        let status = Command::new("cc")
            .args(["-shared", "-Wl,--no-as-needed", &format!("-Wl,-soname,{name}"), "-o"])
            .arg(out)
            .arg(&source)
            .args(with)
            .status()
            .unwrap();
        assert!(status.success());
    };
    let missing: Vec<_> = needed.iter().map(|name| folder.path().join(name)).collect();
    for (path, name) in missing.iter().zip(needed) {
        cc(path, name, &[]);
    }
    cc(library, library.file_name().unwrap().to_str().unwrap(), &missing);
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blurdm"));
    let mut child = command
        .arg("doctor")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

/// Stands in for NVIDIA's management library: one GPU of which another process uses nearly all memory, or, with INIT, a reason why it tells nothing.
const MANAGEMENT: &str = r#"
#include <string.h>
#ifndef INIT
#define INIT 0
#endif
int nvmlInit_v2(void) { return INIT; }
int nvmlInitWithFlags(unsigned flags) { return INIT; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int error) { return "as it says"; }
int nvmlSystemGetDriverVersion(char *version, unsigned length) { strncpy(version, "580.12", length); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)1; return index; }
int nvmlDeviceGetName(void *device, char *name, unsigned length) { strncpy(name, "A GPU of the tests", length); return 0; }
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) { *major = 9; *minor = 0; return 0; }
struct memory { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory *memory) {
  memory->total = 80ull << 30; memory->reserved = 0; memory->free = 512ull << 20; memory->used = memory->total - memory->free; return 0;
}
"#;

/// What `doctor` says beside that library.
fn doctor_beside(defines: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("nvml.c");
    fs::write(&source, MANAGEMENT).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.path().join("libnvidia-ml.so.1"))
        .arg(&source)
        .args(defines)
        .status();
    assert!(compiled.unwrap().success());
    let output = Command::new(env!("CARGO_BIN_EXE_blurdm"))
        .arg("doctor")
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out(&output)
}

#[test]
fn doctor_tells_each_gpu_with_the_memory_that_others_leave() {
    let report = doctor_beside(&[]);
    let gpu = "  0  A GPU of the tests, compute capability 9.0, 512 of 81920 MiB free, driver 580.12";
    assert!(report.lines().any(|line| line == gpu), "{report}");
}

#[test]
fn doctor_tells_why_a_driver_tells_nothing() {
    // NVML_ERROR_LIB_RM_VERSION_MISMATCH: what programs load is older than what the kernel has.
    let report = doctor_beside(&["-DINIT=18"]);
    let line = report.lines().find(|line| line.starts_with("GPUs: none (")).unwrap();
    assert!(
        line.contains("NVIDIA's driver tells nothing") && line.contains("version"),
        "{line}"
    );
}

#[test]
fn a_machine_without_a_driver_is_told_what_cuda_lacks_first() {
    if Command::new("ldconfig")
        .arg("-p")
        .output()
        .is_ok_and(|known| out(&known).contains("libcuda.so.1"))
    {
        eprintln!("skipped: this machine has a driver");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    copy_runtime(folder.path());
    link_against_nothing(&folder.path().join("libonnxruntime_providers_cuda.so"), &[]);
    let report = out(&blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]));
    let cuda = of(&report, Provider::Cuda).join("\n");
    assert!(
        cuda.contains("libcuda.so.1: no NVIDIA driver can be loaded here"),
        "{report}"
    );
}

#[test]
fn engines_are_kept_where_the_service_or_the_user_has_a_cache_and_nowhere_without() {
    let places = ["CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"];
    let told = |set: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blurdm"));
        command.args(["doctor", "--library-path"]).arg(the_runtime().path());
        places.iter().for_each(|place| {
            command.env_remove(place);
        });
        let output = command.envs(set.iter().copied()).output().unwrap();
        out(&output).lines().last().unwrap().to_owned()
    };
    let service = ("CACHE_DIRECTORY", "/var/cache/blurdm");
    let (cache, home) = (("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/somebody"));
    for (set, place) in [
        (&[service, cache, home][..], "/var/cache/blurdm"),
        (&[cache, home], "/cache/blurdm"),
        (&[home], "/home/somebody/.cache/blurdm"),
    ] {
        assert_eq!(told(set), format!("Engines are kept in {place}"));
    }
    for set in [&[][..], &[("HOME", "not/absolute")]] {
        assert!(
            told(set).starts_with("Engines are not kept: there is no home"),
            "{set:?}"
        );
    }
}
