// SPDX-License-Identifier: MPL-2.0

//! What the tests share: GStreamer made ready once, elements, frames, and bundles to spoil.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code)]

pub mod bundle;
pub mod compare;
pub mod faults;
pub mod process;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError},
};

use gst::prelude::*;
use gst_check::Harness;
use gst_video::prelude::*;
use gstblurdm::engine::{Bundle, Choice, Deblurrer, FrameSize, Options, Precision, Provider, Runtime, Search, runtime};

/// How long a pipeline may take for what it does at once: only a hang lasts this long.
pub const HANG: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// GStreamer with the element `blurdm` in it.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstblurdm::plugin_register_static().unwrap();
    });
}

/// The runtime that the ordinary search finds. Without one nothing here can be tested, so that is a failure.
pub fn the_runtime() -> &'static Runtime {
    runtime(&Search::default()).unwrap_or_else(|error| panic!("the tests need ONNX Runtime (run `make test`): {error}"))
}

/// Whether the library of a provider lies beside the runtime. The CPU is always there.
pub fn has_library(provider: Provider) -> bool {
    let name = match provider {
        Provider::Cpu => return true,
        other => format!("libonnxruntime_providers_{}.so", other.nick()),
    };
    the_runtime().path().parent().unwrap().join(name).exists()
}

pub fn size(width: usize, height: usize) -> FrameSize {
    FrameSize { width, height }
}

pub fn options(provider: Provider) -> Options {
    Options {
        provider: Choice::Only(provider),
        precision: Some(Precision::Fp32),
        ..Options::default()
    }
}

/// The built-in model on a provider.
pub fn deblurrer(provider: Provider, size: FrameSize) -> Deblurrer {
    the_runtime();
    let bundle = Bundle::builtin().unwrap();
    Deblurrer::new(&bundle, &options(provider), &Search::default(), size).unwrap_or_else(|e| panic!("{provider}: {e}"))
}

/// What the engine makes of a frame on the CPU. An engine per size serves all tests of a binary.
pub fn restored(frame: &[u8], width: usize, height: usize, steps: usize) -> Vec<u8> {
    static ENGINES: Mutex<BTreeMap<(usize, usize), Deblurrer>> = Mutex::new(BTreeMap::new());
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = engines
        .entry((width, height))
        .or_insert_with(|| deblurrer(Provider::Cpu, size(width, height)));
    let mut restored = vec![0; frame.len()];
    engine.restore(frame, &mut restored, steps).unwrap();
    assert_ne!(restored, frame);
    restored
}

/// The folder of the model that the library carries.
pub fn nano() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/blurdm-nano")
}

/// A tight RGBx frame that no network leaves alone: shapes, a ramp and some grain, with a different fourth byte everywhere.
pub fn picture(width: usize, height: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut grain = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 28
    };
    let mut frame = Vec::with_capacity(width * height * 4);
    for y in 0..height {
        for x in 0..width {
            let block = ((x / 5 + y / 7 + seed as usize) % 3) as u32 * 60;
            let ramp = (x * 80 / width) as u32;
            frame.extend([
                (30 + block + grain()) as u8,
                (20 + ramp + block / 2 + grain()) as u8,
                (200 - ramp - block + grain()) as u8,
                ((x * 3 + y * 5) % 256) as u8,
            ]);
        }
    }
    frame
}

pub fn caps(format: gst_video::VideoFormat, width: u32, height: u32) -> gst::Caps {
    info(format, width, height).to_caps().unwrap()
}

pub fn info(format: gst_video::VideoFormat, width: u32, height: u32) -> gst_video::VideoInfo {
    gst_video::VideoInfo::builder(format, width, height)
        .fps(gst::Fraction::new(30, 1))
        .build()
        .unwrap()
}

/// Where red, green, blue and the fourth byte lie in a pixel, and how many bytes it has.
pub fn places(format: gst_video::VideoFormat) -> (&'static [usize], usize) {
    use gst_video::VideoFormat as F;
    match format {
        F::Rgbx | F::Rgba => (&[0, 1, 2, 3], 4),
        F::Bgrx | F::Bgra => (&[2, 1, 0, 3], 4),
        F::Rgb => (&[0, 1, 2], 3),
        F::Bgr => (&[2, 1, 0], 3),
        other => panic!("{other} is no format of blurdm"),
    }
}

/// A buffer that holds a tight RGBx frame in another format, with rows of `stride` bytes. Padding bytes are 0xEE.
pub fn packed(rgbx: &[u8], format: gst_video::VideoFormat, width: usize, stride: usize) -> gst::Buffer {
    let (order, bytes) = places(format);
    assert!(stride >= width * bytes);
    let mut data = Vec::new();
    for row in rgbx.chunks_exact(width * 4) {
        let start = data.len();
        data.resize(start + stride, 0xEE);
        for (pixel, to) in row.chunks_exact(4).zip(data[start..].chunks_exact_mut(bytes)) {
            for (value, &at) in pixel.iter().zip(order) {
                to[at] = *value;
            }
        }
    }
    gst::Buffer::from_mut_slice(data)
}

/// As [`packed`], with the rows that GStreamer takes for granted.
pub fn buffer(rgbx: &[u8], format: gst_video::VideoFormat, width: usize, height: usize) -> gst::Buffer {
    let stride = info(format, width as u32, height as u32).stride()[0] as usize;
    packed(rgbx, format, width, stride)
}

/// The tight RGBx frame in a buffer; 255 for a fourth byte that the format does not have.
pub fn unpacked(buffer: &gst::BufferRef, format: gst_video::VideoFormat, width: usize, height: usize) -> Vec<u8> {
    let info = info(format, width as u32, height as u32);
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
    let stride = frame.plane_stride()[0] as usize;
    let (order, bytes) = places(format);
    let mut rgbx = Vec::with_capacity(width * height * 4);
    for row in frame.plane_data(0).unwrap().chunks(stride).take(height) {
        for pixel in row[..width * bytes].chunks_exact(bytes) {
            let mut out = [255; 4];
            for (value, &at) in out.iter_mut().zip(order) {
                *value = pixel[at];
            }
            rgbx.extend(out);
        }
    }
    rgbx
}

/// The element on the CPU, the provider that is everywhere and computes the same bits every time, however slow the machine is.
pub fn element() -> gst::Element {
    init();
    gst::ElementFactory::make("blurdm")
        .property_from_str("execution-provider", "cpu")
        .property_from_str("precision", "fp32")
        .property("adaptive", false)
        .build()
        .unwrap()
}

/// A number of the property `stats`.
pub fn stat<T>(element: &gst::Element, field: &str) -> T
where
    T: for<'a> gst::glib::value::FromValue<'a> + 'static,
{
    let stats = element.property::<gst::Structure>("stats");
    stats.value(field).unwrap().get_owned().unwrap()
}

/// A started element between two pads of the test, with caps of RGBx.
pub fn harness(element: &gst::Element, width: usize, height: usize) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(caps(gst_video::VideoFormat::Rgbx, width as u32, height as u32));
    harness
}

/// Sends a tight RGBx frame through.
pub fn through(harness: &mut Harness, frame: &[u8], width: usize, height: usize) -> Vec<u8> {
    let format = gst_video::VideoFormat::Rgbx;
    let out = harness.push_and_pull(buffer(frame, format, width, height)).unwrap();
    unpacked(&out, format, width, height)
}

/// The errors that one element has posted so far.
pub fn errors_of(bus: &gst::Bus, element: &impl IsA<gst::Object>) -> Vec<gst::glib::Error> {
    let mut errors = Vec::new();
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Error]) {
        if message.src() == Some(element.upcast_ref())
            && let gst::MessageView::Error(error) = message.view()
        {
            errors.push(error.error());
        }
    }
    errors
}

/// Plays a pipeline to its end, and panics on any error.
pub fn play_to_end(pipeline: &gst::Pipeline) {
    let bus = pipeline.bus().unwrap();
    let started = pipeline.set_state(gst::State::Playing);
    match bus.timed_pop_filtered(HANG, &[gst::MessageType::Eos, gst::MessageType::Error]) {
        None => panic!("neither the end nor an error came ({started:?})"),
        Some(message) => {
            if let gst::MessageView::Error(error) = message.view() {
                panic!("{}: {}", error.error(), error.debug().unwrap_or_default());
            }
        }
    }
}

/// A pipeline from a description, and the element in it that is named b.
pub fn pipeline(description: &str) -> (gst::Pipeline, gst::Element) {
    init();
    let pipeline = gst::parse::launch(description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let element = pipeline.by_name("b").unwrap();
    (pipeline, element)
}

/// Frames that the element has restored.
pub fn frames(element: &gst::Element) -> u64 {
    stat(element, "frames")
}

/// Frames that the element has let through as they were.
pub fn passed(element: &gst::Element) -> u64 {
    stat(element, "passed")
}

/// A duration of the statistics.
pub fn milliseconds(element: &gst::Element, field: &str) -> f64 {
    stat(element, field)
}
