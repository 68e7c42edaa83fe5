// SPDX-License-Identifier: MPL-2.0

//! The image that a network takes and the one that it gives back, found by their declared types and shapes.

use std::fmt;

use super::conventions::{COLOURS, Layout};
use crate::engine::{
    bundle::gate::onnx::{Dimension, Graph, ValueInfo, data_type},
    frame_size::{FrameSize, TILE_SIDES},
};

/// What a message says that is wanted.
const WANTED: &str = "an image of three channels is wanted, [1, 3, height, width] or [1, height, width, 3]";

/// The types of elements that images may have, with their names.
const ELEMENTS: [(i32, &str); 3] = [
    (data_type::FLOAT, "float32"),
    (data_type::FLOAT16, "float16"),
    (data_type::UINT8, "uint8"),
];

/// The most channels of an image: colours and alpha.
const MOST_CHANNELS: i64 = 4;

/// An input or an output.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    pub name: String,
    /// One of [`data_type`].
    pub element: i32,
    /// `None` where the file does not say how many dimensions there are; a dimension is `None` where it is of any size.
    pub dims: Option<Vec<Option<i64>>>,
}

/// The only input and the only output of a network.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub input: Port,
    pub output: Port,
    /// The layouts that the input may have by its shape: one, or both where the shape does not tell.
    pub layouts: Vec<Layout>,
}

impl Ports {
    /// Finds the image that goes into a network and the one that comes out.
    ///
    /// # Errors
    /// Why this is no network from an image to an image, and what to do.
    pub fn find(graph: &Graph) -> Result<Self, String> {
        // In old files weights are inputs as well.
        let is_weight = |input: &&ValueInfo| graph.initializer.iter().any(|tensor| tensor.name() == input.name());
        let inputs = graph.input.iter().filter(|input| !is_weight(input)).map(Port::of);
        let input = only("input", inputs.collect())?;
        let output = only("output", graph.output.iter().map(Port::of).collect())?;
        let layouts = input
            .layouts()
            .map_err(|reason| format!("its input {input} {reason}"))?;
        output
            .layouts()
            .map_err(|reason| format!("its output {output} {reason}"))?;
        let ports = Self { input, output, layouts };
        ports.check_scale()?;
        Ok(ports)
    }

    /// Returns the layout of the output where the input has `layout`.
    pub fn output_layout(&self, layout: Layout) -> Layout {
        match self.output.layouts().as_deref() {
            Ok([only]) => *only,
            _ => layout,
        }
    }

    /// Returns the size that the network is fixed to, or `None` for one of any size. Where one side only is fixed, the
    /// other one is as long.
    ///
    /// # Errors
    /// A size that tiles cannot have.
    pub fn fixed_size(&self, layout: Layout) -> Result<Option<FrameSize>, String> {
        let (height, width) = match self.input.sides(layout) {
            [None, None] => return Ok(None),
            [Some(height), Some(width)] => (height, width),
            [Some(side), None] | [None, Some(side)] => (side, side),
        };
        let size = |side: i64| usize::try_from(side).ok().filter(|side| TILE_SIDES.contains(side));
        match (size(height), size(width)) {
            (Some(height), Some(width)) => Ok(Some(FrameSize { width, height })),
            _ => Err(format!(
                "its input {} is fixed to {width}x{height} pixels, and sides have {} to {}; export it for another size, or for any",
                self.input,
                TILE_SIDES.start(),
                TILE_SIDES.end()
            )),
        }
    }

    /// Refuses a network whose output is declared to be of another size than its input.
    fn check_scale(&self) -> Result<(), String> {
        for &layout in &self.layouts {
            let [input, output] = [self.input.sides(layout), self.output.sides(self.output_layout(layout))];
            let differs = input.iter().zip(&output).any(|(input, output)| {
                let both = input.zip(*output);
                both.is_some_and(|(input, output)| input != output)
            });
            if differs {
                return Err(scale_refused(&self.input, &self.output));
            }
        }
        Ok(())
    }
}

/// Returns the reason why a network that changes the size is refused.
fn scale_refused(input: &Port, output: &Port) -> String {
    format!(
        "its output {output} is not of the size of its input {input}; use a network that keeps the size, as for deblurring or denoising"
    )
}

/// Returns the only one of the inputs or outputs.
fn only(side: &str, ports: Vec<Port>) -> Result<Port, String> {
    match <[Port; 1]>::try_from(ports) {
        Ok([port]) => Ok(port),
        Err(ports) => {
            let found: Vec<String> = ports.iter().map(Port::to_string).collect();
            let found = if found.is_empty() {
                String::new()
            } else {
                format!(", {}", found.join(", "))
            };
            Err(format!(
                "it has {} {side}s{found}; one image goes in and one comes out: export the network with these alone, or use a bundle",
                ports.len()
            ))
        }
    }
}

impl Port {
    fn of(value: &ValueInfo) -> Self {
        let tensor = value.r#type.as_ref().and_then(|r#type| r#type.tensor_type.as_ref());
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        // What is not positive states nothing.
        let side = |dim: &Dimension| dim.dim_value.filter(|&side| side > 0);
        Self {
            name: value.name().to_owned(),
            element: tensor.and_then(|tensor| tensor.elem_type).unwrap_or_default(),
            dims: shape.map(|shape| shape.dim.iter().map(side).collect()),
        }
    }

    /// Returns the layouts that this may have as an image.
    ///
    /// # Errors
    /// Why it is no image, without a subject.
    fn layouts(&self) -> Result<Vec<Layout>, String> {
        if !ELEMENTS.iter().any(|(element, _)| *element == self.element) {
            let names: Vec<&str> = ELEMENTS.iter().map(|(_, name)| *name).collect();
            return Err(format!(
                "has none of the types {}; export it with one of them",
                names.join(", ")
            ));
        }
        let Some(dims) = &self.dims else {
            return Ok(Layout::ALL.to_vec());
        };
        if dims.len() != 4 {
            return Err(format!(
                "has {} dimensions, and {WANTED}; use a network for deblurring or denoising",
                dims.len()
            ));
        }
        if dims[0].is_some_and(|batch| batch != 1) {
            return Err("takes several images at once; export it with a batch of 1".into());
        }
        let holds_colours = |layout: &Layout| dims[layout.channels()] == Some(COLOURS as i64);
        let certain: Vec<Layout> = Layout::ALL.into_iter().filter(holds_colours).collect();
        if let [_] = certain[..] {
            return Ok(certain);
        }
        // No side is as short as a number of channels.
        let holds_channels = |layout: Layout| dims[layout.channels()].is_some_and(|channels| channels <= MOST_CHANNELS);
        let may = |layout: &Layout| match dims[layout.channels()] {
            Some(channels) => channels == COLOURS as i64,
            None => !Layout::ALL.into_iter().any(holds_channels),
        };
        let possible: Vec<Layout> = Layout::ALL.into_iter().filter(may).collect();
        if possible.is_empty() {
            return Err(format!(
                "has another number of channels, and {WANTED}; export it for colours"
            ));
        }
        Ok(possible)
    }

    /// Returns height and width, where they are fixed.
    fn sides(&self, layout: Layout) -> [Option<i64>; 2] {
        let dims = self.dims.as_deref().unwrap_or_default();
        layout.sides().map(|side| dims.get(side).copied().flatten())
    }

    /// Returns the name of the type of the elements.
    pub fn element_name(&self) -> &'static str {
        let known = ELEMENTS.iter().find(|(element, _)| *element == self.element);
        known.map_or("another type", |(_, name)| name)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims = match &self.dims {
            Some(dims) => {
                let dims: Vec<String> = dims
                    .iter()
                    .map(|dim| dim.map_or("any".into(), |dim| dim.to_string()))
                    .collect();
                format!("[{}]", dims.join(", "))
            }
            None => "of any shape".into(),
        };
        let name: String = self.name.escape_debug().take(80).collect();
        write!(f, "'{name}' {} {dims}", self.element_name())
    }
}
