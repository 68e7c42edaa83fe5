// SPDX-License-Identifier: MPL-2.0

//! The element's properties: their specifications and their values. A new property takes a line in each of: the struct that holds it, its
//! default, [`Settings::get`], [`Settings::set`] and [`PROPERTIES`].

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use gst::{glib, prelude::*};

use super::enums::{Compare, ExecutionProvider, LateFrame, OnError, Precision};
use crate::{
    engine::{self, Options, Sampling, TemporalPolicy},
    frame::{Finish, REDUCTIONS, Split},
};

/// Larger than the T of any bundle. A bundle's own T is checked when it is loaded.
const MAX_STEPS: u32 = 1000;

/// Larger than the receptive field of any network. Beyond it tiles are computed several times over.
const MAX_OVERLAP: u32 = 1024;

/// More frames would only wait for each other: a GPU restores one frame while another one is copied to or from it.
const MAX_IN_FLIGHT: u32 = 2;

/// A minute of video, which is longer than any blur lasts.
const MAX_INTERVAL: u32 = 3600;

/// A day.
const MAX_LOAD_TIMEOUT: u32 = 24 * 60 * 60;

/// With 1 the first prior would remain forever.
const MAX_SMOOTHING: f64 = 0.99;

/// The values of all writable properties.
#[derive(Debug, Clone)]
pub struct Settings {
    pub model: String,
    /// What is told of a model that is one ONNX file.
    pub model_format: String,
    pub library_path: String,
    pub execution_provider: ExecutionProvider,
    pub device_id: i32,
    /// In MiB; 0 is no limit.
    pub memory_limit: u32,
    pub cache_dir: String,
    pub precision: Precision,
    pub threads: u32,
    /// 0 selects by the provider.
    pub frames_in_flight: u32,
    pub tile_size: u32,
    pub tile_overlap: u32,
    pub reduction: u32,
    /// In seconds; 0 selects by the provider.
    pub load_timeout: u32,
    /// Those that may change while playing.
    pub frame: FrameSettings,
}

/// The values of the properties that may change while playing. Each frame is handled with a copy of them.
#[derive(Debug, Clone, Copy)]
pub struct FrameSettings {
    pub steps: u32,
    pub prior_interval: u32,
    /// Negative selects the model's own.
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
            model_format: String::new(),
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
            reduction: 0,
            load_timeout: 0,
            frame: FrameSettings::default(),
        }
    }
}

impl Default for FrameSettings {
    fn default() -> Self {
        Self {
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
    /// Returns how the engine is to run a bundle. Whether loading may be thorough is decided when caps are known.
    pub fn options(&self) -> Options {
        Options {
            provider: self.execution_provider.into(),
            settings: engine::Settings {
                device_id: self.device_id,
                threads: self.threads as usize,
                thorough: false,
                memory_limit_mib: self.memory_limit,
            },
            precision: self.precision.into(),
            tile_size: self.tile_size as usize,
            tile_overlap: self.tile_overlap as usize,
            // What the model does not choose by itself is the frame's own scale.
            reduction: self.reduction.max(1) as usize,
            load_limit: (self.load_timeout > 0).then(|| Duration::from_secs(self.load_timeout.into())),
        }
    }

    /// Returns the value of `library-path`; `None` if it is empty.
    pub fn library(&self) -> Option<PathBuf> {
        (!self.library_path.is_empty()).then(|| PathBuf::from(&self.library_path))
    }

    /// Returns the folder for engines; `None` if there is none.
    pub fn cache(&self) -> Option<PathBuf> {
        match self.cache_dir.as_str() {
            "" => engine::default_cache(),
            folder => Some(folder.into()),
        }
    }

    /// Returns the value of a property; `None` if no writable property has this name.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "model" => self.model.to_value(),
            "model-format" => self.model_format.to_value(),
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
            "load-timeout" => self.load_timeout.to_value(),
            "steps" => self.frame.steps.to_value(),
            "prior-interval" => self.frame.prior_interval.to_value(),
            "prior-smoothing" => self.frame.prior_smoothing.to_value(),
            "strength" => self.frame.strength.to_value(),
            "deadline" => self.frame.deadline.to_value(),
            "adaptive" => self.frame.adaptive.to_value(),
            "on-error" => self.frame.on_error.to_value(),
            "compare" => self.frame.compare.to_value(),
            "compare-position" => self.frame.compare_position.to_value(),
            _ => return None,
        })
    }

    /// Sets a property to a value whose type GObject has checked. A NULL string is the empty one.
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
            "model-format" => self.model_format = text(),
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
            "load-timeout" => take(&mut self.load_timeout, value),
            "steps" => take(&mut self.frame.steps, value),
            "prior-interval" => take(&mut self.frame.prior_interval, value),
            "prior-smoothing" => take(&mut self.frame.prior_smoothing, value),
            "strength" => take(&mut self.frame.strength, value),
            "deadline" => take(&mut self.frame.deadline, value),
            "adaptive" => take(&mut self.frame.adaptive, value),
            "on-error" => take(&mut self.frame.on_error, value),
            "compare" => take(&mut self.frame.compare, value),
            "compare-position" => take(&mut self.frame.compare_position, value),
            _ => {}
        }
    }
}

impl FrameSettings {
    /// Returns how priors are sampled by a model whose own smoothing is `model_smoothing`.
    pub fn sampling(&self, model_smoothing: f64) -> Sampling {
        Sampling {
            steps: self.steps as usize,
            temporal: TemporalPolicy {
                interval: self.prior_interval,
                smoothing: if self.prior_smoothing < 0.0 {
                    model_smoothing
                } else {
                    self.prior_smoothing
                },
            },
        }
    }

    /// Returns how the output is made of the original and the restored frame.
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

    /// Returns whether frames pass through as the same buffers.
    pub fn is_passthrough(&self) -> bool {
        self.strength == 0.0
    }
}

/// The specifications of all properties.
pub static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder("model")
            .nick("Model")
            .blurb("Folder of the model bundle, or an ONNX file from an image to an image of the same size; empty selects the built-in model blurdm-nano")
            .default_value(Some(default.model.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("model-format")
            .nick("Model format")
            .blurb("Conventions of a model that is an ONNX file, with commas between them: rgb or bgr, nchw or nhwc, a range such as 0..1, 0..255 or -1..1, multiple=NUMBER of pixels that sides must divide by; what is not set is read from the .modelinfo file beside it, or found by trying the model. Bundles state their own")
            .default_value(Some(default.model_format.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("library-path")
            .nick("Library path")
            .blurb("Library of ONNX Runtime, or the folder that contains it; empty searches ORT_DYLIB_PATH, the plugin's folder, the user's data folder, Python's packages and the system. One process loads one library: that of its first element")
            .default_value(Some(default.library_path.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("execution-provider", default.execution_provider)
            .nick("Execution provider")
            .blurb("Execution provider that runs the model; with any value but auto it is an error if that one is not available")
            .mutable_ready()
            .build(),
        glib::ParamSpecInt::builder("device-id")
            .nick("Device ID")
            .blurb("Number of the GPU that tensorrt and cuda run on")
            .minimum(0)
            .default_value(default.device_id)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("memory-limit")
            .nick("Memory limit")
            .blurb("Limit of the GPU memory that tensorrt and cuda allocate, in MiB; 0 is no limit")
            .default_value(default.memory_limit)
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("cache-dir")
            .nick("Cache directory")
            .blurb("Folder for TensorRT's engines, which take minutes to build; empty selects the one in CACHE_DIRECTORY, which systemd sets, or blurdm in the user's cache folder")
            .default_value(Some(default.cache_dir.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("precision", default.precision)
            .nick("Precision")
            .blurb("Number format that the model's backbone computes in")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("CPU threads that run a graph; 0 selects one per core")
            .maximum(1024)
            .default_value(default.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("frames-in-flight")
            .nick("Frames in flight")
            .blurb("Frames that are processed at the same time. With 2, frames are restored in a thread of their own and each is pushed when the next one arrives, which adds one frame of latency; 0 selects 2 for tensorrt and cuda, 1 for the others")
            .maximum(MAX_IN_FLIGHT)
            .default_value(default.frames_in_flight)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("tile-size")
            .nick("Tile size")
            .blurb("Side of the tiles in which larger frames are restored, in pixels, 64 or more; 0 selects whole frames, or the only size of tile that the model supports")
            .maximum(*engine::TILE_SIDES.end() as u32)
            .default_value(default.tile_size)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("tile-overlap")
            .nick("Tile overlap")
            .blurb("Least overlap of neighbouring tiles in pixels; it must be less than the side of a tile")
            .maximum(MAX_OVERLAP)
            .default_value(default.tile_overlap)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("reduction")
            .nick("Reduction")
            .blurb("Divisor of width and height: frames are restored at this smaller scale, and the change is enlarged and added to the original frame. 0 leaves the scale to the model; if it has only one, frames are restored at their own")
            .maximum(*REDUCTIONS.end() as u32)
            .default_value(default.reduction)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("load-timeout")
            .nick("Load timeout")
            .blurb("Seconds that loading the model may take, at the start and for new caps, before that is an error; 0 selects 300, and 3600 where tensorrt may build engines")
            .maximum(MAX_LOAD_TIMEOUT)
            .default_value(default.load_timeout)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("steps")
            .nick("Steps")
            .blurb("Steps of the sampler, at most as many as the model has; 0 selects the model's default. No effect with a model without a prior")
            .maximum(MAX_STEPS)
            .default_value(default.frame.steps)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecUInt::builder("prior-interval")
            .nick("Prior interval")
            .blurb("Frames that share one prior; more cost less, and the prior follows the blur less closely. No effect with a model without a prior")
            .minimum(1)
            .maximum(MAX_INTERVAL)
            .default_value(default.frame.prior_interval)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecDouble::builder("prior-smoothing")
            .nick("Prior smoothing")
            .blurb("Weight of the previous prior in the next one; -1 selects the model's default. No effect with a model without a prior")
            .minimum(-1.0)
            .maximum(MAX_SMOOTHING)
            .default_value(default.frame.prior_smoothing)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecDouble::builder("strength")
            .nick("Strength")
            .blurb("Blend between the original (0, which passes the same buffer through) and the restored frame (1)")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.frame.strength)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecEnum::builder_with_default("deadline", default.frame.deadline)
            .nick("Deadline")
            .blurb("What to do with a frame that would be late at the sink if it were restored")
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecBoolean::builder("adaptive")
            .nick("Adaptive")
            .blurb("Restore at a smaller scale, with fewer steps and priors, where there is not enough time for every frame")
            .default_value(default.frame.adaptive)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecEnum::builder_with_default("on-error", default.frame.on_error)
            .nick("On error")
            .blurb("What to do when a frame cannot be restored")
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecEnum::builder_with_default("compare", default.frame.compare)
            .nick("Compare")
            .blurb("Show the original beside the restored frame")
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecDouble::builder("compare-position")
            .nick("Compare position")
            .blurb("Position of the line of compare=split, as a share of the width")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(default.frame.compare_position)
            .mutable_playing()
            .controllable()
            .build(),
        glib::ParamSpecString::builder("active-provider")
            .nick("Active provider")
            .blurb("Execution provider that runs the model; empty in NULL and READY")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames, and percentiles of the milliseconds that each stage took for the last 256 frames")
            .read_only()
            .build(),
    ]
});
