#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Writes FOLDER/ball.onnx, and what onnxinference must know of it: a network that finds the box around what is bright in a frame of 320x240, and has the
outputs of an SSD detector. Needs the package onnx.

    model.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 320, 240
BRIGHT = 100

MODELINFO = """\
[modelinfo]
version=1.0
group-id=ssd-mobilenet-v1-variant-1-out

[frame]
id=frame
type=uint8
dims=1,240,320,3
dir=input
ranges=0.0,255.0;0.0,255.0;0.0,255.0

[detection_boxes]
id=ssd-mobilenet-v1-variant-1-out-boxes
type=float32
dims=-1,-1,4
dir=output

[detection_scores]
id=ssd-mobilenet-v1-variant-1-out-scores
type=float32
dims=-1,-1
dir=output

[detection_classes]
id=ssd-mobilenet-v1-variant-1-out-classes
type=float32
dims=-1,-1
dir=output

[num_detections]
id=generic-variant-1-out-count
type=float32
dims=-1
dir=output
"""


def extent(nodes: list, axis: int, name: str) -> None:
    """Where what is bright begins and ends along a side, as shares of it: {name}min and {name}max [1, 1]. axis: the other side, of [1, H, W]."""

    def add(operator: str, inputs: list[str], output: str, **attributes) -> None:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))

    add("ReduceMax", ["brightness"], f"{name} profile", axes=[axis], keepdims=0)
    add("Greater", [f"{name} profile", "threshold"], f"{name} is bright")
    add("Cast", [f"{name} is bright"], f"{name} bright", to=TensorProto.FLOAT)
    add("ArgMax", [f"{name} bright"], f"{name} first", axis=1)
    add("ArgMax", [f"{name} bright"], f"{name} last", axis=1, select_last_index=1)
    add("Cast", [f"{name} first"], f"{name} begin", to=TensorProto.FLOAT)
    add("Cast", [f"{name} last"], f"{name} last as float", to=TensorProto.FLOAT)
    add("Add", [f"{name} last as float", "one"], f"{name} end")
    add("Div", [f"{name} begin", f"{name} side"], f"{name}min")
    add("Div", [f"{name} end", f"{name} side"], f"{name}max")


def detector() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["pixels"], ["brightness"], axes=[3], keepdims=0),
    ]
    extent(nodes, 1, "x")
    extent(nodes, 2, "y")
    nodes += [
        helper.make_node("Concat", ["ymin", "xmin", "ymax", "xmax"], ["corners"], axis=1),
        helper.make_node("Reshape", ["corners", "box shape"], ["box"]),
        # Decoders take outputs of unknown length only, and this one is not known before the run.
        helper.make_node("NonZero", ["num_detections"], ["found"]),
        helper.make_node("Shape", ["found"], ["shape of found"]),
        helper.make_node("Gather", ["shape of found", "ones"], ["count"], axis=0),
        helper.make_node("Concat", ["ones", "count"], ["list"], axis=0),
        helper.make_node("Concat", ["list", "four"], ["list of boxes"], axis=0),
        helper.make_node("Expand", ["box", "list of boxes"], ["detection_boxes"]),
        helper.make_node("Expand", ["score", "list"], ["detection_scores"]),
        helper.make_node("Expand", ["class", "list"], ["detection_classes"]),
        helper.make_node("Identity", ["score of one"], ["num_detections"]),
    ]
    nodes.insert(0, nodes.pop())
    constants = {
        "threshold": np.float32(BRIGHT), "one": np.float32(1), "x side": np.float32(WIDTH), "y side": np.float32(HEIGHT),
        "box shape": np.array([1, 1, 4]), "ones": np.array([1]), "four": np.array([4]),
        "score": np.ones((1, 1), np.float32), "class": np.zeros((1, 1), np.float32), "score of one": np.ones(1, np.float32),
    }
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "ball", [value("frame", TensorProto.UINT8, [1, HEIGHT, WIDTH, 3])],
        [value("detection_boxes", TensorProto.FLOAT, ["one", "boxes", 4]), value("detection_scores", TensorProto.FLOAT, ["one", "boxes"]),
         value("detection_classes", TensorProto.FLOAT, ["one", "boxes"]), value("num_detections", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: model.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(detector(), folder / "ball.onnx")
    (folder / "ball.onnx.modelinfo").write_text(MODELINFO)


if __name__ == "__main__":
    main()
