// SPDX-License-Identifier: MPL-2.0

//! Tests that need an NVIDIA GPU. `make test-gpu` runs them, `make test` does not.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{HANG, compare::psnr, init, options, picture, size, the_runtime};
use gst::prelude::*;
use gst_check::Harness;
use gstblurdm::engine::{Bundle, Deblurrer, Error, Options, Precision, Provider, Search, Settings, missing_libraries};

const FRAME: (usize, usize) = (640, 360);

/// The least PSNR in dB between frames restored on a GPU and on the CPU in fp32.
const PARITY: f64 = 45.0;

/// Returns the bundles of the repository by name.
fn bundles() -> Vec<(&'static str, Bundle)> {
    the_runtime();
    // A test that runs on another machine than it was built on finds the models elsewhere.
    let models = std::env::var_os("BLURDM_MODELS").map(PathBuf::from);
    let models = models.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    let small = models.join("blurdm-small");
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
                "{name} in {} on {provider}: {parity:.1} dB against the CPU",
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
    let missing = missing_libraries(Provider::TensorRt, the_runtime());
    if missing.is_empty() {
        assert_parity(Provider::TensorRt, &[Precision::Fp16]);
    } else {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        println!("not run: TensorRT lacks {}", missing.join("; "));
    }
}

#[test]
fn by_default_the_element_runs_on_the_gpu() {
    init();
    the_runtime();
    let mut harness = Harness::new("blurdm");
    let caps = "video/x-raw,format=RGBx,width=640,height=360,framerate=30/1";
    harness.set_src_caps_str(caps);
    harness.set_sink_caps_str(caps);
    let frame = picture(FRAME.0, FRAME.1, 3);
    harness.push(gst::Buffer::from_slice(frame)).unwrap();
    harness.push_event(gst::event::Eos::new());
    assert!(harness.pull().is_ok());
    let active = harness.element().unwrap().property::<String>("active-provider");
    assert!(["cuda", "tensorrt"].contains(&active.as_str()), "it runs on {active}");
}

#[test]
fn a_provider_that_is_started_again_restores_the_same() {
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

/// Returns the frames that come out of an element on the GPU with `in_flight` frames in flight.
fn through_the_element(in_flight: u32, count: u32) -> Vec<Vec<u8>> {
    init();
    the_runtime();
    let (width, height) = FRAME;
    let element = gst::ElementFactory::make("blurdm")
        .property_from_str("execution-provider", "cuda")
        .property_from_str("precision", "fp16")
        .property("adaptive", false)
        .property("frames-in-flight", in_flight)
        .build()
        .unwrap();
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps_str(&format!(
        "video/x-raw,format=RGBx,width={width},height={height},framerate=30/1"
    ));
    for number in 0..count {
        harness
            .push(gst::Buffer::from_slice(picture(width, height, number)))
            .unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    std::iter::from_fn(|| harness.try_pull())
        .map(|buffer| buffer.map_readable().unwrap().to_vec())
        .collect()
}

#[test]
fn frames_in_flight_are_restored_as_one_after_the_other_is() {
    let (alone, beside) = (through_the_element(1, 12), through_the_element(2, 12));
    assert_eq!((alone.len(), beside.len()), (12, 12));
    for (number, (alone, beside)) in alone.iter().zip(&beside).enumerate() {
        let parity = psnr(alone, beside);
        assert!(parity > 60.0, "frame {number}: {parity} dB");
    }
}

#[test]
fn graphs_are_captured_and_frames_are_staged() {
    use std::sync::Mutex;
    static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    gst::log::add_log_function(|category, level, _, _, _, _, message| {
        if category.name().starts_with("blurdm") && level <= gst::DebugLevel::Info {
            let mut logged = LOGGED.lock().unwrap();
            logged.extend(message.get().map(|text| text.to_string()));
        }
    });
    gst::log::set_threshold_from_string("blurdm*:4", false);
    assert_eq!(through_the_element(2, 4).len(), 4);
    let logged = LOGGED.lock().unwrap();
    let warnings: Vec<_> = logged
        .iter()
        .filter(|line| line.contains("frames cannot be restored") || line.contains("every frame is copied"))
        .collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

/// `cudaupload` and `cudadownload` are among GStreamer's "bad" plugins, and this crate needs the feature `cuda-memory`.
#[test]
fn frames_in_gpu_memory_are_restored_as_those_in_host_memory_are() {
    init();
    let missing = ["cudaupload", "cudadownload"]
        .into_iter()
        .find(|name| gst::ElementFactory::find(name).is_none());
    if !cfg!(feature = "cuda-memory") || missing.is_some() {
        println!("not run: needs --features cuda-memory, cudaupload and cudadownload");
        return;
    }
    the_runtime();
    let frames = |up: &str, down: &str| -> Vec<Vec<u8>> {
        let pipeline = gst::parse::launch(&format!(
            "videotestsrc num-buffers=8 pattern=ball ! video/x-raw,format=RGBA,width=640,height=360 ! {up} \
             blurdm execution-provider=cuda precision=fp16 adaptive=false ! {down} appsink name=a sync=false"
        ));
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline.by_name("a").unwrap().downcast::<gst_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let frames = std::iter::from_fn(|| sink.try_pull_sample(HANG))
            .map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec())
            .collect();
        pipeline.set_state(gst::State::Null).unwrap();
        frames
    };
    let up = "cudaupload ! video/x-raw(memory:CUDAMemory),format=RGBA !";
    let down = "video/x-raw(memory:CUDAMemory),format=RGBA ! cudadownload ! video/x-raw,format=RGBA !";
    let (on_gpu, through_cpu) = (frames(up, down), frames("", ""));
    assert_eq!((on_gpu.len(), through_cpu.len()), (8, 8));
    for (a, b) in on_gpu.iter().zip(&through_cpu) {
        assert!(psnr(a, b) > 60.0, "{} dB", psnr(a, b));
    }
}
