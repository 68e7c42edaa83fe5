// SPDX-License-Identifier: MPL-2.0

//! What the element is told to do with frames.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gst::prelude::*;
use serde::{Deserialize, Serialize};

/// How the output shows what was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    #[default]
    Off,
    /// The original on the left, in a picture twice as wide
    SideBySide,
    /// The original left of a line
    Split,
}

#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
pub struct Treatment {
    /// Folder of the model bundle; the built-in blurdm-nano without it
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,
    /// Blend between original and restored frames, 0 to 1
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    pub strength: f64,
    /// Sampler steps; 0 lets the model choose
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub steps: u32,
    /// What to run on: auto, tensorrt, cuda, openvino or cpu
    #[arg(long, default_value = "auto", value_name = "PROVIDER", value_parser = ["auto", "tensorrt", "cuda", "openvino", "cpu"])]
    pub execution_provider: String,
    /// Numbers to compute in: auto, fp32, bf16, fp16 or int8
    #[arg(long, default_value = "auto", value_parser = ["auto", "fp32", "bf16", "fp16", "int8"])]
    pub precision: String,
    /// GPU to run on
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub device_id: i32,
    /// CPU threads; 0 is one per core
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub threads: u32,
    /// Side of the tiles in which large frames are restored, in pixels; 0 is whole frames
    #[arg(long, default_value_t = 0, value_name = "PIXELS")]
    pub tile_size: u32,
    /// Divide both sides of a frame by this before it is restored, and add what changed to the whole frame: for blur longer than about 20 pixels
    #[arg(long, default_value_t = WHOLE, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4))]
    #[serde(default = "whole")]
    pub reduction: u32,
    /// Show the original beside the restored picture
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub compare: Compare,
    /// Let frames pass as they are that are sharp already
    #[arg(long)]
    pub only_blurred: bool,
}

const WHOLE: u32 = 1;

/// Of records that were made when there was no choice.
fn whole() -> u32 {
    WHOLE
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it is no number from 0 to 1".into()),
    }
}

impl Treatment {
    /// Without what frames look the same with and without: how many threads make them, and which of several GPUs.
    pub fn as_seen(&self) -> Self {
        Self {
            threads: 0,
            device_id: 0,
            ..self.clone()
        }
    }

    /// The element, set up for a file: no frame is late, and none is done with less care than there is time for.
    ///
    /// # Errors
    /// Where the element is not registered.
    pub fn element(&self) -> Result<gst::Element, gst::glib::BoolError> {
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
        }
        Ok(element)
    }
}
