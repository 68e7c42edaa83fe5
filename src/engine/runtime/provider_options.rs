// SPDX-License-Identifier: MPL-2.0

//! What each provider is told, as the keys and values of ONNX Runtime.

use std::{num::NonZeroUsize, path::Path};

use crate::engine::{frame_size::FrameSize, options::Settings, precision::Precision};

pub(super) type Pairs = Vec<(&'static str, String)>;

/// OpenVINO's own setting for it; by itself the provider asks for fp32.
const IN_BF16: &str = r#"{"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}}"#;

/// By itself OpenVINO holds its threads to the first cores, where they meet those of other processes while other cores have nothing to do.
const FREE: &str = r#"{"CPU": {"ENABLE_CPU_PINNING": "NO"}}"#;
const FREE_IN_BF16: &str = r#"{"CPU": {"ENABLE_CPU_PINNING": "NO", "INFERENCE_PRECISION_HINT": "bf16"}}"#;

/// What a graph of one size is set up with.
pub(crate) struct Setup<'a> {
    pub settings: Settings,
    pub precision: Precision,
    /// None for graphs that see no frame.
    pub size: Option<FrameSize>,
    /// Of the graph in the contract: part of the names of its engines.
    pub graph: &'a str,
    /// Where engines are kept; none for nowhere.
    pub cache: Option<&'a Path>,
    /// The CUDA stream to run on, by its address; none for the provider's own.
    pub stream: Option<NonZeroUsize>,
    /// Whether what the graph does is recorded once and then repeated as one (a CUDA graph).
    pub captured: bool,
}

/// Both keys are the same for CUDA and TensorRT.
fn on_stream(setup: &Setup<'_>) -> Pairs {
    let given = |stream: NonZeroUsize| {
        vec![
            ("has_user_compute_stream", "1".to_owned()),
            ("user_compute_stream", stream.to_string()),
        ]
    };
    setup.stream.map_or_else(Vec::new, given)
}

/// Without these a provider would not do what was asked; every runtime that has the provider knows them.
pub(super) fn needed_by_cuda(setup: &Setup<'_>) -> Pairs {
    let mut pairs = vec![("device_id", setup.settings.device_id.to_string())];
    pairs.extend(on_stream(setup));
    if setup.captured {
        pairs.push(("enable_cuda_graph", "1".into()));
    }
    pairs
}

/// What makes CUDA fast and keeps its memory bounded. Not every runtime knows all of them.
pub(super) fn cuda(setup: &Setup<'_>) -> Pairs {
    let search = if setup.settings.thorough {
        "EXHAUSTIVE"
    } else {
        "HEURISTIC"
    };
    let mut pairs = needed_by_cuda(setup);
    pairs.extend([
        // Doubling the arena, the default, takes up to twice what the graphs need.
        ("arena_extend_strategy", "kSameAsRequested".into()),
        ("cudnn_conv_algo_search", search.into()),
        ("cudnn_conv_use_max_workspace", "1".into()),
        // Tensor cores want channels last.
        ("prefer_nhwc", "1".into()),
        // fp32 is what was asked for; TF32 has ten bits of it.
        ("use_tf32", "0".into()),
    ]);
    if let Some(bytes) = setup.settings.memory_limit() {
        pairs.push(("gpu_mem_limit", bytes.to_string()));
    }
    pairs
}

pub(super) fn tensorrt(setup: &Setup<'_>) -> Pairs {
    let on = |asked: bool| if asked { "1" } else { "0" }.to_owned();
    let mut pairs = vec![
        ("device_id", setup.settings.device_id.to_string()),
        ("trt_fp16_enable", on(setup.precision == Precision::Fp16)),
        // Of graphs quantised explicitly: their own scales, no calibration table.
        ("trt_int8_enable", on(setup.precision == Precision::Int8)),
        ("trt_layer_norm_fp32_fallback", on(setup.precision == Precision::Fp16)),
        ("trt_context_memory_sharing_enable", "1".into()),
    ];
    pairs.extend(on_stream(setup));
    if let Some(bytes) = setup.settings.memory_limit() {
        pairs.push(("trt_max_workspace_size", bytes.to_string()));
    }
    if let Some(size) = setup.size {
        // One profile of one shape: an engine for any other would be built in the middle of a video.
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

/// Without these OpenVINO would not do what was asked; every runtime that has it knows them.
pub(super) fn needed_by_openvino(setup: &Setup<'_>) -> Pairs {
    openvino_with((setup.precision == Precision::Bf16).then_some(IN_BF16), setup)
}

/// What lets OpenVINO share a machine with others. Not every runtime knows all of it.
pub(super) fn openvino(setup: &Setup<'_>) -> Pairs {
    let in_bf16 = setup.precision == Precision::Bf16;
    openvino_with(Some(if in_bf16 { FREE_IN_BF16 } else { FREE }), setup)
}

fn openvino_with(config: Option<&str>, setup: &Setup<'_>) -> Pairs {
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
        for pairs in [cuda(&staged), needed_by_cuda(&staged)] {
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
    fn tensorrt_keeps_its_engines_in_the_folder_of_its_key_or_nowhere() {
        let kept = tensorrt(&setup(Precision::Fp16, false));
        for key in ["trt_engine_cache_path", "trt_timing_cache_path"] {
            assert_eq!(value(&kept, key), Some("/cache/key"));
        }
        assert_eq!(value(&kept, "trt_engine_cache_prefix"), Some("backbone"));
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
        for pairs in [openvino, needed_by_openvino] {
            assert!(asks(config(pairs, Precision::Bf16)));
            assert!(!asks(config(pairs, Precision::Fp32)));
        }
        assert_eq!(config(needed_by_openvino, Precision::Fp32), None);
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
