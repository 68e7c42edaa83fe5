# SPDX-License-Identifier: MPL-2.0

"""Makes one graph of a bundle, from float RGB planes 0..1 to float RGB planes 0..1, and checks it against the bundle's own graphs.

vs-mlrt and onnxinference run one graph with one input; the bundle has three graphs and a sampler between them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from bundle import Bundle, Step, manifest, one_step, session
from measuring import size

BYTE = 255.0
GREY_LEVELS = 1
"""How far the one graph may be from the bundle: rounding may go the other way, no more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("merged", type=Path)
    parser.add_argument("--size", default="1280x720", type=size, help="WIDTHxHEIGHT")
    given = parser.parse_args()
    width, height = given.size
    onnx.save(merged(given.bundle, width, height), given.merged)
    print(f"{given.merged}: at most {difference(given.bundle, given.merged, width, height)} grey level(s) from the bundle")


def merged(folder: Path, width: int, height: int) -> onnx.ModelProto:
    files = manifest(folder)
    encoder = in_floats(onnx.load(folder / files["prior"]["encoder"]), height, width)
    residuals = onnx.load(folder / files["prior"]["residuals"])
    backbone = in_floats(onnx.load(folder / files["backbone"]["variants"]["fp32"]), height, width)
    # Every part has names of its own, such as val_0. A prefix keeps them apart.
    encoder, residuals, backbone = (
        compose.add_prefix(part, name) for part, name in ((encoder, "encoder/"), (residuals, "residuals/"), (backbone, "backbone/"))
    )
    step = one_step(folder)
    constants = [numpy_helper.from_array(value, name) for name, value in constant_values(step).items()]
    links = links_before() + links_between() + links_after()
    planes, restored = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, height, width]) for n in ("planes", "restored"))
    parts = [part.graph for part in (encoder, residuals, backbone)]
    nodes = ordered([*links, *(node for part in parts for node in part.node)], {"planes"} | initializers(parts, constants))
    graph = helper.make_graph(nodes, "blurdm", [planes], [restored], [*constants, *(t for part in parts for t in part.initializer)])
    model = helper.make_model(graph, opset_imports=backbone.opset_import, ir_version=backbone.ir_version)
    # onnxinference refuses an output that the file gives no group, and puts that on the tensors.
    helper.set_model_props(model, {"restored": "blurdm-restored"})
    onnx.checker.check_model(model)
    return model


def in_floats(model: onnx.ModelProto, height: int, width: int) -> onnx.ModelProto:
    """The same graph with its frames as floats 0..255: the casts from bytes then do nothing, and the one to bytes becomes such."""
    for value in [*model.graph.input, *model.graph.output]:
        tensor = value.type.tensor_type
        if tensor.elem_type == TensorProto.UINT8:
            tensor.elem_type = TensorProto.FLOAT
            tensor.shape.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, [1, height, width, 4]).tensor_type.shape)
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.UINT8:
                attribute.i = TensorProto.FLOAT
    # The types noted for what lies between are of bytes still. They can be inferred.
    del model.graph.value_info[:]
    return model


def constant_values(step: Step) -> dict[str, np.ndarray]:
    return {
        "to_bytes": np.float32(BYTE),
        "to_planes": np.float32(1 / BYTE),
        "fourth_byte": np.array([0, 0, 0, 0, 0, 1, 0, 0], np.int64),
        "first": np.array([0], np.int64),
        "rgb": np.array([3], np.int64),
        "channels": np.array([3], np.int64),
        "from": np.array([step.time], np.float32),
        "to": np.zeros(1, np.float32),
        "latent_factor": np.float32(step.latent),
        "blur_factor": np.float32(step.blur),
        "noise_factor": np.float32(step.noise),
    }


def links_before() -> list[onnx.NodeProto]:
    """Planes to RGBx pixels. Rounding restores the bytes that were divided on the way here."""
    return [
        helper.make_node("Mul", ["planes", "to_bytes"], ["scaled"]),
        helper.make_node("Round", ["scaled"], ["bytes"]),
        helper.make_node("Pad", ["bytes", "fourth_byte"], ["rgbx"]),
        helper.make_node("Transpose", ["rgbx"], ["encoder/frame"], perm=[0, 2, 3, 1]),
        helper.make_node("Identity", ["encoder/frame"], ["backbone/frame"]),
    ]


def links_between() -> list[onnx.NodeProto]:
    """The sampler's step between the graphs."""
    return [
        helper.make_node("Identity", ["encoder/z_blur"], ["residuals/z_t"]),
        helper.make_node("Identity", ["encoder/z_blur"], ["residuals/z_blur"]),
        helper.make_node("Identity", ["from"], ["residuals/t"]),
        helper.make_node("Identity", ["to"], ["residuals/s"]),
        helper.make_node("Mul", ["encoder/z_blur", "latent_factor"], ["latent"]),
        helper.make_node("Mul", ["residuals/blur_residual", "blur_factor"], ["blur"]),
        helper.make_node("Mul", ["residuals/noise_residual", "noise_factor"], ["noise"]),
        helper.make_node("Sub", ["latent", "blur"], ["less_blur"]),
        helper.make_node("Sub", ["less_blur", "noise"], ["backbone/prior"]),
    ]


def links_after() -> list[onnx.NodeProto]:
    """Pixels, rounded by the backbone, back to planes."""
    return [
        helper.make_node("Slice", ["backbone/restored", "first", "rgb", "channels"], ["pixels"]),
        helper.make_node("Transpose", ["pixels"], ["restored_bytes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["restored_bytes", "to_planes"], ["restored"]),
    ]


def initializers(parts: list[onnx.GraphProto], constants: list[onnx.TensorProto]) -> set[str]:
    return {tensor.name for tensor in constants} | {tensor.name for part in parts for tensor in part.initializer}


def ordered(nodes: list[onnx.NodeProto], known: set[str]) -> list[onnx.NodeProto]:
    """The nodes, each after those that it needs, as ONNX wants it. None has a graph inside."""
    result: list[onnx.NodeProto] = []
    while nodes:
        ready = [node for node in nodes if all(not name or name in known for name in node.input)]
        if not ready:
            raise SystemExit(f"{nodes[0].name} needs what nothing makes: the bundle keeps other names. Look at links_between in merge.py.")
        result += ready
        known |= {name for node in ready for name in node.output}
        nodes = [node for node in nodes if not all(name in known for name in node.output)]
    return result


def difference(folder: Path, path: Path, width: int, height: int) -> int:
    """The largest difference in grey levels on a frame that has edges, slopes and noise."""
    frame = test_frame(width, height)
    wanted = Bundle(folder, "cpu", 0).restore(frame)[..., :3]
    planes = frame[None, ..., :3].transpose(0, 3, 1, 2).astype(np.float32) * np.float32(1 / BYTE)
    (found,) = session(path, "cpu", 0).run(None, {"planes": planes})
    found = np.rint(found[0].transpose(1, 2, 0) * BYTE)
    largest = int(np.abs(found - wanted.astype(np.float32)).max())
    if largest > GREY_LEVELS:
        raise SystemExit(f"{path} is {largest} grey levels from the bundle, {GREY_LEVELS} is allowed: do not measure it. Look at merge.py.")
    return largest


def test_frame(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    frame = np.stack([x * 255 // width, y * 255 // height, (x // 32 + y // 32) % 2 * 255, np.zeros_like(x)], axis=-1)
    frame[..., :3] += np.random.default_rng(1).integers(-8, 9, (height, width, 3))
    return frame.clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
