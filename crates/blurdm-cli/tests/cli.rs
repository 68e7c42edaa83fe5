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

use common::{command, has_library, models, the_runtime};
use gst::prelude::*;
use gstblurdm::engine::Provider;

fn blurdm(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
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
    // Of a folder that holds bundles, each.
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
    let (listed, said) = (out(&output), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(listed.contains(installed.join("good").to_str().unwrap()), "{listed}");
    assert!(output.status.success() && said.lines().count() == 1, "{said}");
    assert!(said.contains("damaged") && said.contains("backbone.onnx"), "{said}");
}

#[test]
fn a_folder_that_is_no_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let said = error(&blurdm(&["models", "--model", folder.path().to_str().unwrap()]));
    assert!(said.contains("manifest.toml cannot be read"), "{said}");
}

#[test]
fn shells_are_told_of_every_part_of_the_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = blurdm(&["completions", shell]);
        let text = out(&output);
        assert!(output.status.success(), "{shell}");
        for part in ["restore", "doctor", "build-engine", "bench", "models", "--library-path"] {
            // Fish has options without their dashes.
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
    let said = error(&blurdm(&["man", "nothing"]));
    assert!(said.contains("no 'blurdm nothing'"), "{said}");
    let said = error(&blurdm(&["man", "--into", "/dev/null/man"]));
    assert!(said.contains("/dev/null/man"), "{said}");
}

/// A video of a moving ball, at 24 frames a second.
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
        // The provider that is loaded fastest.
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
    // The file against itself: equal, but for what was restored.
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
    // With nothing changed both are equal to the reference, and of times that it lacks nothing is made up.
    let unchanged = bench(&longer, &["--json", "--strength", "0"]);
    let measured: serde_json::Value = serde_json::from_str(&out(&unchanged)).unwrap();
    assert_eq!(measured["reference"]["frames"], 24);
    assert_eq!(measured["reference"]["before"], measured["reference"]["after"]);
    let said = error(&bench(&large, &["--duration", "0.5"]));
    assert!(said.contains("160x96") && said.contains("128x96"), "{said}");
    let text = out(&bench(&clip, &["--duration", "0.5"]));
    assert!(
        text.contains("decode and restore") && text.contains("infinite dB as it is"),
        "{text}"
    );
}

#[test]
fn bench_says_in_a_line_what_it_cannot_measure() {
    let folder = tempfile::tempdir().unwrap();
    let [clip, none] = ["clip.mp4", "none.mp4"].map(|name| folder.path().join(name));
    video(&clip, 128, 24);
    fs::write(&none, "no video").unwrap();
    let [clip, none] = [&clip, &none].map(|path| path.to_str().unwrap());
    for (arguments, reason) in [
        (&["bench", none][..], "none.mp4"),
        (&["bench", "/nonexistent.mp4"], "/nonexistent.mp4"),
        (&["bench", clip, "--duration", "0"], "two at least are needed"),
        (&["bench", clip, "--start", "100"], "two at least are needed"),
        (&["bench", clip, "--only-blurred"], "--only-blurred"),
        (&["bench", clip, "--model", "/nonexistent"], "/nonexistent"),
    ] {
        let said = error(&blurdm(arguments));
        assert!(said.contains(reason), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let mut command = command();
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
    let output = command()
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
        let mut command = command();
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
