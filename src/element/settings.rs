// SPDX-License-Identifier: MPL-2.0

//! The element's properties: their specifications, their values, and the way between the two.

use std::{path::PathBuf, sync::LazyLock};

use gst::{glib, prelude::*};

use super::{Compare, ExecutionProvider, LateFrame, OnError, Precision};
use crate::{
    engine::{self, Options, Sampling, TemporalPolicy},
    frame::{Finish, REDUCTIONS, Split},
};

/// The largest T of any bundle; a bundle's own T is checked when it is loaded.
const MAX_STEPS: u32 = 1000;

/// Far wider than any network sees; beyond it tiles are computed over and over for nothing.
const MAX_OVERLAP: u32 = 1024;

/// More would only wait for each other: a GPU restores one frame while another one is brought to it or taken away.
const MAX_IN_FLIGHT: u32 = 2;

/// A minute of video: longer than any blur lasts.
const MAX_INTERVAL: u32 = 3600;

/// With 1 the first prior would stay for ever.
const MAX_SMOOTHING: f64 = 0.99;

/// Values of all writable properties.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub model: String,
    pub library_path: String,
    pub execution_provider: ExecutionProvider,
    pub device_id: i32,
    /// In MiB; 0 is none.
    pub memory_limit: u32,
    pub cache_dir: String,
    pub precision: Precision,
    pub threads: u32,
    /// 0: what suits the provider.
    pub frames_in_flight: u32,
    pub tile_size: u32,
    pub tile_overlap: u32,
    pub reduction: u32,
    pub steps: u32,
    pub prior_interval: u32,
    /// Below 0: the model's.
    pub prior_smoothing: f64,
    pub strength: f64,
    pub deadline: LateFrame,
    pub adaptive: bool,
    pub on_error: OnError,
    pub compare: Compare,
    pub compare_position: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: String::new(),
            library_path: String::new(),
            execution_provider: ExecutionProvider::Auto,
            device_id: 0,
            memory_limit: 0,
            cache_dir: String::new(),
            precision: Precision::Auto,
            threads: 0,
            frames_in_flight: 0,
            tile_size: 0,
            tile_overlap: engine::DEFAULT_TILE_OVERLAP as u32,
            reduction: 1,
            steps: 0,
            prior_interval: 1,
            prior_smoothing: -1.0,
            strength: 1.0,
            deadline: LateFrame::Auto,
            adaptive: true,
            on_error: OnError::Fail,
            compare: Compare::Off,
            compare_position: 0.5,
        }
    }
}

impl Settings {
    pub fn options(&self) -> Options {
        Options {
            provider: self.execution_provider.into(),
            settings: engine::Settings {
                device_id: self.device_id,
                threads: self.threads as usize,
                // Known when caps are.
                thorough: false,
                memory_limit_mib: self.memory_limit,
            },
            precision: self.precision.into(),
            tile_size: self.tile_size as usize,
            tile_overlap: self.tile_overlap as usize,
            reduction: self.reduction as usize,
        }
    }

    pub fn library(&self) -> Option<PathBuf> {
        (!self.library_path.is_empty()).then(|| PathBuf::from(&self.library_path))
    }

    /// Where engines are kept.
    pub fn cache(&self) -> Option<PathBuf> {
        match self.cache_dir.as_str() {
            "" => engine::default_cache(),
            folder => Some(folder.into()),
        }
    }

    /// How priors are made, by a model whose own smoothing is `smoothing`.
    pub fn sampling(&self, smoothing: f64) -> Sampling {
        Sampling {
            steps: self.steps as usize,
            temporal: TemporalPolicy {
                interval: self.prior_interval,
                smoothing: if self.prior_smoothing < 0.0 {
                    smoothing
                } else {
                    self.prior_smoothing
                },
            },
        }
    }

    pub fn finish(&self) -> Finish {
        Finish {
            strength: self.strength,
            split: match self.compare {
                Compare::Off => None,
                Compare::Split => Some(Split {
                    position: self.compare_position,
                }),
            },
        }
    }

    /// Whether frames go through untouched, as the same buffers.
    pub fn is_passthrough(&self) -> bool {
        self.strength == 0.0
    }

    /// `None` for a name that is no writable property.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "model" => self.model.to_value(),
            "library-path" => self.library_path.to_value(),
            "execution-provider" => self.execution_provider.to_value(),
            "device-id" => self.device_id.to_value(),
            "memory-limit" => self.memory_limit.to_value(),
            "cache-dir" => self.cache_dir.to_value(),
            "precision" => self.precision.to_value(),
            "threads" => self.threads.to_value(),
            "frames-in-flight" => self.frames_in_flight.to_value(),
            "tile-size" => self.tile_size.to_value(),
            "tile-overlap" => self.tile_overlap.to_value(),
            "reduction" => self.reduction.to_value(),
            "steps" => self.steps.to_value(),
            "prior-interval" => self.prior_interval.to_value(),
            "prior-smoothing" => self.prior_smoothing.to_value(),
            "strength" => self.strength.to_value(),
            "deadline" => self.deadline.to_value(),
            "adaptive" => self.adaptive.to_value(),
            "on-error" => self.on_error.to_value(),
            "compare" => self.compare.to_value(),
            "compare-position" => self.compare_position.to_value(),
            _ => return None,
        })
    }

    /// Sets a property from a value whose type GObject has checked. Strings take their default from NULL.
    pub fn set(&mut self, name: &str, value: &glib::Value) {
        fn take<'a, T: glib::value::FromValue<'a>>(target: &mut T, value: &'a glib::Value)
        where
            <T as glib::value::FromValue<'a>>::Checker:
                glib::value::ValueTypeChecker<Error = glib::value::ValueTypeMismatchError>,
        {
            if let Ok(new) = value.get() {
                *target = new;
            }
        }
        let text = || value.get::<Option<String>>().ok().flatten().unwrap_or_default();
        match name {
            "model" => self.model = text(),
            "library-path" => self.library_path = text(),
            "execution-provider" => take(&mut self.execution_provider, value),
            "device-id" => take(&mut self.device_id, value),
            "memory-limit" => take(&mut self.memory_limit, value),
            "cache-dir" => self.cache_dir = text(),
            "precision" => take(&mut self.precision, value),
            "threads" => take(&mut self.threads, value),
            "frames-in-flight" => take(&mut self.frames_in_flight, value),
            "tile-size" => take(&mut self.tile_size, value),
            "tile-overlap" => take(&mut self.tile_overlap, value),
            "reduction" => take(&mut self.reduction, value),
            "steps" => take(&mut self.steps, value),
            "prior-interval" => take(&mut self.prior_interval, value),
            "prior-smoothing" => take(&mut self.prior_smoothing, value),
            "strength" => take(&mut self.strength, value),
            "deadline" => take(&mut self.deadline, value),
            "adaptive" => take(&mut self.adaptive, value),
            "on-error" => take(&mut self.on_error, value),
            "compare" => take(&mut self.compare, value),
            "compare-position" => take(&mut self.compare_position, value),
            _ => {}
        }
    }
}

pub(super) static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder("model")
            .nick("Model")
            .blurb("Folder of the model bundle; empty is the built-in blurdm-nano")
            .default_value(Some(default.model.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("library-path")
            .nick("Library path")
            .blurb("ONNX Runtime library, or the folder that holds it; empty searches ORT_DYLIB_PATH, beside the plugin, this user's data, Python and the system. The first element of a process decides")
            .default_value(Some(default.library_path.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("execution-provider", default.execution_provider)
            .nick("Execution provider")
            .blurb("What to run on; anything but auto fails when it cannot be had")
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("device-id")
            .nick("Device ID")
            .blurb("GPU to run on, for tensorrt and cuda")
            .minimum(0)
            .default_value(default.device_id)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("memory-limit")
            .nick("Memory limit")
            .blurb("What tensorrt and cuda may take of the GPU's memory, in MiB; 0 is as much as they need")
            .default_value(default.memory_limit)
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("cache-dir")
            .nick("Cache directory")
            .blurb("Folder that TensorRT's engines are kept in, which take minutes to build; empty is CACHE_DIRECTORY, which systemd sets, or blurdm in this user's cache")
            .default_value(Some(default.cache_dir.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("precision", default.precision)
            .nick("Precision")
            .blurb("Numbers that the backbone computes in")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("CPU threads of a graph; 0 is one per core")
            .maximum(1024)
            .default_value(default.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("frames-in-flight")
            .nick("Frames in flight")
            .blurb("Frames that are worked on at once: with 2, one comes out when the next one comes in, and is restored beside the stream; 0 is 2 with tensorrt and cuda, 1 with the others")
            .maximum(MAX_IN_FLIGHT)
            .default_value(default.frames_in_flight)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("tile-size")
            .nick("Tile size")
            .blurb("Side in pixels, 64 or more, of the tiles in which larger frames are restored; 0 is whole frames, or the tiles that the model is made for")
            .maximum(*engine::TILE_SIDES.end() as u32)
            .default_value(default.tile_size)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("tile-overlap")
            .nick("Tile overlap")
            .blurb("Least number of pixels by which neighbouring tiles overlap; less than the side of a tile")
            .maximum(MAX_OVERLAP)
            .default_value(default.tile_overlap)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("reduction")
            .nick("Reduction")
            .blurb("What both sides of a frame are divided by before it is restored; what changed is enlarged and added to the whole frame: for blur longer than about 20 pixels, or to be fast")
            .minimum(1)
            .maximum(*REDUCTIONS.end() as u32)
            .default_value(default.reduction)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("steps")
            .nick("Steps")
            .blurb("Steps of the sampler; 0 lets the model choose")
            .maximum(MAX_STEPS)
            .default_value(default.steps)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecUInt::builder("prior-interval")
            .nick("Prior interval")
            .blurb("Frames that one prior serves; it costs less and changes less often")
            .minimum(1)
            .maximum(MAX_INTERVAL)
            .default_value(default.prior_interval)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecDouble::builder("prior-smoothing")
            .nick("Prior smoothing")
            .blurb("Share of the prior before that stays in the next one; -1 lets the model choose")
            .minimum(-1.0)
            .maximum(MAX_SMOOTHING)
            .default_value(default.prior_smoothing)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecDouble::builder("strength")
            .nick("Strength")
            .blurb("Blend between the input (0, the same buffer) and the restored frame (1)")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.strength)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecEnum::builder_with_default("deadline", default.deadline)
            .nick("Deadline")
            .blurb("What becomes of a frame that would come too late")
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecBoolean::builder("adaptive")
            .nick("Adaptive")
            .blurb("Work on a smaller scale, with fewer steps and priors, where there is not enough time for every frame")
            .default_value(default.adaptive)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecEnum::builder_with_default("on-error", default.on_error)
            .nick("On error")
            .blurb("What becomes of frames that cannot be restored")
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecEnum::builder_with_default("compare", default.compare)
            .nick("Compare")
            .blurb("Show the input beside the restored frame")
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecDouble::builder("compare-position")
            .nick("Compare position")
            .blurb("Where the line of compare=split stands, as a share of the width")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.compare_position)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecString::builder("active-provider")
            .nick("Active provider")
            .blurb("What the graphs really run on; empty before PAUSED")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Frames, and milliseconds (p50, p95, p99 of the last frames) per stage")
            .read_only()
            .build(),
    ]
});
