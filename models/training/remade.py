"""Exposures remade while training: paths without end, and stored sharp pictures blurred along new ones.

A stored patch has one blur, and what reads blurs must see many. A remade one is blurred evenly (no turn, zoom or layers: the stored
patches have those), in linear light, with a sensor's noise, in a few milliseconds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from .exposure import Camera, Motion, develop, point_spread, random_motion, to_linear
from .networks import ExposureOracle
from .patches import random_length
from .realistic import random_length as realistic_length

RADIUS = ExposureOracle.RADIUS
LONGEST = 20.0
"""Longer paths would leave the point spread's square."""

POOL = 60_000
STILL_SHARE = 0.04
"""Of the point spreads in a SpreadPool; there is only one of length 0. The others are as often long as short: what writes them must write both."""

FRAME = (360, 640)
OTHER_MOTION_SHARE, OTHERS_REGIONS = 0.3, 0.35
"""How many remade frames hold something that moves on its own, and the share of their regions that it has."""


def random_path(rng: np.random.Generator, patch: int, length: float | None = None, base: int = 1) -> np.ndarray:
    """The path [N, 2] in px along which something somewhere in a patch is exposed, turning and zooming as it may. length: in px; base: by how much
    the frame is reduced whose point spreads hold 25x25 px."""
    if length is None:
        length = random_length(rng) if base == 1 else realistic_length(rng)
    motion = random_motion(rng, min(length, LONGEST * base), (patch, patch))
    return motion.path_at(tuple(rng.uniform(-0.3, 0.3, 2) * patch), patch)


def random_spread(rng: np.random.Generator, patch: int, length: float | None = None) -> np.ndarray:
    """The point spread [25, 25] of such a path."""
    return point_spread(random_path(rng, patch, length), RADIUS)


def _motion(rng: np.random.Generator, size: tuple[int, int], length: float) -> Motion:
    return random_motion(rng, min(length, LONGEST), size)


class SpreadPool:
    """Batches of random point spreads out of a pool, turned and mirrored: making them anew would take longer than training on them."""

    def __init__(self, rng: np.random.Generator, patch: int, count: int):
        def length():
            return 0.0 if rng.random() < STILL_SHARE else rng.uniform(0.5, LONGEST)

        self._pool = np.stack([random_spread(rng, patch, length()) for _ in range(count)])

    def next(self, batch: int, rng: np.random.Generator) -> torch.Tensor:
        spreads = torch.from_numpy(self._pool[rng.integers(0, len(self._pool), batch)])
        if rng.random() < 0.5:
            spreads = spreads.transpose(1, 2)
        return spreads.flip([axis for axis in (1, 2) if rng.random() < 0.5])


def blur_anew(sharp: np.ndarray, spread: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """A sharp picture uint8 [h, w, 3] exposed along another path, with the camera's noise; what lies outside it is mirrored."""
    radius = spread.shape[0] // 2
    light = to_linear(torch.tensor(sharp).permute(2, 0, 1).float() / 255)
    light = F.pad(light[None], (radius,) * 4, mode="reflect")[0]
    sides = light.shape[1:]
    kernel = torch.zeros(sides)
    kernel[: 2 * radius + 1, : 2 * radius + 1] = torch.from_numpy(spread)
    # The exposure gathers what lies at each displacement: a correlation, hence the conjugate.
    transfer = torch.fft.rfft2(kernel.roll((-radius, -radius), (0, 1))).conj()
    light = torch.fft.irfft2(torch.fft.rfft2(light) * transfer, s=sides)[:, radius:-radius, radius:-radius]
    # The stored picture has gone through gain and encoder already.
    return develop(light, replace(camera, gain=1.0, crf=None), rng)


def exposed_regions(pictures: list[np.ndarray], rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    """Sharp pictures uint8 [h, w, 3] as regions of one frame, each blurred as a motion of that frame has it at a random place, some as
    another motion; and the mean of their point spreads [25, 25]."""
    motions = [_motion(rng, FRAME, random_length(rng)) for _ in range(2)]
    others = OTHERS_REGIONS if rng.random() < OTHER_MOTION_SHARE else 0.0
    camera = Camera.random(rng)
    blurred, spreads = [], []
    for picture in pictures:
        place = (rng.uniform(-0.42, 0.42) * FRAME[1], rng.uniform(-0.42, 0.42) * FRAME[0])
        motion = motions[int(rng.random() < others)]
        spreads.append(point_spread(motion.path_at(place, FRAME[0]), RADIUS))
        blurred.append(blur_anew(picture, spreads[-1], camera, rng))
    return blurred, np.mean(spreads, axis=0)
