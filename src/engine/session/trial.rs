// SPDX-License-Identifier: MPL-2.0

//! A graph that is tried on small frames before it is known how to run it.

use std::sync::Arc;

use ort::{
    session::{RunOptions, Session},
    value::TensorRef,
};

use super::{
    canceler::Canceler,
    graph::{builder, cannot_load},
};
use crate::engine::{
    bundle::{BLACK, COLOURS, Range, SCALE},
    error::Error,
    frame_size::FrameSize,
    runtime::Runtime,
};

/// A session of a trial graph on the CPU.
pub(in crate::engine) struct Trial {
    session: Session,
    options: Arc<RunOptions>,
    canceler: Canceler,
}

/// What a network computes of a frame.
pub(in crate::engine) struct Computed {
    /// As many numbers as the product of `shape`.
    pub numbers: Vec<f32>,
    pub shape: Vec<i64>,
}

impl Trial {
    /// Creates the session of a graph. Errors name it by `label`.
    pub fn new(runtime: &Runtime, canceler: &Canceler, label: &str, graph: &[u8]) -> Result<Self, Error> {
        let created = builder(runtime).and_then(|mut builder| builder.commit_from_memory(graph));
        Ok(Self {
            session: created.map_err(|error| cannot_load(label, "the graph", &error))?,
            options: canceler.options(),
            canceler: canceler.clone(),
        })
    }

    /// Runs the network on a frame, whose bytes it is given as numbers of `range`.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and [`Error::Inference`] where the network does not take frames of this size.
    pub fn run(&mut self, frame: &[u8], size: FrameSize, range: &Range) -> Result<Computed, Error> {
        self.try_run(frame, size, range).map_err(|error| {
            if self.canceler.is_cancelled() {
                return Error::Cancelled;
            }
            Error::Inference {
                graph: "backbone",
                reason: error.message().to_owned(),
            }
        })
    }

    fn try_run(&mut self, frame: &[u8], size: FrameSize, range: &Range) -> Result<Computed, ort::Error> {
        let scale = range.scale();
        let inputs = ort::inputs![
            "frame" => TensorRef::from_array_view((size.shape(), frame))?,
            SCALE => TensorRef::from_array_view(([COLOURS as i64], &scale[..]))?,
            BLACK => TensorRef::from_array_view(([COLOURS as i64], &range.black[..]))?,
        ];
        let outputs = self.session.run_with_options(inputs, &self.options)?;
        let (shape, numbers) = outputs["computed"].try_extract_tensor::<f32>()?;
        Ok(Computed {
            numbers: numbers.to_vec(),
            shape: shape.to_vec(),
        })
    }
}
