"""The reference outputs in golden/ (see its README): tensor lists, weights made by rule, inputs and the published implementation's outputs;
and how a network is compared with them, in PyTorch and in ONNX Runtime."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

FOLDER = Path(__file__).parent / "golden"


def names(network: str) -> dict[str, tuple[int, ...]]:
    """Every tensor of the network's published checkpoint format, in its order: name to shape."""
    return {name: tuple(shape) for name, shape in json.loads((FOLDER / f"{network}.json").read_text()).items()}


def fill(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The float32 values that the tensor of this name has in the references."""
    x = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF).standard_normal(shape)
    if len(shape) >= 2:
        x = 1 + 0.1 * x if name.endswith(".fft") else 0.5 * x / np.sqrt(np.prod(shape[1:]))
    else:
        x = 1 + 0.1 * x if name.endswith("weight") else 0.05 * x
    return torch.from_numpy(np.asarray(x, np.float32))


def weights(network: str) -> dict[str, torch.Tensor]:
    """The state that the network's reference outputs were made with."""
    return {name: fill(name, shape) for name, shape in names(network).items()}


def arrays(network: str) -> dict[str, torch.Tensor]:
    """The reference inputs and outputs, float32."""
    with np.load(FOLDER / f"{network}.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def difference(got: torch.Tensor, want: torch.Tensor) -> float:
    """Largest absolute difference, relative to the largest wanted value."""
    assert got.shape == want.shape
    return float((got - want).abs().max() / want.abs().max())


def exported(module: nn.Module, inputs: dict[str, torch.Tensor], outputs: list[str], dynamic: dict | None = None) -> onnx.ModelProto:
    """For the oldest runtime that the product loads: opset 18, IR version 8."""
    program = torch.onnx.export(module.eval(), kwargs=inputs, input_names=list(inputs), output_names=outputs, dynamic_shapes=dynamic,
                                opset_version=18, dynamo=True, verbose=False)
    model = program.model_proto
    model.ir_version = 8
    del model.functions[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    return [torch.from_numpy(output) for output in session.run(None, {name: value.numpy() for name, value in inputs.items()})]
