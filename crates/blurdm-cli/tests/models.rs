// SPDX-License-Identifier: MPL-2.0

//! `blurdm models check`: says what is wrong with a model, and whether it can be loaded, whatever the model does to the process that tries.

// A test fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../tests/common/bundle/mod.rs"]
#[allow(dead_code)]
mod bundle;
mod common;

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use bundle::{
    BACKBONE, Copy,
    messages::Node,
    onnx::{self, Dim},
};
use common::{command, models};
use rustix::process::{Pid, Signal, kill_process};

/// Returns the bundle that the tests change copies of.
fn nano() -> PathBuf {
    models().join("blurdm-nano")
}

fn check(path: &str, more: &[&str]) -> Output {
    command().args(["models", "check", path]).args(more).output().unwrap()
}

/// Returns the lines on standard output of a check that succeeds.
fn passed(path: &str) -> Vec<String> {
    let output = check(path, &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Returns the only line on standard error of a check that fails.
fn failed(path: &str, more: &[&str]) -> String {
    let output = check(path, more);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn a_sound_model_passes_the_gate_and_is_loaded() {
    let small = models().join("blurdm-small");
    let lines = passed(small.to_str().unwrap());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("all graphs of blurdm-small are what they must be"),
        "{lines:?}"
    );
    assert!(lines[1].contains("ONNX Runtime has loaded it on the CPU"), "{lines:?}");
    let lines = passed(small.join(BACKBONE).to_str().unwrap());
    assert!(lines[0].contains("the graph is what it must be"), "{lines:?}");
    assert!(lines[1].contains("ONNX Runtime has loaded it"), "{lines:?}");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[2].contains("cannot be a model of its own: it has 2 inputs, 'frame' uint8"),
        "{lines:?}"
    );
}

#[test]
fn what_is_found_of_a_plain_onnx_file_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.onnx");
    let shape = [Dim::Fixed(1), Dim::Free("h"), Dim::Free("w"), Dim::Fixed(3)];
    let network = onnx::model(
        &[("more", 0.05)],
        &[("x", onnx::FLOAT, &shape)],
        &[("Add", &["x", "more"], "y", None)],
        &[("y", onnx::FLOAT, &shape)],
    );
    std::fs::write(&file, network).unwrap();
    let path = file.to_str().unwrap();
    let found = "as a model of its own it takes NHWC RGB float32 0..1, frames of any size";
    assert!(passed(path)[2].ends_with(found), "{:?}", passed(path));
    let told = check(path, &["--model-format", "bgr,-1..1"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("NHWC BGR float32 -1..1"), "{told}");
    assert!(failed(path, &["--model-format", "rbg"]).contains("'rbg' is not understood"));
}

#[test]
fn what_the_gate_refuses_is_one_error_and_is_not_loaded() {
    let model = Copy::with_backbone(|model| {
        model.graph.as_mut().unwrap().node.push(Node {
            op_type: Some("Loop".into()),
            name: Some("for ever".into()),
            output: vec!["x".into()],
            ..Node::default()
        });
    });
    let file = model.path().join(BACKBONE);
    for path in [model.text(), file.to_str().unwrap()] {
        let error = failed(path, &[]);
        for part in [path, "node 'for ever' (Loop)", "control flow"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    assert!(failed("/nonexistent/model", &[]).contains("/nonexistent/model"));
}

#[test]
fn what_the_runtime_refuses_is_one_error_with_its_reason() {
    let model = Copy::with_backbone(|model| {
        let graph = model.graph.as_mut().unwrap();
        graph.initializer[0].dims = vec![1];
        graph.node.push(Node {
            op_type: Some("Unsqueeze".into()),
            input: vec!["grey".into(), "grey".into()],
            output: vec!["x".into()],
            ..Node::default()
        });
    });
    let error = failed(model.text(), &[]);
    for part in [model.text(), "backbone", "ONNX Runtime cannot load the graph"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_model_that_takes_longer_than_the_limit_is_given_up() {
    let model = Copy::slow(512, 2000);
    let started = Instant::now();
    let error = failed(model.text(), &["--limit", "2"]);
    assert!(error.contains("within 2 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn a_signal_ends_a_run_that_is_loading_a_model() {
    let model = Copy::slow(512, 2000);
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("grey.png");
    let mut png = png::Encoder::new(File::create(&picture).unwrap(), 64, 64);
    png.set_color(png::ColorType::Rgb);
    png.write_header()
        .unwrap()
        .write_image_data(&[128; 64 * 64 * 3])
        .unwrap();
    let mut run = command()
        .arg("restore")
        .arg(&picture)
        .args(["--execution-provider", "cpu", "--model", model.text(), "-o"])
        .arg(folder.path().join("out.png"))
        .spawn()
        .unwrap();
    // Into the runs that try the model.
    thread::sleep(Duration::from_secs(8));
    assert!(run.try_wait().unwrap().is_none(), "it has not waited for the model");
    let started = Instant::now();
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let status = run.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{status}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

/// A runtime that crashes as soon as it is asked for anything, as a real one does with some models.
const CRASHING: &str = "#include <signal.h>\nvoid *OrtGetApiBase(void) { raise(SIGFPE); return 0; }\n";

#[test]
fn a_crash_of_the_runtime_is_told_and_is_none_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (
        folder.path().join("crashing.c"),
        folder.path().join("libonnxruntime.so"),
    );
    std::fs::write(&source, CRASHING).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(built.success());
    let small = models().join("blurdm-small");
    let small = small.to_str().unwrap();
    let error = failed(small, &["--library-path", library.to_str().unwrap()]);
    for part in [small, "has crashed", "SIGFPE", "do not use this model"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
