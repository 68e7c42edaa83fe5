// SPDX-License-Identifier: MPL-2.0

//! Which ONNX Runtime a process loads, and where messages are written.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use common::{
    bundle::{BACKBONE, Copy},
    errors_of,
    faults::{assert_names, one_error},
    has_library, options, picture, pipeline, play_to_end,
    process::{gst_launch, in_own_process},
    size, the_runtime,
};
use gst::prelude::*;
use gstblurdm::engine::{Bundle, Deblurrer, Provider, Search};

/// Compiles a shared library from C source.
fn compile(folder: &Path, source: &str) -> PathBuf {
    let (file, library) = (folder.join("stub.c"), folder.join("libonnxruntime.so"));
    fs::write(&file, source).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &file])
        .status()
        .unwrap();
    assert!(status.success());
    library
}

#[test]
fn the_oldest_supported_runtime_restores_too() {
    // `make test` fetches it. Without it this test cannot run.
    let Some(oldest) = std::env::var_os("BLURDM_OLDEST_RUNTIME") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "BLURDM_OLDEST_RUNTIME must be set in CI"
        );
        eprintln!("not run: BLURDM_OLDEST_RUNTIME names no runtime (make test does)");
        return;
    };
    let oldest = PathBuf::from(oldest);
    let name = "the_oldest_supported_runtime_restores_too";
    in_own_process(name, &[("ORT_DYLIB_PATH", Some(&oldest))], || {
        let (pipeline, blurdm) = pipeline(
            "videotestsrc num-buffers=2 ! video/x-raw,format=RGBx,width=64,height=48 \
             ! blurdm name=b execution-provider=cpu ! fakesink",
        );
        play_to_end(&pipeline);
        let stats: gst::Structure = blurdm.property("stats");
        assert_eq!(stats.get::<u64>("frames").unwrap(), 2);
        assert_eq!(the_runtime().path().parent().unwrap(), oldest.canonicalize().unwrap());
        pipeline.set_state(gst::State::Null).unwrap();
    });
}

const OLD: &str = r#"
#include <stdint.h>
typedef struct { const void* (*get_api)(uint32_t); const char* (*version)(void); } Base;
static const void* get_api(uint32_t v) { (void)v; return 0; }
static const char* version(void) { return "1.10.0"; }
static const Base base = { get_api, version };
const Base* OrtGetApiBase(void) { return &base; }
"#;

fn assert_runtime_error(library: &str, parts: &[&str]) {
    let error = one_error(&[("library-path", library)]);
    assert!(error.matches(gst::LibraryError::Init), "{error:?}");
    assert_names(&error, &[library]);
    assert_names(&error, parts);
}

#[test]
fn a_runtime_that_does_not_exist_is_an_error_that_names_it() {
    in_own_process("a_runtime_that_does_not_exist_is_an_error_that_names_it", &[], || {
        assert_runtime_error("/nonexistent/libonnxruntime.so", &[]);
    });
}

#[test]
fn a_runtime_that_is_too_old_is_an_error_with_its_version_and_the_required_one() {
    let name = "a_runtime_that_is_too_old_is_an_error_with_its_version_and_the_required_one";
    in_own_process(name, &[], || {
        let folder = tempfile::tempdir().unwrap();
        let library = compile(folder.path(), OLD);
        assert_runtime_error(library.to_str().unwrap(), &["1.10", "1.17 or later"]);
    });
}

#[test]
fn a_library_that_is_not_a_runtime_is_an_error_that_names_it() {
    in_own_process("a_library_that_is_not_a_runtime_is_an_error_that_names_it", &[], || {
        let folder = tempfile::tempdir().unwrap();
        let library = compile(folder.path(), "int other(void) { return 1; }");
        assert_runtime_error(library.to_str().unwrap(), &["not an ONNX Runtime"]);
    });
}

#[test]
fn a_text_file_instead_of_the_runtime_is_an_error_that_names_it() {
    in_own_process(
        "a_text_file_instead_of_the_runtime_is_an_error_that_names_it",
        &[],
        || {
            let folder = tempfile::tempdir().unwrap();
            let library = folder.path().join("libonnxruntime.so");
            fs::write(&library, "a text").unwrap();
            assert_runtime_error(library.to_str().unwrap(), &["not an ONNX Runtime"]);
        },
    );
}

#[test]
fn a_folder_without_a_runtime_is_an_error_that_names_it() {
    in_own_process("a_folder_without_a_runtime_is_an_error_that_names_it", &[], || {
        let folder = tempfile::tempdir().unwrap();
        assert_runtime_error(folder.path().to_str().unwrap(), &["holds no libonnxruntime.so"]);
    });
}

#[test]
fn library_path_takes_precedence_over_a_wrong_ort_dylib_path() {
    // Only the parent may load the runtime to find out its path.
    let real = std::env::var_os("BLURDM_REAL").map_or_else(|| the_runtime().path().to_owned(), PathBuf::from);
    let environment = [
        ("ORT_DYLIB_PATH", Some(Path::new("/nonexistent/ort.so"))),
        ("BLURDM_REAL", Some(real.as_path())),
    ];
    in_own_process(
        "library_path_takes_precedence_over_a_wrong_ort_dylib_path",
        &environment,
        || {
            let real = std::env::var("BLURDM_REAL").unwrap();
            let (pipeline, blurdm) = pipeline(
                "videotestsrc num-buffers=1 ! video/x-raw,format=RGBx,width=32,height=32 \
             ! blurdm name=b execution-provider=cpu ! fakesink",
            );
            assert!(pipeline.set_state(gst::State::Playing).is_err());
            let errors = errors_of(&pipeline.bus().unwrap(), &blurdm);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_names(&errors[0], &["/nonexistent/ort.so"]);
            pipeline.set_state(gst::State::Null).unwrap();
            blurdm.set_property("library-path", real);
            play_to_end(&pipeline);
            pipeline.set_state(gst::State::Null).unwrap();
        },
    );
}

#[test]
fn no_runtime_at_all_is_an_error_with_the_folders_that_were_searched() {
    let empty = tempfile::tempdir().unwrap();
    let mut environment: Vec<_> = ["HOME", "XDG_DATA_HOME", "PATH"]
        .map(|key| (key, Some(empty.path())))
        .to_vec();
    environment.extend(["ORT_DYLIB_PATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"].map(|key| (key, None)));
    in_own_process(
        "no_runtime_at_all_is_an_error_with_the_folders_that_were_searched",
        &environment,
        || {
            let home = std::env::var("HOME").unwrap();
            let (pipeline, blurdm) = pipeline("videotestsrc ! blurdm name=b ! fakesink");
            match gstblurdm::engine::runtime(&gstblurdm::engine::Search::default()) {
                // A runtime in the system's folders cannot be hidden from the search.
                Ok(found) => assert!(found.path().starts_with("/usr"), "{}", found.path().display()),
                Err(_) => {
                    assert!(pipeline.set_state(gst::State::Playing).is_err());
                    let errors = errors_of(&pipeline.bus().unwrap(), &blurdm);
                    assert_eq!(errors.len(), 1, "{errors:?}");
                    assert!(errors[0].matches(gst::LibraryError::Init), "{errors:?}");
                    assert_names(&errors[0], &[&home, "/usr/lib", "1.17 or later", "ORT_DYLIB_PATH"]);
                    pipeline.set_state(gst::State::Null).unwrap();
                }
            }
        },
    );
}

/// Runs a pipeline with these properties in gst-launch-1.0 -q, whose standard output must stay empty. Returns whether
/// it succeeded, and its standard error.
fn launch_quietly(properties: &[&str]) -> (bool, String) {
    let mut arguments = vec!["-q", "videotestsrc", "num-buffers=2", "!"];
    arguments.extend(["video/x-raw,format=RGBx,width=32,height=32", "!", "blurdm"]);
    arguments.extend(properties);
    arguments.extend(["!", "fakesink"]);
    let output = gst_launch(&arguments);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.is_empty(), "{properties:?} on standard output: {printed}");
    assert!(output.status.code().is_some(), "{properties:?}: {}", output.status);
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn nothing_is_written_to_standard_output_on_success() {
    for properties in [&[][..], &["execution-provider=cpu"][..]] {
        let (played, errors) = launch_quietly(properties);
        assert!(played, "{errors}");
    }
}

#[test]
fn nothing_is_written_to_standard_output_on_failure() {
    let (spoiled, foreign) = (Copy::blackening(), Copy::new());
    foreign.vouch(BACKBONE, b"no graph");
    let folder = tempfile::tempdir().unwrap();
    let old = compile(folder.path(), OLD);
    let cases = [
        ("model=/nonexistent".into(), "/nonexistent".into()),
        (format!("model={}", spoiled.text()), "does not compute a picture".into()),
        (format!("model={}", foreign.text()), foreign.text().to_owned()),
        (
            "library-path=/nonexistent/ort.so".into(),
            "/nonexistent/ort.so".to_owned(),
        ),
        (format!("library-path={}", old.display()), old.display().to_string()),
        ("steps=999".into(), "999".into()),
    ];
    for (property, part) in cases {
        let (played, errors) = launch_quietly(&[&property]);
        assert!(!played && errors.contains(&part), "{property}: {errors}");
    }
}

/// Returns the sets of cores that the threads of this process may run on.
fn cores_of_threads() -> BTreeSet<String> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let statuses = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok());
    statuses
        .filter_map(|status| {
            let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list"))?;
            Some(line.to_owned())
        })
        .collect()
}

/// Otherwise processes that share a machine would compete for its first cores while others are idle.
#[test]
fn threads_are_not_pinned_to_cores() {
    let name = "threads_are_not_pinned_to_cores";
    in_own_process(name, &[], || {
        the_runtime();
        let before = cores_of_threads();
        assert_eq!(before.len(), 1);
        for provider in [Provider::Cpu, Provider::OpenVino] {
            if !has_library(provider) {
                continue;
            }
            let mut options = options(provider);
            options.settings.threads = 1;
            let bundle = Bundle::builtin().unwrap();
            let mut deblurrer = Deblurrer::new(&bundle, &options, &Search::default(), size(320, 180)).unwrap();
            let (seen, done) = (&mut BTreeSet::new(), &AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    let frame = picture(320, 180, 3);
                    let mut restored = vec![0; frame.len()];
                    for _ in 0..10 {
                        deblurrer.restore(&frame, &mut restored, 1).unwrap();
                    }
                    done.store(true, Ordering::Relaxed);
                });
                while !done.load(Ordering::Relaxed) {
                    seen.extend(cores_of_threads());
                    thread::sleep(Duration::from_millis(1));
                }
            });
            assert_eq!(*seen, before, "{provider}");
        }
    });
}
