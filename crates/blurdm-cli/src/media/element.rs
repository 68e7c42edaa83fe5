// SPDX-License-Identifier: MPL-2.0

//! The element `blurdm`, and the arguments that set its properties.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gst::prelude::*;
use serde::{Deserialize, Serialize};

/// How the output shows the original beside the restored picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// Only the restored picture
    #[default]
    Off,
    /// The original on the left of a frame twice as wide
    SideBySide,
    /// The original left of a line in the middle
    Split,
}

/// Settings of the element. Records of restored files hold them, so the names of the fields must not change.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
pub struct ElementSettings {
    /// Folder of the model bundle, or an ONNX file [default: the built-in blurdm-nano]
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// What is known of a model that is an ONNX file, as bgr,-1..1 [default: found by trying it]
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "WORDS",
        allow_hyphen_values = true
    )]
    #[serde(default)]
    pub model_format: String,
    /// Blend between original (0) and restored frames (1)
    #[arg(long, default_value_t = 1.0, value_parser = fraction)]
    pub strength: f64,
    /// Steps of the sampler; 0 uses the model's default
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub steps: u32,
    /// Execution provider of ONNX Runtime
    #[arg(long, default_value = "auto", value_name = "PROVIDER", value_parser = ["auto", "tensorrt", "cuda", "openvino", "cpu"])]
    pub execution_provider: String,
    /// Numeric precision of the model
    #[arg(long, default_value = "auto", value_parser = ["auto", "fp32", "bf16", "fp16", "int8"])]
    pub precision: String,
    /// Index of the GPU to run on
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub device_id: i32,
    /// Number of CPU threads; 0 uses one per core
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub threads: u32,
    /// Side of the tiles in which large frames are restored; 0 restores whole frames
    #[arg(long, default_value_t = 0, value_name = "PIXELS")]
    pub tile_size: u32,
    /// Restore at a working scale: divide both sides of a frame by this, and add the enlarged difference to the frame. 0 leaves the scale to the model
    #[arg(long, default_value_t = 0, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=4))]
    #[serde(default = "full_scale")]
    pub reduction: u32,
    /// Show the original beside the restored picture
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub compare: Compare,
    /// Leave frames that are already sharp as they are
    #[arg(long)]
    pub only_blurred: bool,
}

/// The value for records from before this setting existed.
fn full_scale() -> u32 {
    1
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fraction) if (0.0..=1.0).contains(&fraction) => Ok(fraction),
        _ => Err("it is not a number from 0 to 1".into()),
    }
}

impl ElementSettings {
    /// Returns the settings that change what frames look like: the number of threads and the index of the GPU do not.
    pub fn visible(&self) -> Self {
        Self {
            threads: 0,
            device_id: 0,
            ..self.clone()
        }
    }

    /// Creates an element for files: it restores every frame, however late, and at full cost. Its strength is still 1.
    ///
    /// # Errors
    /// The element is not registered.
    pub fn create(&self) -> Result<gst::Element, gst::glib::BoolError> {
        let element = gst::ElementFactory::make("blurdm")
            .property_from_str("deadline", "process")
            .property("adaptive", false)
            .property_from_str("execution-provider", &self.execution_provider)
            .property_from_str("precision", &self.precision)
            .property("steps", self.steps)
            .property("device-id", self.device_id)
            .property("threads", self.threads)
            .property("tile-size", self.tile_size)
            .property("reduction", self.reduction)
            .property_from_str("compare", if self.compare == Compare::Split { "split" } else { "off" })
            .build()?;
        if let Some(folder) = &self.model {
            element.set_property("model", folder.display().to_string());
            element.set_property("model-format", &self.model_format);
        }
        Ok(element)
    }
}
