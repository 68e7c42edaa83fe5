// SPDX-License-Identifier: MPL-2.0

//! Every fault is one error on the bus that names its cause, and the element can be used again.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{os::unix::fs::symlink, sync::mpsc};

use common::{
    HANG, buffer,
    bundle::{BACKBONE, Copy, ENCODER, MANIFEST, RESIDUALS, SCALES},
    element, errors_of,
    faults::{assert_names, one_error},
    harness, has_library, picture, pipeline, play_to_end, through,
};
use gst::{glib, prelude::*};
use gstblurdm::engine::Provider;

/// Asserts that a damaged bundle is an error with this code, whose text contains each of `parts`.
fn assert_bundle_error(bundle: &Copy, code: impl glib::error::ErrorDomain, parts: &[&str]) {
    let error = one_error(&[("model", bundle.text())]);
    assert!(error.matches(code), "{error:?}");
    assert_names(&error, parts);
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
fn a_wrong_hash_in_the_manifest_is_named() {
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
fn a_name_with_control_characters_is_refused() {
    for name in ["", "nano\\u0000", "nano\\n"] {
        let bundle = Copy::new();
        bundle.replace("name = \"blurdm-nano\"", &format!("name = \"{name}\""));
        assert_bundle_error(&bundle, gst::ResourceError::Read, &[MANIFEST, "control characters"]);
    }
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
fn the_error_of_a_graph_that_breaks_the_contract_has_names_types_and_shapes() {
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
fn a_dim_that_is_not_that_of_the_graphs_is_named() {
    let bundle = Copy::new();
    bundle.set("dim", "7");
    assert_bundle_error(
        &bundle,
        gst::ResourceError::Read,
        &["prior_encoder", "'z_blur' Float32 [1, 7]"],
    );
}

#[test]
fn a_wrong_value_in_the_manifest_is_refused_with_its_place() {
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
fn scales_that_do_not_rise_from_1_or_are_not_those_of_the_graph_are_refused() {
    let cases = [
        ("[2, 3, 4, 5]", "divisors are [2, 3, 4, 5]"),
        ("[1, 3, 2, 4]", "divisors are [1, 3, 2, 4]"),
        ("[1, 2, 2, 4]", "divisors are [1, 2, 2, 4]"),
        ("[1, 2, 3, 4, 8]", "4 at most"),
        ("[1, 2]", "scales: its outputs are 'shares'"),
    ];
    for (divisors, part) in cases {
        let bundle = Copy::of_scales(None, 0.1);
        bundle.set("divisors", divisors);
        assert_bundle_error(&bundle, gst::ResourceError::Read, &[bundle.text(), part]);
    }
    let bundle = Copy::without_prior(None);
    bundle.replace(
        "[backbone]\n",
        &format!("[scales]\ndivisors = [1, 2]\ngraph = \"{SCALES}\"\n\n[backbone]\n"),
    );
    assert_bundle_error(&bundle, gst::ResourceError::Read, &[MANIFEST, "[scales] needs [prior]"]);
}

#[test]
fn a_smoothing_with_which_the_first_prior_would_remain_forever_is_refused() {
    for smoothing in ["1.0", "-0.5", "nan"] {
        let bundle = Copy::new();
        bundle.replace("[prior]\n", &format!("[prior]\nsmoothing = {smoothing}\n"));
        assert_bundle_error(
            &bundle,
            gst::ResourceError::Read,
            &[MANIFEST, "smoothing", "less than 1"],
        );
    }
}

#[test]
fn a_model_that_computes_no_picture_is_an_error_before_the_first_frame() {
    for (name, part) in [
        (ENCODER, "the latent of the blurred frame is not a finite number"),
        (RESIDUALS, "residual is not a finite number"),
    ] {
        let bundle = Copy::new();
        bundle.overflow(name);
        assert_bundle_error(&bundle, gst::StreamError::Failed, &["does not compute a picture", part]);
    }
    for (bundle, part) in [
        (
            Copy::of_scales(None, f32::MAX),
            "the shares of the scales are not finite numbers",
        ),
        (Copy::blackening(), "a grey frame came back"),
    ] {
        assert_bundle_error(&bundle, gst::StreamError::Failed, &["does not compute a picture", part]);
    }
}

#[test]
fn weights_that_are_not_numbers_are_refused_by_name() {
    for name in [ENCODER, RESIDUALS, BACKBONE] {
        let bundle = Copy::new();
        bundle.poison(name);
        let parts = [name, "tensor '", "values that are not numbers"];
        assert_bundle_error(&bundle, gst::ResourceError::Read, &parts);
    }
}

#[test]
fn a_provider_that_is_not_available_is_named() {
    common::init();
    let absent = [Provider::TensorRt, Provider::Cuda, Provider::OpenVino]
        .into_iter()
        .filter(|p| !has_library(*p));
    for provider in absent {
        let error = one_error(&[("execution-provider", provider.nick())]);
        assert!(error.matches(gst::LibraryError::Settings), "{error:?}");
        let library = format!("libonnxruntime_providers_{}.so", provider.nick());
        assert_names(&error, &[&format!("'{}'", provider.nick()), &library]);
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
fn with_on_error_passthrough_frames_that_fail_pass_unchanged_after_one_warning() {
    let (width, height) = (32, 32);
    let blurdm = element();
    blurdm.set_property_from_str("on-error", "passthrough");
    let bus = gst::Bus::new();
    blurdm.set_bus(Some(&bus));
    let mut harness = harness(&blurdm, width, height);
    let frame = picture(width, height, 1);
    let expected = through(&mut harness, &frame, width, height);
    for run in 1..=2 {
        blurdm.set_property("steps", 6_u32);
        for _ in 0..3 {
            assert_eq!(through(&mut harness, &frame, width, height), frame);
        }
        let warnings: Vec<_> = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning])).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let gst::MessageView::Warning(warning) = warnings[0].view() else {
            unreachable!()
        };
        let text = warning.error().to_string();
        assert!(
            text.contains("between 1 and 5") && text.contains("passed through unchanged"),
            "{text}"
        );
        blurdm.set_property("steps", 0_u32);
        assert_eq!(through(&mut harness, &frame, width, height), expected);
        assert_eq!((common::frames(&blurdm), common::passed(&blurdm)), (1 + run, 3 * run));
    }
    assert!(errors_of(&bus, &blurdm).is_empty());
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

/// Adds a source to the pipeline that pushes one frame and ends.
fn feed(pipeline: &gst::Pipeline, blurdm: &gst::Element, interlace: &str) -> gst_app::AppSrc {
    let mut caps = common::caps(gst_video::VideoFormat::Rgbx, 32, 32);
    caps.make_mut().set("interlace-mode", interlace);
    let source = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
    pipeline.add(&source).unwrap();
    source.link(blurdm).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let frame = buffer(&picture(32, 32, 1), gst_video::VideoFormat::Rgbx, 32, 32);
    source.push_buffer(frame).unwrap();
    source.end_of_stream().unwrap();
    source
}

#[test]
fn interlaced_video_is_one_error_that_tells_to_deinterlace() {
    let (pipeline, blurdm) = pipeline("blurdm name=b execution-provider=cpu ! fakesink");
    let bus = pipeline.bus().unwrap();
    let (sender, errors) = mpsc::channel();
    let object = blurdm.clone().upcast::<gst::Object>();
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view()
            && message.src() == Some(&object)
        {
            sender.send(error.error()).unwrap();
        }
        gst::BusSyncReply::Pass
    });
    let source = feed(&pipeline, &blurdm, "interleaved");
    // The base class sets the caps again and again until the source posts an error of its own.
    while bus
        .timed_pop_filtered(HANG, &[gst::MessageType::Error])
        .expect("no error came")
        .src()
        != Some(source.upcast_ref())
    {}
    pipeline.set_state(gst::State::Null).unwrap();
    let posted: Vec<glib::Error> = errors.try_iter().collect();
    assert_eq!(posted.len(), 1, "{posted:?}");
    assert!(posted[0].matches(gst::CoreError::Negotiation), "{posted:?}");
    assert_names(&posted[0], &["deinterlace"]);
    pipeline.remove(&source).unwrap();
    feed(&pipeline, &blurdm, "progressive");
    play_to_end(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(errors.try_recv().is_err());
}

/// Returns how often sessions were made.
fn loads(bus: &gst::Bus) -> usize {
    std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Progress]))
        .filter(|message| match message.view() {
            gst::MessageView::Progress(progress) => progress.get().0 == gst::ProgressType::Start,
            _ => false,
        })
        .count()
}

#[test]
fn a_graph_that_fails_while_playing_is_one_error_and_the_next_start_makes_new_sessions() {
    let (width, height) = (32, 32);
    let bundle = Copy::failing_on_white();
    for at_once in [1u32, 2] {
        let blurdm = element();
        blurdm.set_property("model", bundle.text());
        blurdm.set_property("frames-in-flight", at_once);
        let bus = gst::Bus::new();
        blurdm.set_bus(Some(&bus));
        let frame = picture(width, height, 1);
        let white = vec![255; frame.len()];
        let send = |harness: &mut gst_check::Harness, frame: &[u8]| {
            harness.push(buffer(frame, gst_video::VideoFormat::Rgbx, width, height))
        };
        {
            let mut harness = harness(&blurdm, width, height);
            send(&mut harness, &frame).unwrap();
            // In flight, a failure is posted when the next frame arrives.
            let failed = (0..2).find_map(|_| send(&mut harness, &white).err());
            assert_eq!(failed, Some(gst::FlowError::Error), "{at_once}");
            let errors = errors_of(&bus, &blurdm);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].matches(gst::StreamError::Failed), "{errors:?}");
            assert_names(&errors[0], &["backbone"]);
        }
        loads(&bus);
        blurdm.set_state(gst::State::Ready).unwrap();
        let mut harness = harness(&blurdm, width, height);
        send(&mut harness, &frame).unwrap();
        harness.push_event(gst::event::Eos::new());
        let out = harness.pull().unwrap();
        assert!(common::unpacked(&out, gst_video::VideoFormat::Rgbx, width, height) == frame);
        // Once on a trial frame and once for this size.
        assert_eq!(loads(&bus), 2, "sessions of the last start were used again");
    }
}
