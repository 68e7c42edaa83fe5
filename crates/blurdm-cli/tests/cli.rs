// SPDX-License-Identifier: MPL-2.0

//! What the command `blurdm` promises to someone who sets up a machine.

// A test fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use common::{command, has_library, models, the_runtime};
use gst::prelude::*;
use gstblurdm::engine::Provider;

fn blurdm(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns the only line on standard error of a command that failed.
fn error(output: &Output) -> String {
    assert!(!output.status.success(), "{}", out(output));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// Returns what `doctor` prints about a provider: its line and the continuation lines.
fn lines_of(report: &str, provider: Provider) -> Vec<&str> {
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
    assert_eq!(report.lines().nth(1).unwrap(), "Model blurdm-nano (built in)");
    for provider in Provider::BEST_FIRST {
        let lines = lines_of(&report, provider);
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
fn doctor_uses_the_runtime_that_the_argument_names() {
    let folder = tempfile::tempdir().unwrap();
    let copied = copy_runtime(folder.path());
    let output = blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]);
    assert!(out(&output).contains(copied.to_str().unwrap()), "{}", out(&output));
    let message = error(&blurdm(&["doctor", "--library-path", "/nonexistent/libonnxruntime.so"]));
    assert!(message.contains("/nonexistent/libonnxruntime.so"), "{message}");
}

#[test]
fn the_missing_libraries_of_a_provider_are_named() {
    let folder = tempfile::tempdir().unwrap();
    copy_runtime(folder.path());
    link_against_nothing(
        &folder.path().join("libonnxruntime_providers_cuda.so"),
        &["libcublasLt.so.99", "libcufft.so.99"],
    );
    let report = out(&blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]));
    let cuda = lines_of(&report, Provider::Cuda).join("\n");
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
        lines_of(&report, Provider::Cuda).join("\n").contains("libcudnn.so."),
        "{report}"
    );
}

#[test]
fn a_provider_library_that_is_no_library_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    copy_runtime(folder.path());
    let library = folder.path().join("libonnxruntime_providers_tensorrt.so");
    fs::write(&library, "no library").unwrap();
    let report = out(&blurdm(&["doctor", "--library-path", folder.path().to_str().unwrap()]));
    let tensorrt = lines_of(&report, Provider::TensorRt).join("\n");
    assert!(tensorrt.contains("not a library for this machine"), "{report}");
}

#[test]
fn engines_are_not_built_without_tensorrt_and_the_missing_library_is_named() {
    if has_library(Provider::TensorRt) {
        eprintln!("skipped: this machine has TensorRT");
        return;
    }
    let message = error(&blurdm(&["build-engine", "--size", "640x360"]));
    assert!(message.contains("libonnxruntime_providers_tensorrt.so"), "{message}");
}

#[test]
fn an_invalid_size_or_precision_is_refused_before_anything_is_loaded() {
    for (arguments, reason) in [
        (["build-engine", "--size", "640"], "as in 1280x720"),
        (["build-engine", "--size", "640xtall"], "as in 1280x720"),
        (
            ["build-engine", "--size=64x64", "--precision=fp7"],
            "none of fp32, fp16 and int8",
        ),
    ] {
        let output = blurdm(&arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && message.contains(reason), "{message}");
    }
}

/// Copies the runtime, without its providers, to a folder.
fn copy_runtime(folder: &Path) -> std::path::PathBuf {
    let runtime = the_runtime().path();
    let copied = folder.join(runtime.file_name().unwrap());
    fs::copy(runtime, &copied).unwrap();
    fs::canonicalize(copied).unwrap()
}

/// Makes a shared library that is linked with others, which do not exist any more when it is loaded.
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
fn models_are_listed_with_what_they_lose_their_scores_and_their_licence() {
    let output = blurdm(&["models"]);
    let first = out(&output);
    let head = "blurdm-nano 0.1.0 (MPL-2.0), built in\n  precisions  fp32, bf16 (loses ";
    assert!(output.status.success() && first.starts_with(head), "{first}");
    let small = models().join("blurdm-small");
    let listed = out(&blurdm(&["models", "--json", "--model", small.to_str().unwrap()]));
    let models: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert!(models[0]["path"].is_null(), "{listed}");
    assert_eq!(models[1]["name"], "blurdm-small");
    assert_eq!(models[1]["path"], small.to_str().unwrap());
    assert!(models[1]["scores"]["gain_1"].as_f64().unwrap() > 0.0, "{listed}");
    // Each of the bundles in a folder.
    let all = out(&blurdm(&[
        "models",
        "--model",
        small.parent().unwrap().to_str().unwrap(),
    ]));
    assert_eq!(all.lines().filter(|line| !line.starts_with(' ')).count(), 3, "{all}");
}

#[test]
fn installed_models_are_found_and_one_that_is_damaged_does_not_hide_the_others() {
    let data = tempfile::tempdir().unwrap();
    let installed = data.path().join("blurdm/models");
    for name in ["damaged", "good"] {
        fs::create_dir_all(installed.join(name)).unwrap();
        for file in fs::read_dir(models().join("blurdm-nano")).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                fs::copy(&file, installed.join(name).join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    fs::write(installed.join("damaged/backbone.onnx"), "no graph").unwrap();
    let output = command()
        .arg("models")
        .env("XDG_DATA_HOME", data.path())
        .env("XDG_DATA_DIRS", "/nonexistent")
        .output()
        .unwrap();
    let (listed, message) = (out(&output), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(listed.contains(installed.join("good").to_str().unwrap()), "{listed}");
    assert!(output.status.success() && message.lines().count() == 1, "{message}");
    assert!(
        message.contains("damaged") && message.contains("backbone.onnx"),
        "{message}"
    );
}

#[test]
fn a_folder_that_is_no_model_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let message = error(&blurdm(&["models", "--model", folder.path().to_str().unwrap()]));
    assert!(message.contains("manifest.toml cannot be read"), "{message}");
}

#[test]
fn completions_know_every_part_of_the_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = blurdm(&["completions", shell]);
        let text = out(&output);
        assert!(output.status.success(), "{shell}");
        for part in ["restore", "doctor", "build-engine", "bench", "models", "--library-path"] {
            // The script for fish has options without their dashes.
            assert!(text.contains(part.trim_start_matches("--")), "{shell} knows no {part}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("blurdm");
    fs::write(&script, out(&blurdm(&["completions", "bash"]))).unwrap();
    let checked = Command::new("bash").arg("-n").arg(&script).status().unwrap();
    assert!(checked.success());
}

#[test]
fn there_is_a_manual_page_for_the_whole_and_for_every_part() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man/man1");
    assert!(blurdm(&["man", "--into", pages.to_str().unwrap()]).status.success());
    for page in [
        "blurdm.1",
        "blurdm-restore.1",
        "blurdm-doctor.1",
        "blurdm-bench.1",
        "blurdm-models.1",
    ] {
        let text = fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains("SYNOPSIS"), "{page}: {text}");
    }
    let page = out(&blurdm(&["man", "build-engine"]));
    assert!(page.contains(r"\-\-size"), "{page}");
    let message = error(&blurdm(&["man", "nothing"]));
    assert!(message.contains("no 'blurdm nothing'"), "{message}");
    let message = error(&blurdm(&["man", "--into", "/dev/null/man"]));
    assert!(message.contains("/dev/null/man"), "{message}");
}

/// Makes a video of a moving ball, at 24 frames per second.
fn video(path: &Path, width: u32, frames: u32) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width={width},height=96,framerate=24/1 \
         ! x264enc bframes=0 ! h264parse ! mp4mux ! filesink location=\"{}\"",
        path.display()
    ))
    .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let last = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::NONE, &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(last.unwrap().type_(), gst::MessageType::Eos);
}

#[test]
fn bench_measures_each_stage_and_the_distance_to_a_reference() {
    let folder = tempfile::tempdir().unwrap();
    let [clip, large, longer] = ["clip ä.mp4", "large.mp4", "longer.mp4"].map(|name| folder.path().join(name));
    video(&clip, 128, 24);
    video(&large, 160, 24);
    video(&longer, 128, 48);
    let bench = |reference: &Path, more: &[&str]| {
        let [clip, reference] = [&*clip, reference].map(|path| path.to_str().unwrap());
        // The provider that loads fastest.
        let arguments = ["bench", clip, "--reference", reference, "--execution-provider", "cpu"];
        blurdm(&[&arguments, more].concat())
    };
    let output = bench(&clip, &["--json", "--start", "0.25", "--duration", "0.5"]);
    let text = out(&output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(measured["frames"], 12);
    let stages = measured["stages"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["decode", "restore", "encode", "decode and restore", "all together"]
    );
    assert!(
        stages.iter().all(|stage| stage["fps"].as_f64().unwrap() > 0.0),
        "{text}"
    );
    // Compared to itself the file is equal before restoring, and not after.
    let reference = &measured["reference"];
    assert!(
        reference["before"].is_null() && reference["after"].as_f64().unwrap() > 20.0,
        "{text}"
    );
    assert_eq!(
        (&reference["frames"], &reference["unmatched"]),
        (&12.into(), &0.into()),
        "{text}"
    );
    // With strength 0 both are equal to the reference. Frames without a counterpart do not count.
    let unchanged = bench(&longer, &["--json", "--strength", "0"]);
    let measured: serde_json::Value = serde_json::from_str(&out(&unchanged)).unwrap();
    assert_eq!(measured["reference"]["frames"], 24);
    assert_eq!(measured["reference"]["before"], measured["reference"]["after"]);
    let message = error(&bench(&large, &["--duration", "0.5"]));
    assert!(message.contains("160x96") && message.contains("128x96"), "{message}");
    let text = out(&bench(&clip, &["--duration", "0.5"]));
    assert!(
        text.contains("decode and restore") && text.contains("infinite dB as it is"),
        "{text}"
    );
}

#[test]
fn bench_says_in_one_line_what_it_cannot_measure() {
    let folder = tempfile::tempdir().unwrap();
    let [clip, none] = ["clip.mp4", "none.mp4"].map(|name| folder.path().join(name));
    video(&clip, 128, 24);
    fs::write(&none, "no video").unwrap();
    let [clip, none] = [&clip, &none].map(|path| path.to_str().unwrap());
    for (arguments, reason) in [
        (&["bench", none][..], "none.mp4"),
        (&["bench", "/nonexistent.mp4"], "/nonexistent.mp4"),
        (&["bench", clip, "--duration", "0"], "at least two are needed"),
        (&["bench", clip, "--start", "100"], "at least two are needed"),
        (&["bench", clip, "--only-blurred"], "--only-blurred"),
        (&["bench", clip, "--model", "/nonexistent"], "/nonexistent"),
    ] {
        let message = error(&blurdm(arguments));
        assert!(message.contains(reason), "{arguments:?}: {message}");
    }
}

#[test]
fn a_closed_output_is_no_error() {
    let mut command = command();
    let mut child = command
        .arg("doctor")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && message.is_empty(),
        "{}: {message}",
        output.status
    );
}

/// A substitute for NVIDIA's management library. It has one GPU with little free memory or, with INIT, fails to initialise.
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

/// Returns what `doctor` prints with that library.
fn doctor_with_nvml(defines: &[&str]) -> String {
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
    let output = command()
        .arg("doctor")
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out(&output)
}

#[test]
fn doctor_lists_each_gpu_with_its_free_memory() {
    let report = doctor_with_nvml(&[]);
    let gpu = "  0  A GPU of the tests, compute capability 9.0, 512 of 81920 MiB free, driver 580.12";
    assert!(report.lines().any(|line| line == gpu), "{report}");
}

#[test]
fn doctor_says_why_the_driver_does_not_answer() {
    // NVML_ERROR_LIB_RM_VERSION_MISMATCH: the library does not match the kernel module.
    let report = doctor_with_nvml(&["-DINIT=18"]);
    let line = report.lines().find(|line| line.starts_with("GPUs: none (")).unwrap();
    assert!(
        line.contains("NVIDIA's driver tells nothing") && line.contains("version"),
        "{line}"
    );
}

#[test]
fn without_a_driver_cuda_lacks_that_first() {
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
    let cuda = lines_of(&report, Provider::Cuda).join("\n");
    assert!(
        cuda.contains("libcuda.so.1: no NVIDIA driver can be loaded here"),
        "{report}"
    );
}

#[test]
fn engines_are_kept_in_the_cache_of_the_service_or_the_user_and_nowhere_without() {
    let variables = ["CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"];
    let last_line = |set: &[(&str, &str)]| {
        let mut command = command();
        command.args(["doctor", "--library-path"]).arg(the_runtime().path());
        for variable in variables {
            command.env_remove(variable);
        }
        let output = command.envs(set.iter().copied()).output().unwrap();
        out(&output).lines().last().unwrap().to_owned()
    };
    let service = ("CACHE_DIRECTORY", "/var/cache/blurdm");
    let (cache, home) = (("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/somebody"));
    for (set, folder) in [
        (&[service, cache, home][..], "/var/cache/blurdm"),
        (&[cache, home], "/cache/blurdm"),
        (&[home], "/home/somebody/.cache/blurdm"),
    ] {
        assert_eq!(last_line(set), format!("Engines are kept in {folder}"));
    }
    for set in [&[][..], &[("HOME", "not/absolute")]] {
        assert!(
            last_line(set).starts_with("Engines are not kept: there is no home"),
            "{set:?}"
        );
    }
}
