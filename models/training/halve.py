"""The fp16 variant of a backbone, for GPUs: what lies between its first and its last convolutions in half precision.

What comes before and after is in grey levels, or a Fourier transform that would lose in half precision what it is there for. Sums over many
numbers, norms among them, stay in fp32 as well.
"""

from __future__ import annotations

import onnx
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from .convolutions import convolutions_of_bytes

SUMS = ("LayerNormalization", "ReduceMean", "ReduceSum", "ReduceL2", "Softmax", "Pow", "Sqrt", "Reciprocal")


def halve(backbone: onnx.ModelProto) -> onnx.ModelProto:
    """An exported backbone with its middle in half precision; inputs and outputs as they were."""
    for number, node in enumerate(backbone.graph.node):
        node.name = node.name or f"node_{number}"
    middle = between_convolutions(backbone.graph)
    # Of types that no longer hold.
    del backbone.graph.value_info[:]
    outside = [node.name for node in backbone.graph.node if node.name not in middle]
    halved = convert_float_to_float16(backbone, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *SUMS], node_block_list=outside)
    # It leaves its casts at the end.
    ONNXModel(halved).topological_sort()
    onnx.checker.check_model(halved, full_check=True)
    return halved


def between_convolutions(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that depend on a convolution and that another one depends on, and of the convolutions. Those of the frame's own bytes do not count:
    the deconvolution works on what they make."""
    of_bytes = convolutions_of_bytes(graph)
    makers = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    convolutions = [node for node in graph.node if node.op_type == "Conv" and node.name not in of_bytes]
    after = _reached(convolutions, lambda node: [reader for output in node.output for reader in readers.get(output, [])])
    before = _reached(convolutions, lambda node: [makers[name] for name in node.input if name in makers])
    return (after & before) | {node.name for node in convolutions}


def _reached(start: list[onnx.NodeProto], neighbours) -> set[str]:
    reached, waiting = set(), [neighbour for node in start for neighbour in neighbours(node)]
    while waiting:
        node = waiting.pop()
        if node.name not in reached:
            reached.add(node.name)
            waiting += neighbours(node)
    return reached
