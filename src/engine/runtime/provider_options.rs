// SPDX-License-Identifier: MPL-2.0

//! Registers the execution providers with a session builder, each with its options as keys and values of ONNX Runtime.

use std::{num::NonZeroUsize, path::Path};

use ort::{
    ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch},
    session::builder::SessionBuilder,
};

use crate::engine::{frame_size::FrameSize, options::Settings, precision::Precision, provider::Provider};

/// Keys and values.
type Pairs = Vec<(&'static str, String)>;

/// OpenVINO's setting for bf16; by default the provider asks for fp32.
const BF16: &str = r#"{"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}"#;

/// By default OpenVINO pins its threads to the first cores, where they compete with those of other processes while
/// other cores are idle.
const UNPINNED: &str = r#"{"CPU": {"ENABLE_CPU_PINNING": "NO"}}"#;
const UNPINNED_BF16: &str = r#"{"CPU": {"ENABLE_CPU_PINNING": "NO", "INFERENCE_PRECISION_HINT": "bf16"}}"#;

/// What a graph of one size is set up with.
pub(crate) struct Setup<'a> {
    pub settings: Settings,
    pub precision: Precision,
    /// `None` for graphs that see no frame.
    pub size: Option<FrameSize>,
    /// The graph's name in the contract, which is part of the names of its engines.
    pub graph: &'a str,
    /// The folder of the engines, or `None` to store none.
    pub cache: Option<&'a Path>,
    /// The address of the CUDA stream to run on, or `None` for the provider's own.
    pub stream: Option<NonZeroUsize>,
    /// Whether what the graph does is captured once and then replayed (a CUDA graph).
    pub captured: bool,
}

/// Makes the graphs of a session run on a provider. The nodes that a provider does not support run on the CPU, those
/// that TensorRT does not support on CUDA.
pub(crate) fn register(
    provider: Provider,
    builder: SessionBuilder,
    setup: &Setup<'_>,
) -> Result<SessionBuilder, ort::Error> {
    match provider {
        Provider::Cpu => Ok(builder),
        Provider::TensorRt => register_all(
            builder,
            vec![
                with_options(ep::TensorRT::default(), tensorrt(setup)).build(),
                with_options(ep::CUDA::default(), cuda(setup)).build(),
            ],
        ),
        Provider::Cuda => register_with::<ep::CUDA>(builder, cuda(setup), required_by_cuda(setup)),
        Provider::OpenVino => register_with::<ep::OpenVINO>(builder, openvino(setup), required_by_openvino(setup)),
    }
}

/// Registers a provider with all its options, or, where the runtime is too old to know them all, with the required
/// ones.
fn register_with<P>(builder: SessionBuilder, all: Pairs, required: Pairs) -> Result<SessionBuilder, ort::Error>
where
    P: ArbitrarilyConfigurableExecutionProvider + Default + Into<ExecutionProviderDispatch>,
{
    let register = |builder, options| register_all(builder, vec![with_options(P::default(), options).into()]);
    register(builder.clone(), all).or_else(|_| register(builder, required))
}

fn with_options<P: ArbitrarilyConfigurableExecutionProvider>(provider: P, options: Pairs) -> P {
    options.into_iter().fold(provider, |provider, (key, value)| {
        provider.with_arbitrary_config(key, value)
    })
}

fn register_all(
    builder: SessionBuilder,
    providers: Vec<ExecutionProviderDispatch>,
) -> Result<SessionBuilder, ort::Error> {
    // By default `ort` skips a provider that cannot be loaded without an error, and the graph runs on the CPU.
    let providers: Vec<_> = providers
        .into_iter()
        .map(ExecutionProviderDispatch::error_on_failure)
        .collect();
    Ok(builder.with_execution_providers(providers)?)
}

/// Returns the options that make a provider run on the given stream. The keys are the same for CUDA and TensorRT.
fn stream_options(setup: &Setup<'_>) -> Pairs {
    let options = |stream: NonZeroUsize| {
        vec![
            ("has_user_compute_stream", "1".to_owned()),
            ("user_compute_stream", stream.to_string()),
        ]
    };
    setup.stream.map_or_else(Vec::new, options)
}

/// Returns the options without which CUDA would not do what was asked. Every runtime with the provider knows them.
fn required_by_cuda(setup: &Setup<'_>) -> Pairs {
    let mut pairs = vec![("device_id", setup.settings.device_id.to_string())];
    pairs.extend(stream_options(setup));
    if setup.captured {
        pairs.push(("enable_cuda_graph", "1".into()));
    }
    pairs
}

/// Returns all options of CUDA, with those that make it fast and bound its memory. Old runtimes do not know all of
/// them.
fn cuda(setup: &Setup<'_>) -> Pairs {
    let search = if setup.settings.thorough {
        "EXHAUSTIVE"
    } else {
        "HEURISTIC"
    };
    let mut pairs = required_by_cuda(setup);
    pairs.extend([
        // By default the arena doubles, and takes up to twice the memory that the graphs need.
        ("arena_extend_strategy", "kSameAsRequested".into()),
        ("cudnn_conv_algo_search", search.into()),
        ("cudnn_conv_use_max_workspace", "1".into()),
        // Tensor cores are fastest with channels last.
        ("prefer_nhwc", "1".into()),
        // TF32 has a mantissa of 10 bits, and fp32 was asked for.
        ("use_tf32", "0".into()),
    ]);
    if let Some(bytes) = setup.settings.memory_limit() {
        pairs.push(("gpu_mem_limit", bytes.to_string()));
    }
    pairs
}

fn tensorrt(setup: &Setup<'_>) -> Pairs {
    let flag = |enabled: bool| if enabled { "1" } else { "0" }.to_owned();
    let mut pairs = vec![
        ("device_id", setup.settings.device_id.to_string()),
        ("trt_fp16_enable", flag(setup.precision == Precision::Fp16)),
        // The graphs are quantised explicitly: they hold their scales and need no calibration table.
        ("trt_int8_enable", flag(setup.precision == Precision::Int8)),
        ("trt_layer_norm_fp32_fallback", flag(setup.precision == Precision::Fp16)),
        ("trt_context_memory_sharing_enable", "1".into()),
    ];
    pairs.extend(stream_options(setup));
    if let Some(bytes) = setup.settings.memory_limit() {
        pairs.push(("trt_max_workspace_size", bytes.to_string()));
    }
    if let Some(size) = setup.size {
        // One profile of one shape. For any other shape TensorRT would build an engine in the middle of a video.
        let shapes = format!("frame:1x{}x{}x4", size.height, size.width);
        for key in [
            "trt_profile_min_shapes",
            "trt_profile_opt_shapes",
            "trt_profile_max_shapes",
        ] {
            pairs.push((key, shapes.clone()));
        }
    }
    if let Some(cache) = setup.cache {
        let folder = cache.display().to_string();
        pairs.extend([
            ("trt_engine_cache_enable", "1".into()),
            ("trt_engine_cache_path", folder.clone()),
            ("trt_engine_cache_prefix", setup.graph.to_owned()),
            ("trt_timing_cache_enable", "1".into()),
            ("trt_timing_cache_path", folder),
        ]);
    }
    pairs
}

/// Returns the options without which OpenVINO would not do what was asked. Every runtime with the provider knows them.
fn required_by_openvino(setup: &Setup<'_>) -> Pairs {
    openvino_options((setup.precision == Precision::Bf16).then_some(BF16), setup)
}

/// Returns all options of OpenVINO, with those that let it share a machine with other processes. Old runtimes do not
/// know all of them.
fn openvino(setup: &Setup<'_>) -> Pairs {
    let bf16 = setup.precision == Precision::Bf16;
    openvino_options(Some(if bf16 { UNPINNED_BF16 } else { UNPINNED }), setup)
}

fn openvino_options(config: Option<&str>, setup: &Setup<'_>) -> Pairs {
    let mut pairs = vec![("device_type", "CPU".to_owned())];
    if let Some(config) = config {
        pairs.push(("load_config", config.to_owned()));
    }
    if setup.settings.threads > 0 {
        pairs.push(("num_of_threads", setup.settings.threads.to_string()));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize {
        width: 640,
        height: 360,
    };

    fn setup(precision: Precision, thorough: bool) -> Setup<'static> {
        Setup {
            settings: Settings {
                device_id: 2,
                threads: 3,
                thorough,
                memory_limit_mib: 512,
            },
            precision,
            size: Some(SIZE),
            graph: "backbone",
            cache: Some(Path::new("/cache/key")),
            stream: None,
            captured: false,
        }
    }

    fn value<'a>(pairs: &'a Pairs, key: &str) -> Option<&'a str> {
        assert!(pairs.iter().filter(|pair| pair.0 == key).count() <= 1, "{key} twice");
        pairs.iter().find(|pair| pair.0 == key).map(|pair| pair.1.as_str())
    }

    #[test]
    fn cuda_searches_briefly_for_live_video_and_thoroughly_for_files() {
        let (live, file) = (
            cuda(&setup(Precision::Fp32, false)),
            cuda(&setup(Precision::Fp32, true)),
        );
        assert_eq!(value(&live, "cudnn_conv_algo_search"), Some("HEURISTIC"));
        assert_eq!(value(&file, "cudnn_conv_algo_search"), Some("EXHAUSTIVE"));
        for pairs in [live, file] {
            assert_eq!(value(&pairs, "device_id"), Some("2"));
            assert_eq!(value(&pairs, "prefer_nhwc"), Some("1"));
        }
    }

    #[test]
    fn staged_graphs_run_on_their_stream_whatever_else_the_runtime_knows() {
        let staged = Setup {
            stream: NonZeroUsize::new(0x7000),
            captured: true,
            ..setup(Precision::Fp16, false)
        };
        for pairs in [cuda(&staged), required_by_cuda(&staged)] {
            assert_eq!(value(&pairs, "has_user_compute_stream"), Some("1"));
            assert_eq!(value(&pairs, "user_compute_stream"), Some("28672"));
            assert_eq!(value(&pairs, "enable_cuda_graph"), Some("1"));
        }
        assert_eq!(value(&tensorrt(&staged), "user_compute_stream"), Some("28672"));
        for pairs in [
            cuda(&setup(Precision::Fp16, false)),
            tensorrt(&setup(Precision::Fp16, false)),
        ] {
            for key in ["has_user_compute_stream", "user_compute_stream", "enable_cuda_graph"] {
                assert_eq!(value(&pairs, key), None);
            }
        }
    }

    #[test]
    fn device_memory_is_bounded_where_a_bound_is_set() {
        assert_eq!(
            value(&cuda(&setup(Precision::Fp16, true)), "gpu_mem_limit"),
            Some("536870912")
        );
        assert_eq!(
            value(&tensorrt(&setup(Precision::Fp16, true)), "trt_max_workspace_size"),
            Some("536870912")
        );
        let mut free = setup(Precision::Fp16, true);
        free.settings.memory_limit_mib = 0;
        assert_eq!(value(&cuda(&free), "gpu_mem_limit"), None);
        assert_eq!(value(&cuda(&free), "arena_extend_strategy"), Some("kSameAsRequested"));
    }

    #[test]
    fn tensorrt_computes_in_what_was_asked_for_and_builds_one_engine_of_one_size() {
        for (precision, fp16, int8) in [
            (Precision::Fp32, "0", "0"),
            (Precision::Fp16, "1", "0"),
            (Precision::Int8, "0", "1"),
        ] {
            let pairs = tensorrt(&setup(precision, false));
            assert_eq!(value(&pairs, "trt_fp16_enable"), Some(fp16), "{precision}");
            assert_eq!(value(&pairs, "trt_int8_enable"), Some(int8), "{precision}");
            for bound in ["min", "opt", "max"] {
                let shapes = value(&pairs, &format!("trt_profile_{bound}_shapes")).map(str::to_owned);
                assert_eq!(shapes.as_deref(), Some("frame:1x360x640x4"));
            }
        }
    }

    #[test]
    fn tensorrt_stores_its_engines_in_the_folder_of_its_key_or_nowhere() {
        let stored = tensorrt(&setup(Precision::Fp16, false));
        for key in ["trt_engine_cache_path", "trt_timing_cache_path"] {
            assert_eq!(value(&stored, key), Some("/cache/key"));
        }
        assert_eq!(value(&stored, "trt_engine_cache_prefix"), Some("backbone"));
        let nowhere = tensorrt(&Setup {
            cache: None,
            ..setup(Precision::Fp16, false)
        });
        assert!(!nowhere.iter().any(|(key, _)| key.contains("cache")));
    }

    #[test]
    fn openvino_runs_on_the_cpu_in_bf16_only_where_that_was_chosen() {
        let config = |pairs: fn(&Setup<'_>) -> Pairs, precision| {
            let pairs = pairs(&setup(precision, false));
            value(&pairs, "load_config").map(str::to_owned)
        };
        let asks = |config: Option<String>| config.is_some_and(|config| config.contains("bf16"));
        for pairs in [openvino, required_by_openvino] {
            assert!(asks(config(pairs, Precision::Bf16)));
            assert!(!asks(config(pairs, Precision::Fp32)));
        }
        assert_eq!(config(required_by_openvino, Precision::Fp32), None);
        assert_eq!(
            value(&openvino(&setup(Precision::Fp32, false)), "num_of_threads"),
            Some("3")
        );
        assert_eq!(
            value(&openvino(&setup(Precision::Fp32, false)), "device_type"),
            Some("CPU")
        );
    }
}
