"""The int8 variant of a backbone: convolutions in 8 bits, calibrated on real frames with their own priors.

Static quantisation, weights per channel. The convolutions that no other one follows make the change that is added to the frame: in 8 bits
they would round it. Of those, one that works on what other convolutions made has its inputs in 8 bits and its output as it was, which OpenVINO
computes in 8 bits; one that takes the deconvolution's output to the colours stays as it is. So do convolutions of the frame's own bytes: luma must
stay exact, and runtimes read bytes faster than they would round them again. And so do small ones that no activation comes before: they enlarge luma, or
take detail out of it.

A range that holds the rarest value of a tensor leaves few levels to the others. So ranges are narrowed, one after the other, as long as what the whole graph
restores comes nearer to what the exact one does (`narrow_ranges`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .convolutions import convolutions_of_bytes, last_convolutions, light_linear_convolutions
from .diffusion import even_times
from .model import BlurDm
from .patches import open_store

FRAMES = 40

NARROWING_FRAMES = 10
NARROWING_SIDE = 256
"""Pictures, and the side of their middle, that ranges are narrowed by."""

FACTORS = (0.6, 0.36, 0.22)
"""Shares of its range that a tensor is tried with."""

ROUNDS = 2
"""Through all tensors: how far the range of one may be narrowed depends on the others'."""

LEAST_CHANGE = 5e-4
"""Of the mean squared error: what changes less is chance."""


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


class _Kept(CalibrationDataReader):
    """Passes on what another one reads, and keeps it."""

    def __init__(self, reader: CalibrationDataReader):
        self._reader = reader
        self.feeds: list[dict[str, np.ndarray]] = []

    def get_next(self) -> dict[str, np.ndarray] | None:
        feeds = self._reader.get_next()
        if feeds is not None:
            self.feeds.append(feeds)
        return feeds


def quantise(backbone: Path, calibration: CalibrationDataReader, out: Path) -> None:
    """Writes the int8 variant of an exported backbone."""
    calibration = _Kept(calibration)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(backbone, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        made = {value.name for value in graph.initializer} - {value.name for value in onnx.load(backbone).graph.initializer}
        last = last_convolutions(graph)
        heads = [name for name in last if _follows_a_convolution(graph, name)]
        quantize_static(prepared, out, calibration, quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=["Conv"],
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.Percentile,
                        nodes_to_exclude=[name for name in last if name not in heads] + convolutions_of_bytes(graph) + light_linear_convolutions(graph))
    model = onnx.load(out)
    for name in heads:
        _leave_output(model.graph, name)
    _rename(model.graph, {name: f"prepared_{name}" for name in made})
    narrow_ranges(model, backbone, calibration.feeds)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, out)


def narrow_ranges(model: onnx.ModelProto, exact: Path, feeds: list[dict[str, np.ndarray]]) -> None:
    """Narrows the ranges of a quantised model's tensors where it then computes more nearly what the graph `exact` does, on crops of some of the feeds."""
    some = [feeds[i] for i in np.linspace(0, len(feeds) - 1, min(NARROWING_FRAMES, len(feeds))).astype(int)]
    some = [feed | {"frame": _middle(feed["frame"])} for feed in some]
    session = _unfused(exact.read_bytes())
    wanted = [session.run(None, feed)[0].astype(np.float32) for feed in some]
    initial = {value.name: value for value in model.graph.initializer}
    scales = [node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    best = _error(model, some, wanted)
    for name in [*reversed(dict.fromkeys(scales))] * ROUNDS:
        whole = numpy_helper.to_array(initial[name]).copy()
        chosen = 1.0
        for factor in FACTORS:
            initial[name].CopyFrom(numpy_helper.from_array((whole * factor).astype(whole.dtype), name))
            error = _error(model, some, wanted)
            if error >= best * (1 - LEAST_CHANGE):
                break
            best, chosen = error, factor
        initial[name].CopyFrom(numpy_helper.from_array((whole * chosen).astype(whole.dtype), name))
    _match_biases(model.graph)


def _match_biases(graph: onnx.GraphProto) -> None:
    """Makes the scale of each convolution's bias the product of its input's and its weights', which integer kernels take it to be."""
    initial = {value.name: value for value in graph.initializer}
    maker = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in graph.node:
        pairs = [maker.get(tensor) for tensor in node.input] if node.op_type == "Conv" else []
        if len(pairs) < 3 or None in pairs:
            continue
        of_input, of_weights = (numpy_helper.to_array(initial[pair.input[1]]) for pair in pairs[:2])
        bias, scale = (initial[name] for name in pairs[2].input[:2])
        values = numpy_helper.to_array(bias) * numpy_helper.to_array(scale).astype(np.float64)
        product = (of_input * of_weights).astype(np.float32)
        bias.CopyFrom(numpy_helper.from_array(np.rint(values / product).astype(np.int32), bias.name))
        scale.CopyFrom(numpy_helper.from_array(product, scale.name))


def _middle(frame: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - NARROWING_SIDE) // 2) for side in frame.shape[1:3])
    return np.ascontiguousarray(frame[:, top : top + NARROWING_SIDE, left : left + NARROWING_SIDE])


def _error(model: onnx.ModelProto, feeds: list[dict[str, np.ndarray]], wanted: list[np.ndarray]) -> float:
    """Mean squared, in grey levels."""
    session = _unfused(model.SerializeToString())
    return float(np.mean([np.mean((session.run(None, feed)[0] - exact) ** 2) for feed, exact in zip(feeds, wanted, strict=True)]))


def _unfused(model: bytes) -> onnxruntime.InferenceSession:
    """A session that computes what the graph says, to the last bit: integer kernels of CPUs without VNNI saturate."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


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
