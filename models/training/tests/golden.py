"""The reference outputs in golden/ (see its README): tensor lists, weights made by rule, inputs and the published implementation's outputs."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch

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
