"""Batches of training examples out of a patch store that may still be growing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from .config import ConfigError, Stage
from .exposure import Camera, point_spread
from .model import Example
from .networks import ExposureOracle
from .patches import open_store, unpack_motion
from .remade import blur_anew, random_path

TELLING_LENGTH = 3.0
TELLING_ERROR = 60.0
"""A patch is telling when its path (px) and its error (grey levels squared) are at least these. With the flat and the sharp ones
among them a network stayed at the identity for its first thousand steps (gain 0.02 dB after 525); with telling ones alone it had
0.18 dB by then."""

LENGTHS = np.geomspace(2.0, 64.0, 6)
"""px. Between each two of them paths are as likely where a stage wants even lengths. Of stored patches that are telling, one in fifteen has a path
below 6 px."""

LITTLE_ERROR = 8.0
"""Grey levels squared, from which on such a patch is blurred at all."""

LOOK_AGAIN_EVERY = 200
"""Batches between two looks at how far the store has grown."""


UNKNOWN = np.full((2 * ExposureOracle.RADIUS + 1,) * 2, np.nan, np.float32)
"""The point spread of real blur, and of a path that does not fit into the square."""


class Batches:
    """Random crops of the patch store, flipped, transposed and with colours permuted, the same for blurred and sharp. reduction: see config.Config.
    others: further stores, of each of which as many examples are made. real: a store of training.real, of which stages take their `real_share`; of these no
    point spread is known, and it is NaN.
    scales: by how much the frames are reduced that point spreads are of (see networks/multi_scale.py); of several there is one each."""

    def __init__(self, folder: Path, whole_patch: bool, seed: int = 0, reduction: int = 1, real: Path | None = None, scales: tuple[int, ...] = (1,),
                 others: tuple[Path, ...] = ()):
        self._blurred, self._sharp, self._length, self._motion, self._error = open_store(folder)
        self._real = None if real is None else Batches(real, whole_patch, seed, reduction, scales=scales)
        self._stores = [self, *(Batches(other, whole_patch, seed, reduction, scales=scales) for other in others)]
        self._folder, self._whole_patch, self.reduction, self.scales = folder, whole_patch, reduction, scales
        self._drawn = 0
        self.side = self._blurred.shape[1]
        self._look()
        self.rng = np.random.default_rng(seed)
        for path, store in zip((*others, real), (*self._stores[1:], self._real), strict=True):
            if store and store.side != self.side:
                raise ConfigError(f"{path}: patches of {store.side} px beside those of {self.side} px in {folder}: make both of one size")

    def _look(self) -> None:
        self._ready = np.flatnonzero(~np.isnan(self._length))
        if not len(self._ready):
            raise ConfigError(f"{self._folder}: no patches made yet (python -m training.patches)")
        self._telling = self._ready[(self._length[self._ready] >= TELLING_LENGTH) & (self._error[self._ready] >= TELLING_ERROR)]
        if not len(self._telling):
            raise ConfigError(f"{self._folder}: no patch is blurred enough to learn from")
        blurred = self._ready[self._error[self._ready] >= LITTLE_ERROR]
        bins = np.digitize(self._length[blurred], LENGTHS)
        self._by_length = [blurred[bins == number] for number in range(1, len(LENGTHS)) if (bins == number).any()] or [self._telling]

    def next(self, stage: Stage, device: torch.device) -> Example:
        self._drawn += 1
        if self._drawn % LOOK_AGAIN_EVERY == 0:
            for store in self._stores:
                store._look()
        self._check(stage)
        examples = [self._drawn_from(stage)._example(stage) for _ in range(stage.batch)]
        pictures = [torch.from_numpy(np.stack(side)).to(device).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
                    for side in zip(*(pictures for pictures, _ in examples), strict=True)]
        blurred, sharp = (F.avg_pool2d(side, self.reduction) if self.reduction > 1 else side for side in pictures[:2])
        return Example(blurred, sharp, pictures[2] if self._whole_patch else blurred, torch.from_numpy(np.stack([spread for _, spread in examples])).to(device))

    def sharp_picture(self, stage: Stage) -> np.ndarray:
        """The sharp side of a whole patch, uint8 [side, side, 3]."""
        return self._sharp[self._index(stage)]

    def _check(self, stage: Stage) -> None:
        if stage.crop * self.reduction > self.side:
            raise ConfigError(f"{self._folder}: crops of {stage.crop} px at reduction {self.reduction} do not fit into patches of {self.side} px")
        if stage.real_share and self._real is None:
            raise ConfigError(f"stage {stage.number}: real_share = {stage.real_share} needs a store of training.real (--real)")

    def _drawn_from(self, stage: Stage) -> Batches:
        drawn = self
        if stage.real_share and self.rng.random() < stage.real_share:
            drawn = self._real
        elif len(self._stores) > 1:
            drawn = self._stores[self.rng.integers(len(self._stores))]
        drawn.rng = self.rng
        return drawn

    def _index(self, stage: Stage) -> int:
        pool = self._ready
        if self.rng.random() < stage.telling_share:
            pool = self._by_length[self.rng.integers(len(self._by_length))] if stage.even_lengths else self._telling
        return pool[self.rng.integers(len(pool))]

    def _example(self, stage: Stage) -> tuple[list[np.ndarray], np.ndarray]:
        """[blurred crop, sharp crop, and the whole blurred patch where it is wanted], and the point spread in the middle of the crop."""
        index = self._index(stage)
        blurred, sharp, motion = self._blurred[index], self._sharp[index], unpack_motion(self._motion[index])
        known = not np.isnan(self._motion[index, 0])
        remade = known and stage.remade_share > 0 and self.rng.random() < stage.remade_share
        if remade:
            path = random_path(self.rng, self.side, base=max(self.scales))
            blurred = blur_anew(sharp, point_spread(path, ExposureOracle.RADIUS * max(self.scales)), Camera.random(self.rng), self.rng)
        side, crop = self.side, stage.crop * self.reduction
        y, x = (int(v) for v in self.rng.integers(0, side - crop + 1, 2))
        flip_y, flip_x, transpose = self.rng.integers(0, 2, 3)
        channels = self.rng.permutation(3) if self.rng.random() < 0.3 else np.arange(3)

        def turned(plane: np.ndarray) -> np.ndarray:
            plane = plane[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
            return plane.swapaxes(0, 1) if transpose else plane

        window = np.s_[y : y + crop, x : x + crop]
        pictures = [blurred[window], sharp[window], *([blurred] if self._whole_patch else [])]
        if known and not remade:
            path = motion.path_at((x + crop / 2 - side / 2, y + crop / 2 - side / 2), side)
        spreads = [self._spread(path / scale) if known else UNKNOWN for scale in self.scales]
        spread = np.stack([turned(one) for one in spreads]) if len(spreads) > 1 else turned(spreads[0])
        return [np.ascontiguousarray(turned(p)[:, :, channels]) for p in pictures], np.ascontiguousarray(spread)

    def _spread(self, path: np.ndarray) -> np.ndarray:
        """The point spread [25, 25] along a path in px of its scale. Of several scales, one that cannot hold the path has none to learn."""
        if len(self.scales) > 1 and np.abs(path).max() > ExposureOracle.RADIUS + 1:
            return UNKNOWN
        return point_spread(path, ExposureOracle.RADIUS)
