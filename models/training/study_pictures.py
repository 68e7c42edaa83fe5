"""What the study is scored on: the middles of the validation exposures, large enough for every backbone and small enough for many runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .config import ConfigError
from .exposure import point_spread
from .model import Example
from .networks import ExposureOracle
from .patches import unpack_motion

CROP = 128
"""Of the reduced exposure."""

CONTEXT = 256
"""The blur encoder sees this much of the whole one, as in training."""


@dataclass(frozen=True)
class Picture:
    name: str
    length: int
    blurred: np.ndarray
    truth: np.ndarray
    example: Example


def study_pictures(validation: Path, reduction: int) -> list[Picture]:
    """The blurred validation exposures, in order; raises ConfigError where there are none."""
    ledger = validation / "motions.json"
    if not ledger.is_file():
        raise ConfigError(f"{ledger} is missing (python -m training.validation makes it)")
    motions = json.loads(ledger.read_text())
    return [_picture(validation, name, np.array(numbers, np.float32), reduction) for name, numbers in sorted(motions.items()) if not name.endswith("-00")]


def _picture(validation: Path, name: str, motion: np.ndarray, reduction: int) -> Picture:
    blurred, sharp = (np.asarray(Image.open(validation / f"{name}_{side}.png")) for side in ("blurred", "sharp"))
    height = blurred.shape[0]
    spread = point_spread(unpack_motion(motion).path_at((0, 0), height), ExposureOracle.RADIUS)
    crop, truth = (_reduced(_middle(side, CROP * reduction), reduction) for side in (blurred, sharp))
    context = _middle(blurred, CONTEXT)
    example = Example(_tensor(crop), _tensor(truth), _tensor(context), torch.from_numpy(spread)[None])
    return Picture(name, int(name.rsplit("-", 1)[1]), crop, truth, example)


def _middle(picture: np.ndarray, side: int) -> np.ndarray:
    y, x = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    return np.array(picture[y : y + side, x : x + side])


def _reduced(picture: np.ndarray, reduction: int) -> np.ndarray:
    """Means of reduction x reduction px, in whole grey levels."""
    side = len(picture) // reduction
    return picture.reshape(side, reduction, side, reduction, 3).mean((1, 3)).round().astype(np.uint8)


def _tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
