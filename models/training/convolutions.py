"""Which convolutions of an exported backbone are its first and its last ones, and which only move exact values on."""

from __future__ import annotations

import numpy as np
import onnx

MOVES = ("Cast", "Transpose", "Gather", "Pad", "Reshape", "Slice")


def convolutions_of_bytes(graph: onnx.GraphProto) -> list[str]:
    """Names of the convolutions of the frame as it is, moved and cast only."""
    maker = {output: node for node in graph.node for output in node.output}
    frame = graph.input[0].name

    def is_frame(tensor: str) -> bool:
        while tensor != frame:
            if tensor not in maker or maker[tensor].op_type not in MOVES:
                return False
            tensor = maker[tensor].input[0]
        return True

    return [node.name for node in graph.node if node.op_type == "Conv" and is_frame(node.input[0])]


def last_convolutions(graph: onnx.GraphProto) -> list[str]:
    """Names of the convolutions that no other one follows on the way to the output."""
    maker = {output: node for node in graph.node for output in node.output}
    found, seen, open_ends = [], set(), [output.name for output in graph.output]
    while open_ends:
        node = maker.get(open_ends.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op_type == "Conv":
            found.append(node.name)
        else:
            open_ends += node.input
    return found


LIGHT = 36
"""Multiply-adds for a number of the output: 3x3 of four channels."""


def light_linear_convolutions(graph: onnx.GraphProto) -> list[str]:
    """Names of convolutions of few multiply-adds that no activation comes before: they enlarge, or filter, what must stay exact."""
    weights = {value.name: value.dims for value in graph.initializer}
    maker = {output: node for node in graph.node for output in node.output}

    def is_light(node: onnx.NodeProto) -> bool:
        dims = weights.get(node.input[1])
        return dims is not None and int(np.prod(dims[1:])) <= LIGHT

    def follows_activation(node: onnx.NodeProto) -> bool:
        before = maker.get(node.input[0])
        return before is not None and before.op_type == "Relu"

    return [node.name for node in graph.node if node.op_type == "Conv" and is_light(node) and not follows_activation(node)]
