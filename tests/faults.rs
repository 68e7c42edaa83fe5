// SPDX-License-Identifier: MPL-2.0

//! What goes wrong is one error on the bus that names the thing, and the element can be used again.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use common::{
    HANG, buffer,
    bundle::{BACKBONE, Copy, ENCODER, MANIFEST, RESIDUALS},
    element, errors_of, harness, has_library, picture, pipeline, play_to_end,
    process::{gst_launch, in_own_process},
    the_runtime, through,
};
use gst::{glib, prelude::*};
use gstblurdm::engine::Provider;

const FRAMES: u64 = 2;

/// Plays with wrong properties, which must be one error of the element; corrects them, and plays the same element.
fn one_error(wrong: &[(&str, &str)]) -> glib::Error {
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc num-buffers={FRAMES} ! video/x-raw,format=RGBx,width=32,height=32 \
         ! blurdm name=b execution-provider=cpu ! fakesink"
    ));
    let right: Vec<_> = wrong
        .iter()
        .map(|(name, _)| (*name, blurdm.property_value(name)))
        .collect();
    for (name, value) in wrong {
        blurdm.set_property_from_str(name, value);
    }
    assert!(
        pipeline.set_state(gst::State::Playing).is_err(),
        "{wrong:?} is no error of the state change"
    );
    let mut errors = errors_of(&pipeline.bus().unwrap(), &blurdm);
    assert_eq!(errors.len(), 1, "{wrong:?}: {errors:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    for (name, value) in right {
        blurdm.set_property_from_value(name, &value);
    }
    play_to_end(&pipeline);
    assert_eq!(
        blurdm.property::<gst::Structure>("stats").get::<u64>("frames").unwrap(),
        FRAMES
    );
    pipeline.set_state(gst::State::Null).unwrap();
    errors.remove(0)
}

/// The error of a spoiled bundle, which names the bundle and each of `parts`.
fn assert_bundle_error(bundle: &Copy, code: impl glib::error::ErrorDomain, parts: &[&str]) {
    let error = one_error(&[("model", bundle.text())]);
    assert!(error.matches(code), "{error:?}");
    assert_names(&error, parts);
}

fn assert_names(error: &glib::Error, parts: &[&str]) {
    for part in parts {
        assert!(
            error.message().contains(part),
            "'{part}' is not in: {}",
            error.message()
        );
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = one_error(&[("model", "/nonexistent/bundle")]);
    assert!(error.matches(gst::ResourceError::NotFound), "{error:?}");
    assert_names(&error, &["'/nonexistent/bundle'", "set model to a folder"]);
}

#[test]
fn a_folder_without_a_manifest_is_named() {
    let bundle = Copy::new();
    bundle.remove(MANIFEST);
    assert_bundle_error(&bundle, gst::ResourceError::NotFound, &[bundle.text(), MANIFEST]);
}

#[test]
fn a_missing_file_is_named() {
    for name in [ENCODER, RESIDUALS, BACKBONE] {
        let bundle = Copy::new();
        bundle.remove(name);
        assert_bundle_error(&bundle, gst::ResourceError::Read, &[bundle.text(), name]);
    }
}

#[test]
fn a_file_that_was_cut_short_is_named_with_both_hashes() {
    let bundle = Copy::new();
    let whole = bundle.file(BACKBONE);
    bundle.write(BACKBONE, &whole[..whole.len() / 2]);
    assert_bundle_error(
        &bundle,
        gst::ResourceError::Read,
        &[BACKBONE, "sha256", "fetch the bundle again"],
    );
}

#[test]
fn a_wrong_hash_in_the_manifest_is_told() {
    let bundle = Copy::new();
    let wrong = "0".repeat(64);
    bundle.set(&format!("\"{RESIDUALS}\""), &format!("\"{wrong}\""));
    assert_bundle_error(&bundle, gst::ResourceError::Read, &[RESIDUALS, &wrong]);
}

#[test]
fn a_graph_that_the_runtime_cannot_load_is_named() {
    for (name, graph) in [
        (ENCODER, "prior_encoder"),
        (RESIDUALS, "residuals"),
        (BACKBONE, "backbone"),
    ] {
        let bundle = Copy::new();
        let whole = bundle.file(name);
        bundle.vouch(name, &whole[..whole.len() / 2]);
        assert_bundle_error(&bundle, gst::ResourceError::Read, &[bundle.text(), graph]);
        bundle.vouch(name, b"This is a text about graphs, and no graph.\n");
        assert_bundle_error(&bundle, gst::ResourceError::Read, &[bundle.text(), graph]);
    }
}

#[test]
fn a_graph_that_no_provider_loads_is_one_error_under_auto_too() {
    let bundle = Copy::new();
    bundle.vouch(BACKBONE, b"no graph");
    let error = one_error(&[("model", bundle.text()), ("execution-provider", "auto")]);
    assert!(error.matches(gst::ResourceError::Read), "{error:?}");
    assert_names(&error, &[bundle.text(), "backbone"]);
}

#[test]
fn an_unknown_key_of_the_manifest_is_named() {
    let bundle = Copy::new();
    bundle.replace("[prior]", "[prior]\nflavour = \"vanilla\"");
    assert_bundle_error(&bundle, gst::ResourceError::Read, &[MANIFEST, "flavour"]);
}

#[test]
fn a_manifest_that_is_no_toml_is_named() {
    for garbage in ["format = = 1", "\u{0}\u{1}", ""] {
        let bundle = Copy::new();
        bundle.write(MANIFEST, garbage.as_bytes());
        assert_bundle_error(&bundle, gst::ResourceError::Read, &[bundle.text(), MANIFEST]);
    }
    let bundle = Copy::new();
    bundle.write(MANIFEST, &[0xFF, 0xFE, 0x00]);
    assert_bundle_error(&bundle, gst::ResourceError::Read, &[bundle.text(), MANIFEST]);
}

#[test]
fn a_key_that_is_missing_from_the_manifest_is_named() {
    let bundle = Copy::new();
    bundle.replace("licence = ", "# licence = ");
    assert_bundle_error(&bundle, gst::ResourceError::Read, &[MANIFEST, "licence"]);
}

#[test]
fn a_path_that_leaves_the_folder_is_refused_though_the_file_is_there() {
    let outside = Copy::new();
    let neighbour = outside.path().file_name().unwrap().to_str().unwrap();
    for path in [
        format!("../{neighbour}/{ENCODER}"),
        format!("{}/{ENCODER}", outside.text()),
    ] {
        let bundle = Copy::new();
        bundle.replace(&format!("\"{ENCODER}\""), &format!("\"{path}\""));
        assert!(bundle.path().join(&path).exists(), "{path}");
        assert_bundle_error(
            &bundle,
            gst::ResourceError::Read,
            &[&path, "leaves the bundle's folder"],
        );
    }
    let bundle = Copy::new();
    bundle.remove(ENCODER);
    symlink(outside.path().join(ENCODER), bundle.path().join(ENCODER)).unwrap();
    assert_bundle_error(
        &bundle,
        gst::ResourceError::Read,
        &[ENCODER, "leaves the bundle's folder"],
    );
}

#[test]
fn a_file_without_a_hash_is_refused() {
    let bundle = Copy::new();
    bundle.replace(&format!("\"{BACKBONE}\" = "), "\"other.onnx\" = ");
    assert_bundle_error(&bundle, gst::ResourceError::Read, &[MANIFEST, BACKBONE, "no sha256"]);
}

#[test]
fn a_graph_that_breaks_the_contract_is_told_names_types_and_shapes() {
    let bundle = Copy::new();
    bundle.set("fp32", &format!("\"{RESIDUALS}\""));
    let parts = [
        "backbone",
        "z_t",
        "'frame' Uint8 [1, height, width, 4]",
        "'prior' Float32 [1, ",
    ];
    assert_bundle_error(&bundle, gst::ResourceError::Read, &parts);
    let bundle = Copy::new();
    bundle.set("encoder", &format!("\"{BACKBONE}\""));
    assert_bundle_error(
        &bundle,
        gst::ResourceError::Read,
        &["prior_encoder", "'prior'", "'frame' Uint8"],
    );
}

#[test]
fn a_dim_that_is_not_that_of_the_graphs_is_told() {
    let bundle = Copy::new();
    bundle.set("dim", "7");
    assert_bundle_error(
        &bundle,
        gst::ResourceError::Read,
        &["prior_encoder", "'z_blur' Float32 [1, 7]"],
    );
}

#[test]
fn nonsense_in_the_manifest_is_refused_with_the_place() {
    let cases = [
        ("alphas", "[1.0, 1.2, 1.1, 1.6, 1.8, 2.0]", "alphas[2]"),
        ("alphas", "[1.0, 1.2, 1.4]", "3 alphas"),
        ("alphas", "[1.0, 1.2, nan, 1.6, 1.8, 2.0]", "alphas[2]"),
        ("beta_bars", "[0.5, 0.0, 0.1, 0.1, 0.1, 0.1]", "beta_bars[0]"),
        ("beta_bars", "[0.0, 0.0, 0.1, -0.1, 0.1, 0.1]", "beta_bars[3]"),
        ("default_steps", "0", "default_steps is 0"),
        ("default_steps", "6", "default_steps is 6"),
        ("max_steps", "4", "max_steps is 4"),
        ("dim", "0", "dim is 0"),
        ("dim", "-64", "dim"),
        ("format", "2", "format is 2"),
        ("encoder_input", "\"thumbnail\"", "thumbnail"),
    ];
    for (key, value, part) in cases {
        let bundle = Copy::new();
        bundle.set(key, value);
        assert_bundle_error(&bundle, gst::ResourceError::Read, &[bundle.text(), MANIFEST, part]);
    }
}

#[test]
fn a_model_that_computes_nan_is_found_out_before_the_first_frame() {
    for (name, part) in [
        (ENCODER, "the latent of the blurred frame is not a finite number"),
        (RESIDUALS, "residual is not a finite number"),
        (BACKBONE, "a grey frame came back"),
    ] {
        let bundle = Copy::new();
        bundle.poison(name);
        assert_bundle_error(&bundle, gst::StreamError::Failed, &["does not compute a picture", part]);
    }
}

#[test]
fn a_provider_that_cannot_be_had_is_named() {
    common::init();
    let absent = [Provider::TensorRt, Provider::Cuda, Provider::OpenVino]
        .into_iter()
        .filter(|p| !has_library(*p));
    for provider in absent {
        let error = one_error(&[("execution-provider", provider.nick())]);
        assert!(error.matches(gst::LibraryError::Settings), "{error:?}");
        assert_names(&error, &[&format!("'{}'", provider.nick())]);
    }
}

#[test]
fn more_steps_than_the_model_has_are_refused_at_the_start() {
    let error = one_error(&[("steps", "6")]);
    assert!(error.matches(gst::ResourceError::Settings), "{error:?}");
    assert_names(&error, &["6", "between 1 and 5"]);
}

#[test]
fn more_steps_than_the_model_has_are_one_error_while_playing_and_fewer_play_on() {
    let (width, height) = (32, 32);
    let blurdm = element();
    let bus = gst::Bus::new();
    blurdm.set_bus(Some(&bus));
    let mut harness = harness(&blurdm, width, height);
    let frame = picture(width, height, 1);
    let expected = through(&mut harness, &frame, width, height);
    blurdm.set_property("steps", 6_u32);
    let pushed = harness.push(buffer(&frame, gst_video::VideoFormat::Rgbx, width, height));
    assert_eq!(pushed, Err(gst::FlowError::Error));
    let errors = errors_of(&bus, &blurdm);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].matches(gst::ResourceError::Settings), "{errors:?}");
    blurdm.set_property("steps", 0_u32);
    assert_eq!(through(&mut harness, &frame, width, height), expected);
}

#[test]
fn a_bundle_behind_a_link_is_read() {
    let bundle = Copy::new();
    let place = tempfile::tempdir().unwrap();
    let link = place.path().join("model");
    symlink(bundle.path(), &link).unwrap();
    let (pipeline, blurdm) = pipeline(
        "videotestsrc num-buffers=1 ! video/x-raw,format=RGBx,width=32,height=32 \
         ! blurdm name=b execution-provider=cpu ! fakesink",
    );
    blurdm.set_property("model", link.to_str().unwrap());
    play_to_end(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
}

/// A shared library from C source.
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
fn a_runtime_that_is_not_there_is_named() {
    in_own_process("a_runtime_that_is_not_there_is_named", &[], || {
        assert_runtime_error("/nonexistent/libonnxruntime.so", &[]);
    });
}

#[test]
fn a_runtime_that_is_too_old_is_named_with_its_version_and_the_one_that_is_needed() {
    let name = "a_runtime_that_is_too_old_is_named_with_its_version_and_the_one_that_is_needed";
    in_own_process(name, &[], || {
        let folder = tempfile::tempdir().unwrap();
        let library = compile(folder.path(), OLD);
        assert_runtime_error(library.to_str().unwrap(), &["1.10", "1.17 or later"]);
    });
}

#[test]
fn a_foreign_library_is_named_and_refused() {
    in_own_process("a_foreign_library_is_named_and_refused", &[], || {
        let folder = tempfile::tempdir().unwrap();
        let library = compile(folder.path(), "int other(void) { return 1; }");
        assert_runtime_error(library.to_str().unwrap(), &["not an ONNX Runtime"]);
    });
}

#[test]
fn a_text_in_place_of_the_runtime_is_named_and_refused() {
    in_own_process("a_text_in_place_of_the_runtime_is_named_and_refused", &[], || {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        fs::write(&library, "a text").unwrap();
        assert_runtime_error(library.to_str().unwrap(), &["not an ONNX Runtime"]);
    });
}

#[test]
fn a_folder_without_a_runtime_is_named() {
    in_own_process("a_folder_without_a_runtime_is_named", &[], || {
        let folder = tempfile::tempdir().unwrap();
        assert_runtime_error(folder.path().to_str().unwrap(), &["holds no libonnxruntime.so"]);
    });
}

#[test]
fn library_path_goes_before_a_wrong_ort_dylib_path() {
    // Only the parent may load the runtime to ask where it lies.
    let real = std::env::var_os("BLURDM_REAL").map_or_else(|| the_runtime().path().to_owned(), PathBuf::from);
    let environment = [
        ("ORT_DYLIB_PATH", Some(Path::new("/nonexistent/ort.so"))),
        ("BLURDM_REAL", Some(real.as_path())),
    ];
    in_own_process("library_path_goes_before_a_wrong_ort_dylib_path", &environment, || {
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
    });
}

#[test]
fn no_runtime_anywhere_is_told_with_the_places_that_were_looked_at() {
    let empty = tempfile::tempdir().unwrap();
    let mut environment: Vec<_> = ["HOME", "XDG_DATA_HOME", "PATH"]
        .map(|key| (key, Some(empty.path())))
        .to_vec();
    environment.extend(["ORT_DYLIB_PATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"].map(|key| (key, None)));
    in_own_process(
        "no_runtime_anywhere_is_told_with_the_places_that_were_looked_at",
        &environment,
        || {
            let home = std::env::var("HOME").unwrap();
            let (pipeline, blurdm) = pipeline("videotestsrc ! blurdm name=b ! fakesink");
            match gstblurdm::engine::runtime(&gstblurdm::engine::Search::default()) {
                // The system's own cannot be hidden from the search.
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

/// What gst-launch-1.0 -q has to say about a pipeline with these properties: standard output stays empty.
fn launch_quietly(properties: &[&str]) -> (bool, String) {
    let mut arguments = vec!["-q", "videotestsrc", "num-buffers=2", "!"];
    arguments.extend(["video/x-raw,format=RGBx,width=32,height=32", "!", "blurdm"]);
    arguments.extend(properties);
    arguments.extend(["!", "fakesink"]);
    let output = gst_launch(&arguments);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.is_empty(), "{properties:?} on standard output: {told}");
    assert!(output.status.code().is_some(), "{properties:?}: {}", output.status);
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn nothing_is_written_on_standard_output_when_all_is_well() {
    for properties in [&[][..], &["execution-provider=cpu"][..]] {
        let (played, told) = launch_quietly(properties);
        assert!(played, "{told}");
    }
}

#[test]
fn nothing_is_written_on_standard_output_when_something_is_wrong() {
    let (spoiled, foreign) = (Copy::new(), Copy::new());
    spoiled.poison(BACKBONE);
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
        let (played, told) = launch_quietly(&[&property]);
        assert!(!played && told.contains(&part), "{property}: {told}");
    }
}

#[test]
fn interlaced_video_is_one_error_that_tells_to_deinterlace() {
    let (pipeline, blurdm) = pipeline("appsrc name=s format=time ! blurdm name=b execution-provider=cpu ! fakesink");
    let source = pipeline.by_name("s").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let mut caps = common::caps(gst_video::VideoFormat::Rgbx, 32, 32);
    caps.make_mut().set("interlace-mode", "interleaved");
    source.set_caps(Some(&caps));
    pipeline.set_state(gst::State::Playing).unwrap();
    source
        .push_buffer(buffer(&picture(32, 32, 1), gst_video::VideoFormat::Rgbx, 32, 32))
        .unwrap();
    let bus = pipeline.bus().unwrap();
    // The source's own error comes last: when its frame has come back refused.
    let mut errors = Vec::new();
    loop {
        let message = bus
            .timed_pop_filtered(HANG, &[gst::MessageType::Error])
            .expect("no error came");
        let gst::MessageView::Error(error) = message.view() else {
            unreachable!()
        };
        if message.src() != Some(blurdm.upcast_ref()) {
            break;
        }
        errors.push(error.error());
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].matches(gst::CoreError::Negotiation), "{errors:?}");
    assert_names(&errors[0], &["deinterlace"]);
    pipeline.set_state(gst::State::Null).unwrap();
    caps.make_mut().set("interlace-mode", "progressive");
    source.set_caps(Some(&caps));
    pipeline.set_state(gst::State::Playing).unwrap();
    source
        .push_buffer(buffer(&picture(32, 32, 1), gst_video::VideoFormat::Rgbx, 32, 32))
        .unwrap();
    source.end_of_stream().unwrap();
    play_to_end(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
}
