// SPDX-License-Identifier: MPL-2.0

//! Lower precisions: selected where they are faster and lose little, and never silently instead of the one that was
//! asked for.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{bundle::Copy, compare::psnr, errors_of, has_library, options, picture, size, the_runtime};
use gst::prelude::*;
use gstblurdm::engine::{Bundle, Deblurrer, Error, Options, Precision, Provider, Search};

const W: usize = 320;
const H: usize = 180;

fn load(bundle: &Bundle, provider: Provider, precision: Option<Precision>) -> Result<Deblurrer, Error> {
    the_runtime();
    let options = Options {
        precision,
        ..options(provider)
    };
    Deblurrer::new(bundle, &options, &Search::default(), size(W, H))
}

fn providers() -> impl Iterator<Item = Provider> {
    [Provider::Cpu, Provider::OpenVino]
        .into_iter()
        .filter(|&provider| has_library(provider))
}

fn restored(deblurrer: &mut Deblurrer) -> Vec<u8> {
    let frame = picture(W, H, 3);
    let mut restored = vec![0; frame.len()];
    deblurrer.restore(&frame, &mut restored, 1).unwrap();
    restored
}

#[test]
fn int8_restores_nearly_what_fp32_restores() {
    let bundle = Bundle::builtin().unwrap();
    for provider in providers() {
        let mut exact = load(&bundle, provider, Some(Precision::Fp32)).unwrap();
        let mut cheap = load(&bundle, provider, Some(Precision::Int8)).unwrap();
        assert_eq!(
            (exact.precision(), cheap.precision()),
            (Precision::Fp32, Precision::Int8)
        );
        let (exact, cheap) = (restored(&mut exact), restored(&mut cheap));
        assert_ne!(exact, cheap, "{provider}: it did not compute in int8");
        assert!(psnr(&exact, &cheap) > 40.0, "{provider}: {}", psnr(&exact, &cheap));
        let fourth = |frame: &[u8]| frame.iter().skip(3).step_by(4).copied().collect::<Vec<u8>>();
        assert_eq!(fourth(&cheap), fourth(&picture(W, H, 3)));
    }
}

#[test]
fn bf16_runs_on_openvino_where_the_cpu_supports_it_and_is_an_error_elsewhere() {
    let bundle = Bundle::builtin().unwrap();
    let refused = |provider| {
        load(&bundle, provider, Some(Precision::Bf16))
            .err()
            .unwrap()
            .to_string()
    };
    let message = refused(Provider::Cpu);
    assert!(
        message.contains("bf16") && message.contains("only openvino"),
        "{message}"
    );
    if !has_library(Provider::OpenVino) {
        return;
    }
    if std::fs::read_to_string("/proc/cpuinfo")
        .unwrap()
        .contains("avx512_bf16")
    {
        let mut cheap = load(&bundle, Provider::OpenVino, Some(Precision::Bf16)).unwrap();
        assert_eq!(cheap.precision(), Precision::Bf16);
        let exact = restored(&mut load(&bundle, Provider::OpenVino, Some(Precision::Fp32)).unwrap());
        let cheap = restored(&mut cheap);
        assert_ne!(exact, cheap, "it did not compute in bf16");
        assert!(psnr(&exact, &cheap) > 45.0, "{}", psnr(&exact, &cheap));
    } else {
        let message = refused(Provider::OpenVino);
        assert!(message.contains("no units for it"), "{message}");
    }
}

#[test]
fn a_variant_that_the_model_does_not_have_is_an_error_that_names_those_it_has() {
    let copy = Copy::shifting(None, 0.5);
    let bundle = Bundle::open(copy.path()).unwrap();
    for precision in [Precision::Fp16, Precision::Int8] {
        let message = load(&bundle, Provider::Cpu, Some(precision)).err().unwrap().to_string();
        assert!(
            message.contains(precision.nick()) && message.contains("fp32 only"),
            "{message}"
        );
    }
    common::init();
    let element = gst::ElementFactory::make("blurdm")
        .property("model", copy.text())
        .property_from_str("execution-provider", "cpu")
        .property_from_str("precision", "int8")
        .build()
        .unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err());
    let errors = errors_of(&bus, &element);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].matches(gst::LibraryError::Settings), "{}", errors[0]);
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn auto_selects_no_precision_that_loses_too_much_or_was_not_measured() {
    for provider in providers() {
        for losses in ["", "int8 = 0.1\nbf16 = 0.3", "int8 = 2.0\nbf16 = 2.0"] {
            let copy = Copy::with_variants();
            copy.drop_section("[backbone.losses]");
            if !losses.is_empty() {
                copy.replace(
                    "[backbone.variants]",
                    &format!("[backbone.losses]\n{losses}\n\n[backbone.variants]"),
                );
            }
            let bundle = Bundle::open(copy.path()).unwrap();
            assert_eq!(
                load(&bundle, provider, None).unwrap().precision(),
                Precision::Fp32,
                "{provider}, {losses}"
            );
        }
    }
}

#[test]
fn a_variant_that_is_not_what_its_manifest_promises_is_refused_and_auto_uses_the_exact_one() {
    let with_gain = |gain, precision| {
        let copy = Copy::shifting_with_int8(gain);
        load(&Bundle::open(copy.path()).unwrap(), Provider::Cpu, precision)
    };
    assert_eq!(
        with_gain(0.5, Some(Precision::Int8)).unwrap().precision(),
        Precision::Int8
    );
    let message = with_gain(2.0, Some(Precision::Int8)).err().unwrap().to_string();
    assert!(
        message.contains("int8") && message.contains("not what its manifest promises"),
        "{message}"
    );
    assert_eq!(with_gain(2.0, None).unwrap().precision(), Precision::Fp32);
}

#[test]
fn auto_selects_the_lower_precision_of_the_built_in_model_that_this_machine_computes_fast() {
    let bundle = Bundle::builtin().unwrap();
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let has = |names: &[&str]| {
        names
            .iter()
            .any(|name| flags.split_whitespace().any(|flag| flag == *name))
    };
    let int8 = has(&["avx512_vnni", "avx_vnni", "asimddp"]);
    for provider in providers() {
        let expected = match provider {
            Provider::OpenVino if has(&["amx_bf16"]) => Precision::Bf16,
            _ if int8 => Precision::Int8,
            _ => Precision::Fp32,
        };
        assert_eq!(
            load(&bundle, provider, None).unwrap().precision(),
            expected,
            "{provider}"
        );
    }
}

#[test]
fn a_manifest_with_unknown_precisions_is_an_error_that_names_them() {
    let spoiled = |old: &str, new: &str| {
        let copy = Copy::with_variants();
        copy.replace(old, new);
        Bundle::open(copy.path()).err().unwrap().to_string()
    };
    for (old, new, what) in [
        ("fp32 = \"backbone.onnx\"", "fp33 = \"backbone.onnx\"", "'fp33'"),
        ("fp32 = \"backbone.onnx\"\n", "", "no fp32"),
        ("[backbone.losses]", "[backbone.losses]\nint9 = 0.1", "'int9'"),
        ("[backbone.losses]", "[backbone.losses]\nfp16 = nan", "fp16"),
    ] {
        let message = spoiled(old, new);
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn the_element_posts_the_precision_that_it_computes_in() {
    common::init();
    let element = common::element();
    element.set_property_from_str("precision", "int8");
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_state(gst::State::Paused).unwrap();
    let posted = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element])).find_map(|message| {
        message
            .structure()
            .map(|structure| structure.get::<String>("precision").unwrap())
    });
    assert_eq!(posted.as_deref(), Some("int8"));
    element.set_state(gst::State::Null).unwrap();
}
