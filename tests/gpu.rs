// SPDX-License-Identifier: MPL-2.0

//! What only a machine with an NVIDIA GPU can show: `make test-gpu`. `make test` leaves these out, for most machines have none.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::{init, options, picture, size, the_runtime};
use gst::prelude::*;
use gst_check::Harness;
use gstblurdm::engine::{Bundle, Deblurrer, Error, Options, Precision, Provider, Search, Settings, lacking};

const FRAME: (usize, usize) = (640, 360);

/// PSNR in dB that frames restored on a GPU have at least, those of the CPU in fp32 being the truth.
const PARITY: f64 = 45.0;

/// The bundles that are shipped, by name.
fn bundles() -> Vec<(&'static str, Bundle)> {
    the_runtime();
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/blurdm-small");
    vec![
        ("blurdm-nano", Bundle::builtin().unwrap()),
        ("blurdm-small", Bundle::open(&small).unwrap()),
    ]
}

fn load(bundle: &Bundle, provider: Provider, precision: Precision, settings: Settings) -> Result<Deblurrer, Error> {
    let options = Options {
        precision: Some(precision),
        settings,
        ..options(provider)
    };
    let (width, height) = FRAME;
    Deblurrer::new(bundle, &options, &Search::default(), size(width, height))
}

fn restored(deblurrer: &mut Deblurrer, frame: &[u8]) -> Vec<u8> {
    let mut restored = vec![0; frame.len()];
    deblurrer.restore(frame, &mut restored, 1).unwrap();
    restored
}

/// Over red, green and blue.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares: f64 = a
        .chunks_exact(4)
        .zip(b.chunks_exact(4))
        .flat_map(|(a, b)| (0..3).map(move |i| f64::from(a[i].abs_diff(b[i])).powi(2)))
        .sum();
    10.0 * (255.0 * 255.0 * (a.len() / 4 * 3) as f64 / squares.max(1e-9)).log10()
}

fn assert_parity(provider: Provider, precisions: &[Precision]) {
    let frame = picture(FRAME.0, FRAME.1, 3);
    for (name, bundle) in bundles() {
        let exact = load(&bundle, Provider::Cpu, Precision::Fp32, Settings::default());
        let expected = restored(&mut exact.unwrap(), &frame);
        for &precision in precisions {
            let mut deblurrer = load(&bundle, provider, precision, Settings::default())
                .unwrap_or_else(|error| panic!("{name} in {} on {provider}: {error}", precision.nick()));
            let parity = psnr(&restored(&mut deblurrer, &frame), &expected);
            println!(
                "{name} in {} on {provider}: {parity:.1} dB from the CPU's",
                precision.nick()
            );
            assert!(parity >= PARITY, "{name} in {}: {parity} dB", precision.nick());
        }
    }
}

#[test]
fn cuda_restores_as_the_cpu_does() {
    assert_parity(Provider::Cuda, &[Precision::Fp32, Precision::Fp16]);
}

#[test]
fn tensorrt_restores_as_the_cpu_does_where_it_is_installed() {
    let lacks = lacking(Provider::TensorRt, the_runtime());
    if lacks.is_empty() {
        assert_parity(Provider::TensorRt, &[Precision::Fp16]);
    } else {
        let lacks: Vec<String> = lacks.iter().map(ToString::to_string).collect();
        println!("not run: TensorRT lacks {}", lacks.join("; "));
    }
}

#[test]
fn left_to_itself_the_element_runs_on_the_gpu() {
    init();
    the_runtime();
    let mut harness = Harness::new("blurdm");
    let caps = "video/x-raw,format=RGBx,width=640,height=360,framerate=30/1";
    harness.set_src_caps_str(caps);
    harness.set_sink_caps_str(caps);
    let frame = picture(FRAME.0, FRAME.1, 3);
    harness.push_and_pull(gst::Buffer::from_slice(frame)).unwrap();
    let active = harness.element().unwrap().property::<String>("active-provider");
    assert!(["cuda", "tensorrt"].contains(&active.as_str()), "it runs on {active}");
}

#[test]
fn a_provider_started_again_restores_the_same() {
    let (_, bundle) = bundles().remove(0);
    let frame = picture(FRAME.0, FRAME.1, 3);
    let [first, again] = [(); 2].map(|()| {
        let deblurrer = load(&bundle, Provider::Cuda, Precision::Fp16, Settings::default());
        restored(&mut deblurrer.unwrap(), &frame)
    });
    assert!(psnr(&first, &again) > 60.0, "{} dB", psnr(&first, &again));
}

#[test]
fn a_memory_limit_means_tiles_or_an_error_with_the_figures() {
    let (_, bundle) = bundles().remove(1);
    let settings = Settings {
        memory_limit_mib: 48,
        ..Settings::default()
    };
    let frame = picture(FRAME.0, FRAME.1, 3);
    match load(&bundle, Provider::Cuda, Precision::Fp32, settings) {
        Ok(mut deblurrer) => {
            assert!(deblurrer.tile().is_some(), "640x360 at once fits in 48 MiB");
            assert_ne!(restored(&mut deblurrer, &frame), frame);
        }
        Err(Error::Memory { figures, .. }) => assert!(figures.contains("MiB"), "'{figures}'"),
        Err(other) => panic!("{other}"),
    }
}
