"""The int8 variant of a backbone: convolutions in 8 bits, calibrated on real frames with their own priors.

Static quantisation, weights per channel. The convolutions that no other one follows make the change that is added to the frame: in 8 bits
they would round it. Of those, one that works on what other convolutions made has its inputs in 8 bits and its output as it was, which OpenVINO
computes in 8 bits; one that takes the deconvolution's output to the colours stays as it is. So do convolutions of the frame's own bytes: luma must
stay exact, and runtimes read bytes faster than they would round them again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .convolutions import convolutions_of_bytes, last_convolutions
from .diffusion import even_times
from .model import BlurDm
from .patches import open_store

FRAMES = 40


class Calibration(CalibrationDataReader):
    """Blurred patches, evenly spread over a store, each with the prior of a one-step sampler if the model has one."""

    def __init__(self, model: BlurDm, patches: Path):
        blurred, _, length, _, _ = open_store(patches)
        ready = np.flatnonzero(~np.isnan(length))
        self._patches = (blurred[i] for i in ready[np.linspace(0, len(ready) - 1, min(FRAMES, len(ready))).astype(int)])
        self._model = model

    @torch.no_grad()
    def get_next(self) -> dict[str, np.ndarray] | None:
        patch = next(self._patches, None)
        if patch is None:
            return None
        frame = {"frame": np.concatenate([patch, np.full((*patch.shape[:2], 1), 255, np.uint8)], 2)[None]}
        if self._model.kind == "none":
            return frame
        picture = torch.from_numpy(np.array(patch)).permute(2, 0, 1)[None] / 255
        return frame | {"prior": self._model.prior_of_regions(picture, even_times(self._model.schedule.steps, 1)).numpy()}


def quantise(backbone: Path, calibration: CalibrationDataReader, out: Path) -> None:
    """Writes the int8 variant of an exported backbone."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(backbone, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        made = {value.name for value in graph.initializer} - {value.name for value in onnx.load(backbone).graph.initializer}
        last = last_convolutions(graph)
        heads = [name for name in last if _follows_a_convolution(graph, name)]
        quantize_static(prepared, out, calibration, quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=["Conv"],
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.Percentile,
                        nodes_to_exclude=[name for name in last if name not in heads] + convolutions_of_bytes(graph))
    model = onnx.load(out)
    for name in heads:
        _leave_output(model.graph, name)
    _rename(model.graph, {name: f"prepared_{name}" for name in made})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, out)


def _follows_a_convolution(graph: onnx.GraphProto, name: str) -> bool:
    maker = {output: node for node in graph.node for output in node.output}
    seen, open_ends = set(), [next(node for node in graph.node if node.name == name).input[0]]
    while open_ends:
        node = maker.get(open_ends.pop())
        if node is None or node.name in seen:
            continue
        if node.op_type == "Conv":
            return True
        seen.add(node.name)
        open_ends += node.input
    return False


def _leave_output(graph: onnx.GraphProto, name: str) -> None:
    """Takes out the pair that quantises the output of this convolution."""
    output = next(node for node in graph.node if node.name == name).output[0]
    quantised = [node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == output]
    for pair in quantised:
        dequantised = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] == pair.output[0]]
        for node in dequantised:
            for reader in graph.node:
                for index, tensor in enumerate(reader.input):
                    if tensor == node.output[0]:
                        reader.input[index] = output
            graph.node.remove(node)
        graph.node.remove(pair)
    used = {tensor for node in graph.node for tensor in node.input}
    for value in [value for value in graph.initializer if value.name not in used]:
        graph.initializer.remove(value)


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Gives constants other names. ONNX Runtime 1.24 does not load a graph that has those which its own fusions will give, as those of an optimised one are."""
    for value in graph.initializer:
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for index, tensor in enumerate(node.input):
            node.input[index] = names.get(tensor, tensor)
