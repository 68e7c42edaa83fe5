// SPDX-License-Identifier: MPL-2.0

//! What the tests share: elements, frames, and bundles to damage.

// Every test binary compiles this module and uses a part of it.
#![allow(dead_code)]

pub mod bundle;
pub mod compare;
pub mod faults;
pub mod process;
pub mod unmappable;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, Once, PoisonError},
};

use gst::prelude::*;
use gst_check::Harness;
use gst_video::prelude::*;
use gstblurdm::engine::{Bundle, Choice, Deblurrer, FrameSize, Options, Precision, Provider, Runtime, Search, runtime};

/// The limit for what a pipeline does at once. Only a hang takes this long.
pub const HANG: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// Initialises GStreamer and registers the element `blurdm`, once.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::init().unwrap();
        gstblurdm::plugin_register_static().unwrap();
    });
}

/// Returns the runtime that the default search finds. Panics without one, since nothing can be tested then.
pub fn the_runtime() -> &'static Runtime {
    runtime(&Search::default()).unwrap_or_else(|error| panic!("the tests need ONNX Runtime (run `make test`): {error}"))
}

/// Returns whether the library of a provider is beside the runtime. The CPU provider needs none.
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

/// Loads the built-in model on a provider.
pub fn deblurrer(provider: Provider, size: FrameSize) -> Deblurrer {
    the_runtime();
    let bundle = Bundle::builtin().unwrap();
    Deblurrer::new(&bundle, &options(provider), &Search::default(), size).unwrap_or_else(|e| panic!("{provider}: {e}"))
}

/// Restores a frame on the CPU. All tests of a binary share one deblurrer per size.
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

/// Returns the folder of the built-in model.
pub fn nano() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/blurdm-nano")
}

/// Returns an RGBx frame without padding that every network changes: shapes, a ramp and grain. The fourth byte varies.
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

/// Returns the offsets of red, green, blue and the fourth byte in a pixel, and the bytes of a pixel.
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

/// Returns an RGBx frame in another format, with rows of `stride` bytes. Padding is 0xEE.
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

/// As [`packed`], with GStreamer's default stride.
pub fn buffer(rgbx: &[u8], format: gst_video::VideoFormat, width: usize, height: usize) -> gst::Buffer {
    let stride = info(format, width as u32, height as u32).stride()[0] as usize;
    packed(rgbx, format, width, stride)
}

/// Returns the frame in a buffer as RGBx without padding. The fourth byte is 255 if the format has none.
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

/// Returns the element on the CPU provider, which every machine has and which always computes the same bits, without adaptation to the
/// speed of the machine.
pub fn element() -> gst::Element {
    init();
    gst::ElementFactory::make("blurdm")
        .property_from_str("execution-provider", "cpu")
        .property_from_str("precision", "fp32")
        .property("adaptive", false)
        .build()
        .unwrap()
}

/// Returns a field of the property `stats`.
pub fn stat<T>(element: &gst::Element, field: &str) -> T
where
    T: for<'a> gst::glib::value::FromValue<'a> + 'static,
{
    let stats = element.property::<gst::Structure>("stats");
    stats.value(field).unwrap().get_owned().unwrap()
}

/// Starts an element between two pads of the test, with caps of RGBx.
pub fn harness(element: &gst::Element, width: usize, height: usize) -> Harness {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(caps(gst_video::VideoFormat::Rgbx, width as u32, height as u32));
    harness
}

/// Pushes an RGBx frame without padding through the element.
pub fn through(harness: &mut Harness, frame: &[u8], width: usize, height: usize) -> Vec<u8> {
    let format = gst_video::VideoFormat::Rgbx;
    let out = harness.push_and_pull(buffer(frame, format, width, height)).unwrap();
    unpacked(&out, format, width, height)
}

/// Returns the errors that one element has posted so far.
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

/// Returns a pipeline from a description, and its element `b`.
pub fn pipeline(description: &str) -> (gst::Pipeline, gst::Element) {
    init();
    let pipeline = gst::parse::launch(description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let element = pipeline.by_name("b").unwrap();
    (pipeline, element)
}

/// Returns how many frames the element has restored.
pub fn frames(element: &gst::Element) -> u64 {
    stat(element, "frames")
}

/// Returns how many frames the element has passed through unchanged.
pub fn passed(element: &gst::Element) -> u64 {
    stat(element, "passed")
}

/// Returns a duration of the statistics.
pub fn milliseconds(element: &gst::Element, field: &str) -> f64 {
    stat(element, field)
}
