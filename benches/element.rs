// SPDX-License-Identifier: MPL-2.0

//! The element compared with the bare `run` of the same graphs, in one process and one run.
//!
//! `cargo bench` prints criterion's figures and then a table of medians with their ratio. Environment variables select
//! what is measured: `BLURDM_BENCH_PROVIDER` the execution provider (cpu, openvino, cuda; cpu by default),
//! `BLURDM_BENCH_PRECISION` the precision of the backbone (fp32, int8, bf16 with openvino, fp16 with cuda; fp32 by
//! default), `BLURDM_BENCH_BUNDLE` the bundle (`models/blurdm-nano` by default) and `BLURDM_BENCH_SIZES` the frame
//! sizes (640x360,1280x720 by default). The bare graphs get RGBx whatever format the element gets.
//!
//! On a GPU the bare run is `run_binding` on pinned memory, and each side gets several frames in a turn: the element
//! has two frames in flight there, and the one that is not complete at the end of its turn must not matter.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

#[path = "gpu/bound.rs"]
mod bound;

use bound::Bound;
use criterion::{BenchmarkId, Criterion};
use gst_check::Harness;
use ort::{
    ep::{self, ArbitrarilyConfigurableExecutionProvider},
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};

use gstblurdm::{
    diffusion::{ResidualEstimator, Residuals, Sampler},
    engine::{Bundle, Search, runtime},
};

const SIZES: &str = "640x360,1280x720";
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/blurdm-nano");

/// What is measured, as selected by environment variables.
struct Case {
    provider: String,
    precision: String,
    bundle: String,
    sizes: Vec<(usize, usize)>,
}

impl Case {
    fn read() -> Result<Self, Failure> {
        let given = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
        let sizes = given("BLURDM_BENCH_SIZES", SIZES);
        let side = |text: &str| {
            text.parse()
                .map_err(|_| format!("BLURDM_BENCH_SIZES={sizes}: expected sizes such as {SIZES}"))
        };
        Ok(Self {
            provider: given("BLURDM_BENCH_PROVIDER", "cpu"),
            precision: given("BLURDM_BENCH_PRECISION", "fp32"),
            bundle: given("BLURDM_BENCH_BUNDLE", BUNDLE),
            sizes: sizes
                .split(',')
                .map(|size| {
                    let (width, height) = size.split_once('x').unwrap_or((size, ""));
                    Ok((side(width)?, side(height)?))
                })
                .collect::<Result<_, String>>()?,
        })
    }
}

const BARE: &str = "bare";

/// The formats of the frames that are pushed into the element.
const FORMATS: [&str; 2] = ["RGBx", "NV12"];

type Failure = Box<dyn Error>;

/// The graphs of the bundle and the sampler, without the engine.
struct Bare {
    encoder: Session,
    residuals: Session,
    backbone: Session,
    /// The bindings of encoder and backbone on a GPU.
    bound: Option<Bound>,
    sampler: Sampler,
    shape: [usize; 4],
}

struct BareResiduals<'a>(&'a mut Session);

impl ResidualEstimator for BareResiduals<'_> {
    type Error = ort::Error;

    fn estimate(
        &mut self,
        z_t: ndarray::ArrayView1<'_, f32>,
        z_blur: ndarray::ArrayView1<'_, f32>,
        t: usize,
        s: usize,
        residuals: &mut Residuals,
    ) -> Result<(), ort::Error> {
        let (t, s) = ([t as f32], [s as f32]);
        let outputs = self.0.run(ort::inputs![
            TensorRef::from_array_view(z_t.insert_axis(ndarray::Axis(0)))?,
            TensorRef::from_array_view(z_blur.insert_axis(ndarray::Axis(0)))?,
            TensorRef::from_array_view(([1], &t[..]))?,
            TensorRef::from_array_view(([1], &s[..]))?,
        ])?;
        residuals
            .blur
            .iter_mut()
            .zip(outputs[0].try_extract_tensor::<f32>()?.1)
            .for_each(|(a, b)| *a = *b);
        residuals
            .noise
            .iter_mut()
            .zip(outputs[1].try_extract_tensor::<f32>()?.1)
            .for_each(|(a, b)| *a = *b);
        Ok(())
    }
}

impl Bare {
    fn new(case: &Case, width: usize, height: usize) -> Result<Self, Failure> {
        let (provider, precision) = (case.provider.as_str(), case.precision.as_str());
        let folder = Path::new(&case.bundle);
        let runtime = runtime(&Search::default())?;
        let session = |file: &str, provider: &str, precision: &str| -> Result<Session, Failure> {
            let mut builder = Session::builder(runtime.environment())?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(false)?
                .with_inter_op_spinning(false)?
                .with_dimension_override("height", height as i64)?
                .with_dimension_override("width", width as i64)?;
            if provider == "openvino" {
                let mut openvino = ep::OpenVINO::default().with_device_type("CPU");
                if precision == "bf16" {
                    let hint = r#"{"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}"#;
                    openvino = openvino.with_arbitrary_config("load_config", hint);
                }
                builder = builder.with_execution_providers([openvino.build().error_on_failure()])?;
            }
            if provider == "cuda" {
                // The element sets these options for live video.
                let settings = [
                    ("cudnn_conv_algo_search", "HEURISTIC"),
                    ("cudnn_conv_use_max_workspace", "1"),
                    ("prefer_nhwc", "1"),
                    ("use_tf32", "0"),
                ];
                let cuda = settings.into_iter().fold(ep::CUDA::default(), |cuda, (key, value)| {
                    cuda.with_arbitrary_config(key, value)
                });
                builder = builder.with_execution_providers([cuda.build().error_on_failure()])?;
            }
            Ok(builder.commit_from_memory(&fs::read(folder.join(file))?)?)
        };
        let bundle = Bundle::open(folder)?;
        let backbone = match precision {
            "int8" => "backbone.int8.onnx",
            "fp16" => "backbone.fp16.onnx",
            _ => "backbone.onnx",
        };
        let (encoder, backbone) = (
            session("prior_encoder.onnx", provider, "fp32")?,
            session(backbone, provider, precision)?,
        );
        let prior = bundle.manifest().prior.as_ref().zip(bundle.schedule());
        let (prior, schedule) = prior.ok_or("a model without a prior is not measured")?;
        let bound = (provider == "cuda").then(|| Bound::new(&encoder, &backbone, height, width, prior.dim));
        Ok(Self {
            encoder,
            residuals: session("residuals.onnx", "cpu", "fp32")?,
            backbone,
            bound: bound.transpose()?,
            sampler: Sampler::new(schedule.clone(), prior.dim),
            shape: [1, height, width, 4],
        })
    }

    fn run(&mut self, frame: &[u8]) -> Result<(), Failure> {
        if let Some(bound) = &mut self.bound {
            let z_blur = bound.encode(&mut self.encoder, frame)?;
            let prior = self
                .sampler
                .run(
                    ndarray::ArrayView1::from(z_blur),
                    None,
                    1,
                    &mut BareResiduals(&mut self.residuals),
                )
                .map_err(|error| error.to_string())?
                .to_vec();
            std::hint::black_box(bound.restore(&mut self.backbone, &prior)?);
            return Ok(());
        }
        let outputs = self
            .encoder
            .run(ort::inputs![TensorRef::from_array_view((self.shape, frame))?])?;
        let z_blur = outputs[0]
            .try_extract_array::<f32>()?
            .into_shape_with_order(outputs[0].shape().num_elements())?;
        let prior = self
            .sampler
            .run(z_blur, None, 1, &mut BareResiduals(&mut self.residuals))
            .map_err(|error| error.to_string())?;
        let restored = self.backbone.run(ort::inputs![
            TensorRef::from_array_view((self.shape, frame))?,
            TensorRef::from_array_view(prior.view().insert_axis(ndarray::Axis(0)))?,
        ])?;
        std::hint::black_box(restored[0].try_extract_tensor::<u8>()?.1);
        Ok(())
    }
}

/// Returns a harness around the element for frames of one size and format. The element restores every frame, however
/// long that takes.
fn element(case: &Case, format: &str, width: usize, height: usize) -> Result<Harness, Failure> {
    let element = gst::ElementFactory::make("blurdm")
        .property_from_str("execution-provider", &case.provider)
        .property("model", &case.bundle)
        .property_from_str("precision", &case.precision)
        .property("adaptive", false)
        .property_from_str("deadline", "process")
        .property("steps", 1u32)
        .build()?;
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    let caps = format!("video/x-raw,format={format},width={width},height={height},framerate=30/1");
    harness.set_src_caps_str(&caps);
    harness.set_sink_caps_str(&caps);
    Ok(harness)
}

/// Returns a frame that is smooth with a little noise, which depends on the seed.
fn frame(width: usize, height: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..width * height * 4)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((i / 4 % width) * 255 / width) as u8 / 2 + (state >> 28) as u8 * 4
        })
        .collect()
}

/// The time of every frame by frame height and candidate, filled while criterion measures.
type Times = RefCell<BTreeMap<(usize, &'static str), Vec<Duration>>>;

/// Runs all candidates in turn, with `frames` frames each, so that other load on the machine affects all of them.
/// Returns the total time of one.
fn in_turn(
    times: &Times,
    height: usize,
    (iterations, frames): (u64, u32),
    wanted: &str,
    candidates: &mut [Candidate<'_>],
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        for (name, run) in candidates.iter_mut() {
            let started = Instant::now();
            (0..frames).for_each(|_| run());
            let spent = started.elapsed() / frames;
            times.borrow_mut().entry((height, *name)).or_default().push(spent);
            if *name == wanted {
                total += spent;
            }
        }
    }
    total
}

type Candidate<'a> = (&'static str, Box<dyn FnMut() + 'a>);

/// Returns the element as a candidate. It gets two frames alternately, since it samples no prior for a repeated one.
fn candidate(mut harness: Harness, frames: [Vec<u8>; 2]) -> impl FnMut() {
    let mut buffers = frames.map(gst::Buffer::from_slice).into_iter().cycle();
    move || {
        if let Some(buffer) = buffers.next()
            && let Err(error) = harness.push(buffer)
        {
            panic!("the element failed: {error}");
        }
        // With two frames in flight the first push returns none.
        while harness.try_pull().is_some() {}
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn main() -> Result<(), Failure> {
    gst::init()?;
    gstblurdm::plugin_register_static()?;
    let case = Case::read()?;
    let times = Times::default();
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for &(width, height) in &case.sizes {
        let data = [1, 2].map(|seed| frame(width, height, seed));
        let mut turns = data.iter().cycle();
        let mut bare = Bare::new(&case, width, height)?;
        let mut run_bare = || {
            if let Some(frame) = turns.next()
                && let Err(error) = bare.run(frame)
            {
                panic!("the bare graphs failed: {error}");
            }
        };
        run_bare();
        let mut candidates: Vec<Candidate<'_>> = vec![(BARE, Box::new(run_bare))];
        for format in FORMATS {
            let info = gst_video::VideoInfo::builder(format.parse()?, width as u32, height as u32).build()?;
            let frames = [1, 2].map(|seed| {
                let mut frame = frame(width, height, seed);
                frame.truncate(info.size());
                frame
            });
            let harness = element(&case, format, width, height)?;
            candidates.push((format, Box::new(candidate(harness, frames))));
        }
        // With two frames in flight, a turn of one frame would measure the frame before.
        let frames = if case.provider == "cuda" { 32 } else { 1 };
        let mut group = criterion.benchmark_group(format!("{width}x{height} {} {}", case.provider, case.precision));
        for name in [BARE].into_iter().chain(FORMATS) {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter_custom(|n| in_turn(&times, height, (n, frames), name, &mut candidates));
            });
        }
        group.finish();
    }
    print_table(&times.borrow(), &case);
    Ok(())
}

fn print_table(times: &BTreeMap<(usize, &'static str), Vec<Duration>>, case: &Case) {
    let Case {
        provider, precision, ..
    } = case;
    println!(
        "\n| size | provider | precision | bare run, fps | element, RGBx, fps | RGBx / bare, time | NV12 / bare, time |"
    );
    println!("|---|---|---|---|---|---|---|");
    for &(width, height) in &case.sizes {
        let spent = |name| times.get(&(height, name)).map(|times| median(times).as_secs_f64());
        if let (Some(bare), Some(rgbx), Some(nv12)) = (spent(BARE), spent(FORMATS[0]), spent(FORMATS[1])) {
            println!(
                "| {width}x{height} | {provider} | {precision} | {:.1} | {:.1} | {:.3} | {:.3} |",
                1.0 / bare,
                1.0 / rgbx,
                rgbx / bare,
                nv12 / bare
            );
        }
    }
}
