// SPDX-License-Identifier: MPL-2.0

//! The element beside the bare `run` of the same graphs, in one process and one run.
//!
//! `cargo bench` prints criterion's figures and then a table of medians with their ratio. `BLURDM_BENCH_PROVIDER` picks the
//! execution provider (cpu, openvino; cpu by default).

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion};
use gst_check::Harness;
use ort::{
    ep,
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};

use gstblurdm::{
    diffusion::{ResidualEstimator, Residuals, Sampler},
    engine::{Bundle, Search, runtime},
};

const SIZES: [(usize, usize); 2] = [(640, 360), (1280, 720)];
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/blurdm-nano");

const BARE: &str = "bare";
const ELEMENT: &str = "element";

type Failure = Box<dyn Error>;

/// The graphs of the bundle with nothing around them but the sampler.
struct Bare {
    encoder: Session,
    residuals: Session,
    backbone: Session,
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
    fn new(provider: &str, width: usize, height: usize) -> Result<Self, Failure> {
        let runtime = runtime(&Search::default())?;
        let session = |file: &str, provider: &str| -> Result<Session, Failure> {
            let mut builder = Session::builder(runtime.environment())?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_inter_threads(1)?
                .with_intra_op_spinning(false)?
                .with_inter_op_spinning(false)?
                .with_dimension_override("height", height as i64)?
                .with_dimension_override("width", width as i64)?;
            if provider == "openvino" {
                let openvino = ep::OpenVINO::default().with_device_type("CPU").build();
                builder = builder.with_execution_providers([openvino.error_on_failure()])?;
            }
            Ok(builder.commit_from_memory(&fs::read(Path::new(BUNDLE).join(file))?)?)
        };
        let bundle = Bundle::open(Path::new(BUNDLE))?;
        Ok(Self {
            encoder: session("prior_encoder.onnx", provider)?,
            residuals: session("residuals.onnx", "cpu")?,
            backbone: session("backbone.onnx", provider)?,
            sampler: Sampler::new(bundle.schedule().clone(), bundle.manifest().prior.dim),
            shape: [1, height, width, 4],
        })
    }

    fn run(&mut self, frame: &[u8]) -> Result<(), Failure> {
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

/// A harness around the element that takes frames of one size.
fn element(provider: &str, width: usize, height: usize) -> Result<Harness, Failure> {
    let element = gst::ElementFactory::make("blurdm")
        .property_from_str("execution-provider", provider)
        .property("model", BUNDLE)
        .property("steps", 1u32)
        .build()?;
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    let caps = format!("video/x-raw,format=RGBx,width={width},height={height},framerate=30/1");
    harness.set_src_caps_str(&caps);
    harness.set_sink_caps_str(&caps);
    Ok(harness)
}

/// Something like a frame: smooth, with a little noise, which differs from seed to seed.
fn frame(width: usize, height: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..width * height * 4)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((i / 4 % width) * 255 / width) as u8 / 2 + (state >> 28) as u8 * 4
        })
        .collect()
}

/// Every frame's time by frame height and contestant, filled while criterion measures.
type Times = RefCell<BTreeMap<(usize, &'static str), Vec<Duration>>>;

/// Runs both contestants in turn, so that whatever else the machine does meets both, and returns the total of one.
fn in_turn(
    times: &Times,
    height: usize,
    iterations: u64,
    wanted: &'static str,
    bare: &mut dyn FnMut(),
    element: &mut dyn FnMut(),
) -> Duration {
    let mut total = Duration::ZERO;
    let mut clock = |name: &'static str, once: &mut dyn FnMut()| {
        let started = Instant::now();
        once();
        let spent = started.elapsed();
        times.borrow_mut().entry((height, name)).or_default().push(spent);
        if name == wanted {
            total += spent;
        }
    };
    for _ in 0..iterations {
        clock(BARE, bare);
        clock(ELEMENT, element);
    }
    total
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn main() -> Result<(), Failure> {
    gst::init()?;
    gstblurdm::plugin_register_static()?;
    let provider = env::var("BLURDM_BENCH_PROVIDER").unwrap_or_else(|_| "cpu".into());
    let times = Times::default();
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for (width, height) in SIZES {
        // Two in turn: the element spares a repeated frame its prior, and the bare side does not.
        let data = [1, 2].map(|seed| frame(width, height, seed));
        let mut bare = Bare::new(&provider, width, height)?;
        let mut harness = element(&provider, width, height)?;
        let buffers = data.clone().map(gst::Buffer::from_slice);
        bare.run(&data[0])?;
        let mut group = criterion.benchmark_group(format!("{width}x{height} {provider}"));
        let (mut bare_turns, mut element_turns) = ((0..=1).cycle(), (0..=1).cycle());
        let mut run_bare = || {
            if let Some(turn) = bare_turns.next()
                && let Err(error) = bare.run(&data[turn])
            {
                panic!("the bare graphs failed: {error}");
            }
        };
        let mut run_element = || {
            if let Some(turn) = element_turns.next()
                && let Err(error) = harness.push_and_pull(buffers[turn].clone())
            {
                panic!("the element failed: {error}");
            }
        };
        for name in [BARE, ELEMENT] {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter_custom(|n| in_turn(&times, height, n, name, &mut run_bare, &mut run_element));
            });
        }
        group.finish();
    }
    print_table(&times.borrow(), &provider);
    Ok(())
}

fn print_table(times: &BTreeMap<(usize, &'static str), Vec<Duration>>, provider: &str) {
    println!("\n| size | provider | bare run, fps | element, fps | element / bare, time |");
    println!("|---|---|---|---|---|");
    for (width, height) in SIZES {
        if let (Some(bare), Some(element)) = (times.get(&(height, BARE)), times.get(&(height, ELEMENT))) {
            let (bare, element) = (median(bare), median(element));
            let fps = |d: Duration| 1.0 / d.as_secs_f64();
            let ratio = element.as_secs_f64() / bare.as_secs_f64();
            println!(
                "| {width}x{height} | {provider} | {:.1} | {:.1} | {ratio:.3} |",
                fps(bare),
                fps(element)
            );
        }
    }
}
