// SPDX-License-Identifier: MPL-2.0

//! One ONNX file as a model: a network from an image to an image of the same size, of whatever conventions. A graph put
//! around it takes and gives back frames, so that for the rest of the engine it is a bundle without a prior.
//!
//! ```text
//! file ── ports: the image in and the one out ── trial: found by running it ── graph: the backbone of the contract
//! ```
//!
//! The trial is the caller's: nothing here runs a graph.

mod builder;
mod conventions;
mod format;
mod graph;
mod hint;
pub(super) mod modelinfo;
mod ports;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::gate::onnx::{Model, data_type};
use crate::engine::{error::Error, frame_size::FrameSize};

pub(crate) use conventions::{COLOURS, Conventions};
pub use conventions::{ChannelOrder, Layout, Range};
pub use format::ModelFormat;
pub(crate) use graph::{BLACK, SCALE};
use ports::Ports;

/// What is known of a network without running it. Clones share the weights, and what was found by a trial.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    model: Arc<Model>,
    ports: Ports,
    format: ModelFormat,
    /// By the node that limits the output.
    hint: Option<Range>,
    settled: Arc<OnceLock<Settled>>,
}

/// A network whose conventions are known, and the graph `backbone` around it.
#[derive(Debug)]
struct Settled {
    conventions: Conventions,
    backbone: Bytes,
}

impl Plain {
    /// Takes a model that has passed the gate, what is told of it, and the text of its `.modelinfo` file, which tells
    /// the rest.
    ///
    /// # Errors
    /// Why it is no network from an image to an image, or why what is told cannot be true.
    pub(super) fn new(model: Model, format: ModelFormat, modelinfo: Option<&str>) -> Result<Self, Refusal> {
        graph::check(&model).map_err(Refusal::Graph)?;
        let ports = model
            .graph
            .as_ref()
            .ok_or("it has no graph".to_owned())
            .and_then(Ports::find);
        let mut ports = ports.map_err(Refusal::Graph)?;
        let read = modelinfo.map(|text| modelinfo::parse(text, &ports)).transpose();
        let format = format.or(read.map_err(Refusal::Format)?.unwrap_or_default());
        if let Some(layout) = format.layout {
            if !ports.layouts.contains(&layout) {
                return Err(Refusal::Format(format!(
                    "the model's input {} is no {layout} image; set another layout, or none",
                    ports.input
                )));
            }
            ports.layouts = vec![layout];
        }
        let of_bytes = [&ports.input, &ports.output].map(|port| port.element == data_type::UINT8);
        let range = [format.input, format.output]
            .into_iter()
            .flatten()
            .find(|range| *range != Range::BYTES);
        if let (Some(range), [true, true]) = (range, of_bytes) {
            return Err(Refusal::Format(format!(
                "the model's input {} and output {} go from 0 to 255 and cannot be {range}; set no range",
                ports.input, ports.output
            )));
        }
        let hint = model.graph.as_ref();
        let plain = Self {
            hint: hint.and_then(|graph| hint::output_range(graph, &ports.output.name)),
            model: Arc::new(model),
            ports,
            format,
            settled: Arc::default(),
        };
        plain.check_fixed_size()?;
        Ok(plain)
    }

    fn check_fixed_size(&self) -> Result<(), Refusal> {
        let fixed = self.ports.fixed_size(self.ports.layouts[0]).map_err(Refusal::Graph)?;
        let (Some(FrameSize { width, height }), Some(multiple)) = (fixed, self.format.multiple) else {
            return Ok(());
        };
        if width.is_multiple_of(multiple) && height.is_multiple_of(multiple) {
            return Ok(());
        }
        Err(Refusal::Format(format!(
            "the model is fixed to {width}x{height} pixels, which are no multiples of {multiple}; set no multiple"
        )))
    }

    /// Returns the size that frames are fixed to, or `None` for frames of any size.
    pub fn fixed_size(&self) -> Option<FrameSize> {
        // An error is one of `new`.
        self.ports.fixed_size(self.ports.layouts[0]).unwrap_or_default()
    }

    pub fn format(&self) -> &ModelFormat {
        &self.format
    }

    /// Returns the layouts that the input may have.
    pub fn layouts(&self) -> &[Layout] {
        &self.ports.layouts
    }

    /// Returns the layout of the output where the input has `layout`.
    pub fn output_layout(&self, layout: Layout) -> Layout {
        self.ports.output_layout(layout)
    }

    /// Returns the ranges that the input may have, the likeliest first: one where it is known.
    pub fn input_ranges(&self) -> Vec<Range> {
        self.ranges(self.ports.input.element, self.format.input)
    }

    /// Returns the ranges that the output may have, as [`Plain::input_ranges`].
    pub fn output_ranges(&self) -> Vec<Range> {
        self.ranges(self.ports.output.element, self.format.output)
    }

    fn ranges(&self, element: i32, known: Option<Range>) -> Vec<Range> {
        let likely = match (element, known) {
            (data_type::UINT8, _) => return vec![Range::BYTES],
            (_, Some(known)) => return vec![known],
            (_, None) => [Range::UNIT, Range::BYTES, Range::SIGNED],
        };
        let rest = likely.into_iter().filter(|range| Some(*range) != self.hint);
        self.hint.into_iter().chain(rest).collect()
    }

    /// Returns a graph to try the network with; see [`graph::trial`].
    pub fn trial(&self, layout: Layout) -> Vec<u8> {
        let order = self.format.order.unwrap_or_default();
        graph::trial(&self.model, &self.ports, layout, self.output_layout(layout), order)
    }

    /// Returns the conventions that were found, if they were.
    pub fn conventions(&self) -> Option<&Conventions> {
        self.settled.get().map(|settled| &settled.conventions)
    }

    /// Makes the graph `backbone` for these conventions, unless it is made already.
    pub fn settle(&self, conventions: Conventions) {
        self.settled.get_or_init(|| Settled {
            backbone: graph::backbone(&self.model, &self.ports, &conventions, self.fixed_size()).into(),
            conventions,
        });
    }

    /// Returns the graph `backbone`, once the conventions are known.
    pub fn backbone(&self) -> Option<&[u8]> {
        self.settled.get().map(|settled| &*settled.backbone)
    }

    /// Returns what is known of the network, in words; `None` before the conventions are known.
    pub fn description(&self) -> Option<String> {
        let conventions = self.conventions()?;
        let Conventions {
            input_layout,
            order,
            input,
            output,
            multiple,
            ..
        } = conventions;
        let (element, output_element) = (self.ports.input.element_name(), self.ports.output.element_name());
        let size = match self.fixed_size() {
            Some(FrameSize { width, height }) => format!("tiles of {width}x{height}"),
            None if *multiple > 1 => format!("frames of any size, padded to multiples of {multiple}"),
            None => "frames of any size".into(),
        };
        let out = match (output_element == element, output == input) {
            (true, true) => String::new(),
            _ => format!(" to {output_element} {output}"),
        };
        Some(format!("{input_layout} {order} {element} {input}{out}, {size}"))
    }
}

/// Why a file is no model.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Because of what is in the file.
    Graph(String),
    /// Because of what was told of it.
    Format(String),
}

impl Refusal {
    /// Returns the error for the file that `label` names.
    pub fn of_file(self, label: &str) -> Error {
        match self {
            Self::Graph(reason) => Error::BundleInvalid {
                bundle: label.to_owned(),
                file: "the graph".into(),
                reason,
            },
            Self::Format(reason) => Error::ModelFormat {
                format: label.to_owned(),
                reason,
            },
        }
    }
}
