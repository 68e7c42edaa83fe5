// SPDX-License-Identifier: MPL-2.0

//! The operators that networks for images consist of: what this project's exporters write, and what well-known networks
//! for classification, restoration and super-resolution need besides.

/// The names of ONNX's own domain.
pub(super) const OWN_DOMAINS: [&str; 2] = ["", "ai.onnx"];

/// The most inputs or outputs of an operator that takes any number.
const ANY: usize = 4096;

/// An operator of ONNX's own domain.
#[derive(Debug)]
pub(super) struct Operator {
    pub name: &'static str,
    /// The number of the first inputs that must be there.
    pub needed: usize,
    pub most_inputs: usize,
    pub most_outputs: usize,
    pub output: Output,
}

/// What the elements of an operator's first output are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output {
    /// Those of an input.
    AsInput(usize),
    /// Those of an input if it is there, and of this type otherwise.
    AsInputOr(usize, i32),
    /// Of this type.
    Is(i32),
    /// What the attribute `to` says.
    Cast,
    /// Those of the attribute that is a value.
    Value,
}

use super::onnx::data_type::{BOOL, FLOAT, INT32, INT64, UINT8};
use Output::{AsInput, AsInputOr, Cast, Is, Value};

const fn operator(
    name: &'static str,
    needed: usize,
    most_inputs: usize,
    most_outputs: usize,
    output: Output,
) -> Operator {
    Operator {
        name,
        needed,
        most_inputs,
        most_outputs,
        output,
    }
}

/// An operator with one input and one output of one type.
const fn unary(name: &'static str) -> Operator {
    operator(name, 1, 1, 1, AsInput(0))
}

/// An operator with two inputs and one output of one type.
const fn binary(name: &'static str) -> Operator {
    operator(name, 2, 2, 1, AsInput(0))
}

/// A comparison or an operation on truth values.
const fn logical(name: &'static str) -> Operator {
    operator(name, 2, 2, 1, Is(BOOL))
}

/// A reduction: data, and in later versions axes.
const fn reduction(name: &'static str) -> Operator {
    operator(name, 1, 2, 1, AsInput(0))
}

const fn variadic(name: &'static str) -> Operator {
    operator(name, 1, ANY, 1, AsInput(0))
}

static OPERATORS: &[Operator] = &[
    // Element by element.
    unary("Abs"),
    unary("Ceil"),
    unary("Celu"),
    unary("Cos"),
    unary("Elu"),
    unary("Erf"),
    unary("Exp"),
    unary("Floor"),
    unary("Gelu"),
    unary("HardSigmoid"),
    unary("HardSwish"),
    unary("Identity"),
    unary("LeakyRelu"),
    unary("Log"),
    unary("LogSoftmax"),
    unary("Mish"),
    unary("Neg"),
    unary("Not"),
    unary("Reciprocal"),
    unary("Relu"),
    unary("Round"),
    unary("Selu"),
    unary("Sigmoid"),
    unary("Sign"),
    unary("Sin"),
    unary("Softmax"),
    unary("Softplus"),
    unary("Softsign"),
    unary("Sqrt"),
    unary("Swish"),
    unary("Tanh"),
    unary("ThresholdedRelu"),
    operator("Cast", 1, 1, 1, Cast),
    operator("Clip", 1, 3, 1, AsInput(0)),
    operator("Dropout", 1, 3, 2, AsInput(0)),
    binary("Add"),
    binary("Div"),
    binary("Mod"),
    binary("Mul"),
    binary("PRelu"),
    binary("Pow"),
    binary("Sub"),
    variadic("Max"),
    variadic("Mean"),
    variadic("Min"),
    variadic("Sum"),
    logical("And"),
    logical("Equal"),
    logical("Greater"),
    logical("GreaterOrEqual"),
    logical("Less"),
    logical("LessOrEqual"),
    logical("Or"),
    logical("Xor"),
    operator("Where", 3, 3, 1, AsInput(1)),
    // Convolutions and products.
    operator("Conv", 2, 3, 1, AsInput(0)),
    operator("ConvTranspose", 2, 3, 1, AsInput(0)),
    operator("Einsum", 1, 16, 1, AsInput(0)),
    operator("Gemm", 2, 3, 1, AsInput(0)),
    binary("MatMul"),
    operator("DFT", 1, 3, 1, AsInput(0)),
    // Quantised ones.
    operator("ConvInteger", 2, 4, 1, Is(INT32)),
    operator("DequantizeLinear", 2, 3, 1, AsInput(1)),
    operator("DynamicQuantizeLinear", 1, 1, 3, Is(UINT8)),
    operator("MatMulInteger", 2, 4, 1, Is(INT32)),
    operator("QLinearConv", 8, 9, 1, AsInput(7)),
    operator("QLinearMatMul", 8, 8, 1, AsInput(7)),
    operator("QuantizeLinear", 2, 3, 1, AsInputOr(2, UINT8)),
    // Normalisation, pooling and reduction.
    operator("BatchNormalization", 5, 5, 5, AsInput(0)),
    operator("GroupNormalization", 3, 3, 1, AsInput(0)),
    operator("InstanceNormalization", 3, 3, 1, AsInput(0)),
    operator("LRN", 1, 1, 1, AsInput(0)),
    operator("LayerNormalization", 2, 3, 3, AsInput(0)),
    unary("AveragePool"),
    unary("GlobalAveragePool"),
    unary("GlobalMaxPool"),
    operator("MaxPool", 1, 1, 2, AsInput(0)),
    operator("ArgMax", 1, 1, 1, Is(INT64)),
    operator("ArgMin", 1, 1, 1, Is(INT64)),
    binary("CumSum"),
    reduction("ReduceL1"),
    reduction("ReduceL2"),
    reduction("ReduceLogSumExp"),
    reduction("ReduceMax"),
    reduction("ReduceMean"),
    reduction("ReduceMin"),
    reduction("ReduceProd"),
    reduction("ReduceSum"),
    reduction("ReduceSumSquare"),
    operator("TopK", 1, 2, 2, AsInput(0)),
    // Shapes and places.
    operator("Constant", 0, 0, 1, Value),
    operator("ConstantOfShape", 1, 1, 1, Value),
    variadic("Concat"),
    unary("DepthToSpace"),
    binary("Expand"),
    unary("Flatten"),
    binary("Gather"),
    binary("GatherElements"),
    binary("GatherND"),
    binary("GridSample"),
    operator("Pad", 1, 4, 1, AsInput(0)),
    operator("Range", 3, 3, 1, AsInput(0)),
    operator("Reshape", 1, 2, 1, AsInput(0)),
    operator("Resize", 1, 4, 1, AsInput(0)),
    operator("ScatterElements", 3, 3, 1, AsInput(0)),
    operator("ScatterND", 3, 3, 1, AsInput(0)),
    operator("Shape", 1, 1, 1, Is(INT64)),
    operator("Size", 1, 1, 1, Is(INT64)),
    operator("Slice", 1, 5, 1, AsInput(0)),
    unary("SpaceToDepth"),
    operator("Split", 1, 2, ANY, AsInput(0)),
    operator("Squeeze", 1, 2, 1, AsInput(0)),
    operator("Tile", 2, 2, 1, AsInput(0)),
    unary("Transpose"),
    operator("Unsqueeze", 1, 2, 1, AsInput(0)),
    operator("Upsample", 1, 2, 1, AsInput(0)),
];

/// Returns the operator of a name; `None` if it is not in the list.
pub(super) fn find(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.name == name)
}

impl Operator {
    /// Whether it takes any number of inputs, of which none may be left out.
    pub fn is_variadic(&self) -> bool {
        self.most_inputs == ANY
    }

    /// Returns the type of the elements of output number `number`, given those of the inputs and of the attribute that
    /// [`Output::Cast`] or [`Output::Value`] names.
    pub fn output_type(&self, number: usize, inputs: &[Option<i32>], attribute: Option<i32>) -> Option<i32> {
        let input = |number: usize| inputs.get(number).copied().flatten();
        match (self.name, number) {
            ("Dropout", 1) => return Some(BOOL),
            ("MaxPool" | "TopK", 1) => return Some(INT64),
            ("DynamicQuantizeLinear", 1) | ("LayerNormalization", 1..) => return Some(FLOAT),
            _ => {}
        }
        match self.output {
            AsInput(number) => input(number),
            AsInputOr(number, otherwise) => input(number).or(Some(otherwise)),
            Is(element) => Some(element),
            Cast | Value => attribute,
        }
    }
}
