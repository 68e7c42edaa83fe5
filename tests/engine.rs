// SPDX-License-Identifier: MPL-2.0

//! The engine: a frame in, a restored frame out.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{bundle, deblurrer, has_library, options, picture, size, the_runtime};
use gstblurdm::engine::{Bundle, Choice, Deblurrer, Error, FrameSize, Options, Provider, Search, Settings};

fn restore(deblurrer: &mut Deblurrer, frame: &[u8], steps: usize) -> Vec<u8> {
    let mut restored = vec![0; frame.len()];
    deblurrer.restore(frame, &mut restored, steps).unwrap();
    restored
}

fn refusal(options: &Options, size: FrameSize) -> Error {
    match Deblurrer::new(&Bundle::builtin().unwrap(), options, &Search::default(), size) {
        Ok(deblurrer) => panic!("{options:?} runs on {}", deblurrer.provider()),
        Err(error) => error,
    }
}

#[test]
fn every_size_from_16x16_on_is_restored() {
    for (width, height) in [(16, 16), (17, 31), (31, 17), (64, 48)] {
        let mut deblurrer = deblurrer(Provider::Cpu, size(width, height));
        assert_eq!(deblurrer.size(), size(width, height));
        let frame = picture(width, height, 1);
        let restored = restore(&mut deblurrer, &frame, 0);
        assert_ne!(restored, frame, "{width}x{height}");
    }
}

#[test]
fn a_side_under_16_or_over_16384_pixels_is_refused_by_its_size() {
    for (width, height) in [(15, 16), (16, 15), (0, 0), (16385, 16), (16, usize::MAX)] {
        let error = refusal(&options(Provider::Cpu), size(width, height));
        assert!(matches!(error, Error::Size { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("{width}x{height}")) && text.contains("16 to 16384 pixels"),
            "{text}"
        );
    }
}

#[test]
fn bytes_of_another_length_are_refused_and_the_next_frame_is_restored() {
    let mut deblurrer = deblurrer(Provider::Cpu, size(16, 16));
    let frame = picture(16, 16, 1);
    for (given, room) in [(1023, 1024), (1025, 1024), (0, 1024), (1024, 1023), (1024, 1025)] {
        let error = deblurrer.restore(&vec![0; given], &mut vec![0; room], 0).unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{error}");
        let odd = if given == 1024 { room } else { given };
        assert!(error.to_string().contains(&format!("{odd} bytes")), "{error}");
    }
    assert_ne!(restore(&mut deblurrer, &frame, 0), frame);
}

#[test]
fn every_number_of_steps_up_to_the_models_works_and_one_more_is_refused() {
    let mut deblurrer = deblurrer(Provider::Cpu, size(32, 32));
    let frame = picture(32, 32, 1);
    let max = deblurrer.max_steps().unwrap();
    let priors: Vec<_> = (1..=max).map(|steps| deblurrer.prior(&frame, steps).unwrap()).collect();
    for (index, prior) in priors.iter().enumerate() {
        assert!(
            priors[..index].iter().all(|other| other != prior),
            "{} steps give the prior of fewer",
            index + 1
        );
        restore(&mut deblurrer, &frame, index + 1);
    }
    let error = deblurrer
        .restore(&frame, &mut vec![0; frame.len()], max + 1)
        .unwrap_err();
    assert!(matches!(error, Error::Steps { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("between 1 and {max}")) && text.contains(&(max + 1).to_string()),
        "{text}"
    );
}

#[test]
fn zero_steps_mean_the_default_of_the_model() {
    let own = Bundle::builtin()
        .unwrap()
        .manifest()
        .prior
        .as_ref()
        .unwrap()
        .default_steps;
    let mut deblurrer = deblurrer(Provider::Cpu, size(32, 32));
    let frame = picture(32, 32, 1);
    assert_eq!(restore(&mut deblurrer, &frame, 0), restore(&mut deblurrer, &frame, own));
    assert_eq!(
        deblurrer.prior(&frame, 0).unwrap(),
        deblurrer.prior(&frame, own).unwrap()
    );
}

#[test]
fn the_same_frame_gives_the_same_bits_whatever_came_before() {
    let (width, height) = (48, 32);
    for provider in [Provider::Cpu, Provider::OpenVino] {
        if !has_library(provider) {
            continue;
        }
        let mut deblurrer = deblurrer(provider, size(width, height));
        let (frame, other) = (picture(width, height, 1), picture(width, height, 2));
        let first = restore(&mut deblurrer, &frame, 5);
        assert_eq!(first, restore(&mut deblurrer, &frame, 5), "{provider}");
        let second = restore(&mut deblurrer, &other, 5);
        assert_ne!(first, second, "{provider}");
        assert_eq!(first, restore(&mut deblurrer, &frame, 5), "{provider}");
    }
}

#[test]
fn the_fourth_byte_is_copied_and_changes_nothing_else() {
    let mut deblurrer = deblurrer(Provider::Cpu, size(17, 31));
    let frame = picture(17, 31, 1);
    let restored = restore(&mut deblurrer, &frame, 0);
    let mut opaque = frame.clone();
    opaque.chunks_exact_mut(4).for_each(|pixel| pixel[3] = 255);
    let of_opaque = restore(&mut deblurrer, &opaque, 0);
    for ((from, to), opaque) in frame.chunks(4).zip(restored.chunks(4)).zip(of_opaque.chunks(4)) {
        assert_eq!(from[3], to[3]);
        assert_eq!(opaque[3], 255);
        assert_eq!(to[..3], opaque[..3]);
    }
}

#[test]
fn the_time_of_both_stages_is_returned() {
    let mut deblurrer = deblurrer(Provider::Cpu, size(64, 48));
    let frame = picture(64, 48, 1);
    let timing = deblurrer.restore(&frame, &mut vec![0; frame.len()], 0).unwrap();
    assert!(!timing.prior.is_zero() && !timing.backbone.is_zero(), "{timing:?}");
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    let frame = picture(64, 48, 1);
    let restored = [1, 2].map(|threads| {
        let options = Options {
            provider: Choice::Only(Provider::Cpu),
            settings: Settings {
                threads,
                ..Settings::default()
            },
            ..options(Provider::Cpu)
        };
        the_runtime();
        let bundle = Bundle::builtin().unwrap();
        let mut deblurrer = Deblurrer::new(&bundle, &options, &Search::default(), size(64, 48)).unwrap();
        restore(&mut deblurrer, &frame, 0)
    });
    let off = restored[0]
        .iter()
        .zip(&restored[1])
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap();
    assert!(off <= 1, "{off} grey levels");
}

#[test]
fn openvino_runs_where_its_library_is_installed_and_is_an_error_that_names_it_elsewhere() {
    let (width, height) = (33, 24);
    if has_library(Provider::OpenVino) {
        let mut deblurrer = deblurrer(Provider::OpenVino, size(width, height));
        assert_eq!(deblurrer.provider(), Provider::OpenVino);
        assert!(deblurrer.rejected_providers().is_empty());
        let frame = picture(width, height, 1);
        assert_ne!(restore(&mut deblurrer, &frame, 0), frame);
    } else {
        assert_refused(
            Provider::OpenVino,
            &refusal(&options(Provider::OpenVino), size(width, height)),
        );
    }
}

#[test]
fn a_gpu_provider_runs_or_is_an_error_that_names_it_and_never_falls_back() {
    the_runtime();
    for provider in [Provider::Cuda, Provider::TensorRt] {
        let bundle = Bundle::builtin().unwrap();
        match Deblurrer::new(&bundle, &options(provider), &Search::default(), size(64, 64)) {
            Ok(deblurrer) => {
                assert!(has_library(provider), "{provider} runs without its library");
                assert_eq!(deblurrer.provider(), provider);
            }
            Err(error) => assert_refused(provider, &error),
        }
    }
}

fn assert_refused(wanted: Provider, error: &Error) {
    assert!(
        matches!(error, Error::Provider { provider, .. } if *provider == wanted),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("'{}'", wanted.nick())), "{error}");
}

#[test]
fn auto_selects_the_best_provider_that_runs_and_gives_reasons_for_the_rejected_ones() {
    the_runtime();
    let bundle = Bundle::builtin().unwrap();
    let mut deblurrer = Deblurrer::new(&bundle, &Options::default(), &Search::default(), size(32, 32)).unwrap();
    let rejected: Vec<Provider> = deblurrer
        .rejected_providers()
        .iter()
        .map(|(provider, _)| *provider)
        .collect();
    let place = Provider::BEST_FIRST
        .iter()
        .position(|p| *p == deblurrer.provider())
        .unwrap();
    assert_eq!(rejected, Provider::BEST_FIRST[..place]);
    for (provider, reason) in deblurrer.rejected_providers() {
        assert!(!reason.trim().is_empty(), "{provider} was rejected without a reason");
        assert!(matches!(
            refusal(&options(*provider), size(32, 32)),
            Error::Provider { .. }
        ));
    }
    let frame = picture(32, 32, 1);
    assert_ne!(restore(&mut deblurrer, &frame, 0), frame);
}

#[test]
fn the_runtime_is_new_enough_and_is_loaded_once() {
    let runtime = the_runtime();
    assert!(runtime.path().is_absolute() && runtime.path().is_file());
    let minor: u32 = runtime.version().strip_prefix("1.").unwrap().parse().unwrap();
    assert!(minor >= gstblurdm::engine::MINIMUM_MINOR, "{}", runtime.version());
    // Whatever library is named later, the one that was loaded first stays.
    let elsewhere = Search {
        library: Some("/nonexistent/libonnxruntime.so".into()),
        ..Search::default()
    };
    let again = gstblurdm::engine::runtime(&elsewhere).unwrap();
    assert!(std::ptr::eq(again, runtime));
}

#[test]
fn a_bundle_in_a_folder_equals_the_built_in_one_if_its_files_do() {
    let copy = bundle::Copy::with_variants();
    let (opened, builtin) = (Bundle::open(copy.path()).unwrap(), Bundle::builtin().unwrap());
    assert_eq!(opened.hash(), builtin.hash());
    assert_eq!(opened.label(), copy.text());
    let mut from_folder = {
        the_runtime();
        Deblurrer::new(&opened, &options(Provider::Cpu), &Search::default(), size(32, 32)).unwrap()
    };
    let frame = picture(32, 32, 1);
    let expected = restore(&mut deblurrer(Provider::Cpu, size(32, 32)), &frame, 0);
    assert_eq!(restore(&mut from_folder, &frame, 0), expected);
}

#[test]
fn another_manifest_has_another_hash() {
    let copy = bundle::Copy::new();
    copy.set("version", "\"9.9.9\"");
    assert_ne!(
        Bundle::open(copy.path()).unwrap().hash(),
        Bundle::builtin().unwrap().hash()
    );
}
