// SPDX-License-Identifier: MPL-2.0

//! Graphs around a network: what converts frames to the image that it takes, and back.
//!
//! ```text
//! frame ── numbers ── channels in order ── range ── layout ── padded ── type ── network ─┐
//!    └──────────────── fourth byte ── restored ── bytes ── order ── range ── layout ── cropped
//! ```

use prost::Message;

use super::{
    builder::{Builder, Value},
    conventions::{COLOURS, ChannelOrder, Conventions, Layout, Range},
    ports::Ports,
};
use crate::engine::{
    bundle::gate::{
        onnx::{Dimension, Model, data_type},
        opset,
    },
    frame_size::{FrameSize, PIXEL_BYTES},
};

/// The oldest version of the operators that are put around a network: that of `Pad` with sizes that are computed.
const LEAST_OPSET: i64 = 11;

/// The orders of the dimensions that turn NHWC to NCHW, and back.
const TO_NCHW: [i64; 4] = [0, 3, 1, 2];
const TO_NHWC: [i64; 4] = [0, 2, 3, 1];

/// The dimension of the channels of a frame.
const CHANNELS: (&str, Value<'_>) = ("axis", Value::Int(3));

/// The inputs of [`trial`], beside the frame: what bytes are multiplied by, and what is added then, per channel.
pub(crate) const SCALE: &str = "scale";
pub(crate) const BLACK: &str = "black";

/// Checks that a graph can be put around a network.
///
/// # Errors
/// The reason, and what to do.
pub(super) fn check(model: &Model) -> Result<(), String> {
    let opset = opset(model);
    if opset < LEAST_OPSET {
        return Err(format!(
            "its opset is {opset}; for a model of one file, export it with {LEAST_OPSET} or later"
        ));
    }
    Ok(())
}

/// Returns the graph `backbone` of the contract: frames to restored frames, of the size `fixed` or of any.
pub(super) fn backbone(model: &Model, ports: &Ports, conventions: &Conventions, fixed: Option<FrameSize>) -> Vec<u8> {
    let mut graph = Builder::around(model);
    graph.input("frame", data_type::UINT8, frame_dims(fixed));
    let pixels = pixels(&mut graph, conventions.order);
    let pixels = to_range(&mut graph, pixels, &conventions.input);
    let image = to_layout(&mut graph, pixels, conventions.input_layout);
    let sides = (conventions.multiple > 1 && fixed.is_none()).then(|| sides(&mut graph));
    let image = match &sides {
        Some(sides) => padded(&mut graph, &image, sides, conventions),
        None => image,
    };
    let image = graph.network(model, ports, &image);
    let image = match &sides {
        Some(sides) => cropped(&mut graph, &image, sides, conventions.output_layout),
        None => image,
    };
    let pixels = from_layout(&mut graph, image, conventions.output_layout);
    let pixels = from_range(&mut graph, pixels, &conventions.output);
    let pixels = ordered(&mut graph, pixels, conventions.order);
    let bytes = bytes(&mut graph, &pixels);
    let fourth = graph.integers(&[COLOURS as i64]);
    let fourth = graph.node("Gather", &["frame", &fourth], &[CHANNELS]);
    graph.named("Concat", &[&bytes, &fourth], "restored", &[CHANNELS]);
    graph.output("restored", data_type::UINT8, frame_dims(fixed));
    graph.into_model().encode_to_vec()
}

/// Returns a graph to try the network with: a frame of a size that the network takes as it is, [`SCALE`] and [`BLACK`]
/// to the numbers that the network computes, [1, H, W, 3] in its own order of channels.
pub(super) fn trial(model: &Model, ports: &Ports, input: Layout, output: Layout, order: ChannelOrder) -> Vec<u8> {
    let mut graph = Builder::around(model);
    graph.input("frame", data_type::UINT8, frame_dims(None));
    for name in [SCALE, BLACK] {
        graph.input(name, data_type::FLOAT, vec![known(COLOURS)]);
    }
    let pixels = pixels(&mut graph, order);
    let scaled = graph.node("Mul", &[&pixels, SCALE], &[]);
    let scaled = graph.node("Add", &[&scaled, BLACK], &[]);
    let image = to_layout(&mut graph, scaled, input);
    let image = graph.network(model, ports, &image);
    let pixels = from_layout(&mut graph, image, output);
    graph.named("Identity", &[&pixels], "computed", &[]);
    graph.output("computed", data_type::FLOAT, vec![Dimension::default(); 4]);
    graph.into_model().encode_to_vec()
}

/// The colours of the frame as numbers from 0 to 255, in the network's order.
fn pixels(graph: &mut Builder, order: ChannelOrder) -> String {
    let numbers = graph.cast("frame", data_type::FLOAT);
    let channels = graph.integers(&match order {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    });
    graph.node("Gather", &[&numbers, &channels], &[CHANNELS])
}

/// The channels of the network in the order of frames.
fn ordered(graph: &mut Builder, pixels: String, order: ChannelOrder) -> String {
    match order {
        ChannelOrder::Rgb => pixels,
        ChannelOrder::Bgr => {
            let channels = graph.integers(&[2, 1, 0]);
            graph.node("Gather", &[&pixels, &channels], &[CHANNELS])
        }
    }
}

fn to_range(graph: &mut Builder, pixels: String, range: &Range) -> String {
    if *range == Range::BYTES {
        return pixels;
    }
    let (scale, black) = (graph.floats(&range.scale()), graph.floats(&range.black));
    let scaled = graph.node("Mul", &[&pixels, &scale], &[]);
    graph.node("Add", &[&scaled, &black], &[])
}

fn from_range(graph: &mut Builder, pixels: String, range: &Range) -> String {
    if *range == Range::BYTES {
        return pixels;
    }
    let levels = graph.floats(&range.scale().map(f32::recip));
    let black = graph.floats(&range.black);
    let above_black = graph.node("Sub", &[&pixels, &black], &[]);
    graph.node("Mul", &[&above_black, &levels], &[])
}

fn to_layout(graph: &mut Builder, pixels: String, layout: Layout) -> String {
    match layout {
        Layout::Nchw => graph.node("Transpose", &[&pixels], &[("perm", Value::Ints(&TO_NCHW))]),
        Layout::Nhwc => pixels,
    }
}

fn from_layout(graph: &mut Builder, image: String, layout: Layout) -> String {
    match layout {
        Layout::Nchw => graph.node("Transpose", &[&image], &[("perm", Value::Ints(&TO_NHWC))]),
        Layout::Nhwc => image,
    }
}

/// Height and width of the frame.
fn sides(graph: &mut Builder) -> String {
    let shape = graph.node("Shape", &["frame"], &[]);
    let places = graph.integers(&[1, 2]);
    graph.node("Gather", &[&shape, &places], &[("axis", Value::Int(0))])
}

/// The image, continued to the right and to the bottom by its reflection until its sides are multiples.
fn padded(graph: &mut Builder, image: &str, sides: &str, conventions: &Conventions) -> String {
    let multiple = conventions.multiple as i64;
    let (last, multiple) = (graph.integers(&[multiple - 1]), graph.integers(&[multiple]));
    let up = graph.node("Add", &[sides, &last], &[]);
    let times = graph.node("Div", &[&up, &multiple], &[]);
    let wanted = graph.node("Mul", &[&times, &multiple], &[]);
    let missing = graph.node("Sub", &[&wanted, sides], &[]);
    // What is put before each dimension, and then what is put after each.
    let [height, width] = conventions.input_layout.sides();
    let before = graph.integers(&vec![0; 4 + height]);
    let after = graph.integers(&vec![0; 3 - width]);
    let parts = [before.as_str(), &missing, &after];
    let parts = if width == 3 { &parts[..2] } else { &parts };
    let pads = graph.node("Concat", parts, &[("axis", Value::Int(0))]);
    graph.node("Pad", &[image, &pads], &[("mode", Value::Text("reflect"))])
}

fn cropped(graph: &mut Builder, image: &str, sides: &str, layout: Layout) -> String {
    let starts = graph.integers(&[0, 0]);
    let axes = graph.integers(&layout.sides().map(|side| side as i64));
    graph.node("Slice", &[image, &starts, sides, &axes], &[])
}

/// Numbers from 0 to 255 as bytes. A cast truncates.
fn bytes(graph: &mut Builder, pixels: &str) -> String {
    let (black, white) = (graph.float(0.0), graph.float(255.0));
    let clipped = graph.node("Clip", &[pixels, &black, &white], &[]);
    let rounded = graph.node("Round", &[&clipped], &[]);
    graph.cast(&rounded, data_type::UINT8)
}

fn known(side: usize) -> Dimension {
    Dimension {
        dim_value: Some(side as i64),
        dim_param: None,
    }
}

/// Returns the shape of a frame. Symbolic sides have the names that the session pins.
fn frame_dims(fixed: Option<FrameSize>) -> Vec<Dimension> {
    let symbolic = |name: &str| Dimension {
        dim_value: None,
        dim_param: Some(name.into()),
    };
    let [height, width] = match fixed {
        Some(size) => [known(size.height), known(size.width)],
        None => [symbolic("height"), symbolic("width")],
    };
    vec![known(1), height, width, known(PIXEL_BYTES)]
}
