"""The int8 variant of a backbone: convolutions in 8 bits, calibrated on real frames with their own priors.

Static quantisation, weights per channel. The convolutions that no other one follows make the change that is added to the frame: in 8 bits
they would round it, and stay as they are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from .diffusion import even_times
from .model import BlurDm
from .patches import open_store

FRAMES = 40


class Calibration(CalibrationDataReader):
    """Blurred patches, evenly spread over a store, each with the prior of a one-step sampler."""

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
        picture = torch.from_numpy(np.array(patch)).permute(2, 0, 1)[None] / 255
        prior = self._model.prior_of_regions(picture, even_times(self._model.schedule.steps, 1))
        return {"frame": np.concatenate([patch, np.full((*patch.shape[:2], 1), 255, np.uint8)], 2)[None], "prior": prior.numpy()}


def quantise(backbone: Path, calibration: CalibrationDataReader, out: Path) -> None:
    """Writes the int8 variant of an exported backbone."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(backbone, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, out, calibration, quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=["Conv"],
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.Percentile,
                        nodes_to_exclude=last_convolutions(onnx.load(prepared).graph))


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
