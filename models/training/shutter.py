"""Shutters of real cameras: continuous or a few frames averaged, in linear light or as stored, row after row.

Sub-frames are rendered and added up one by one, so that the memory of a long exposure at 1280x720 is that of a few frames.

GoPro's test set and REDS are averages of frames that were stored: each clipped, and each a ghost of its own where the motion between two is longer than what
one of them was exposed for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from .exposure import Layer, Motion, to_linear, to_srgb

GHOSTS = (7, 15)
"""Fewest and most frames of an averaged exposure."""

SOFT_ENOUGH = 6.0
"""px. Along paths from this length on sub-frames are sampled bilinearly, which takes a third of the time: their mean hides it."""


@dataclass(frozen=True)
class Shutter:
    """frames: how many stored frames are averaged, odd, or 0 for an open shutter. duty: for which share of the time between two frames each of them was
    exposed. linear: whether frames are averaged in linear light, or as they are stored. rolling: how much later the last row is exposed than the
    first, in exposures."""

    frames: int = 0
    duty: float = 0.0
    linear: bool = True
    rolling: float = 0.0

    @staticmethod
    def random(rng: np.random.Generator) -> Shutter:
        rolling = float(rng.uniform(0.1, 0.8)) if rng.random() < 0.3 else 0.0
        if rng.random() < 0.5:
            return Shutter(rolling=rolling)
        frames = int(rng.integers(GHOSTS[0] // 2, GHOSTS[1] // 2 + 1)) * 2 + 1
        return Shutter(frames, float(rng.uniform(0, 0.6)), bool(rng.random() < 0.5), rolling)

    def instants(self, length: float) -> list[np.ndarray]:
        """Instants in -1/2..1/2, grouped by frame, at most about 1.5 px apart within a group of a path of `length` px;
        the middle group holds 0 in its middle."""
        if not self.frames:
            count = max(16, math.ceil(length / 1.5 / 2) * 2)
            return [np.linspace(-0.5, 0.5, count + 1)[[i]] for i in range(count + 1)]
        spacing = 1 / (self.frames - 1)
        samples = min(2 * math.ceil(self.duty * spacing * length / 3) + 1, 7)
        within = np.linspace(-0.5, 0.5, samples) * self.duty * spacing if samples > 1 else np.zeros(1)
        return [np.clip(middle + within, -0.5, 0.5) for middle in np.linspace(-0.5, 0.5, self.frames)]


def _offsets(motion: Motion, at: np.ndarray) -> np.ndarray:
    """[n, 2] displacement at instants [n], -1/2..1/2 being the path's ends; beyond them it goes on as it went there."""
    points = len(motion.offsets)
    position = np.clip((at + 0.5) * (points - 1), 0, points - 1)
    inside = np.stack([np.interp(position, np.arange(points), motion.offsets[:, axis]) for axis in (0, 1)], 1)
    speed = np.stack([motion.offsets[1] - motion.offsets[0], motion.offsets[-1] - motion.offsets[-2]]) * (points - 1) if points > 1 else np.zeros((2, 2))
    return inside + np.minimum(at + 0.5, 0)[:, None] * speed[0] + np.maximum(at - 0.5, 0)[:, None] * speed[1]


def _grid(motion: Motion, size: tuple[int, int], source: tuple[int, int], at: float, rolling: float) -> torch.Tensor:
    """[1, h, w, 2] sampling positions in the source at one instant, as exposure._sampling_grid has them."""
    h, w = size
    rows = torch.arange(h, dtype=torch.float32)
    instants = at + rolling * (np.arange(h) / h - 0.5)
    offset = torch.from_numpy(_offsets(motion, instants).astype(np.float32))
    tau = torch.from_numpy(instants.astype(np.float32))[:, None]
    cx, cy = (w - 1) / 2 + motion.centre[0], (h - 1) / 2 + motion.centre[1]
    scale, angle = torch.exp(tau * motion.zoom), tau * motion.turn
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    x, y = torch.arange(w, dtype=torch.float32)[None] - cx, (rows - cy)[:, None]
    nearer = (1 + motion.slope * (rows - (h - 1) / 2) / (h / 2))[:, None]
    gx = cos * x - sin * y + cx + offset[:, :1] * nearer
    gy = sin * x + cos * y + cy + offset[:, 1:] * nearer
    left, top = (source[1] - w) // 2, (source[0] - h) // 2
    return torch.stack([(gx + left) * 2 / (source[1] - 1) - 1, (gy + top) * 2 / (source[0] - 1) - 1], dim=-1)[None]


def _sub_frame(layers: list[Layer], size: tuple[int, int], at: float, rolling: float, mode: str) -> torch.Tensor:
    """[3, h, w] in linear light at one instant."""
    frame = torch.zeros(3, *size)
    for layer in layers:
        picture = layer.picture if layer.opacity is None else torch.cat([layer.picture * layer.opacity, layer.opacity])
        grid = _grid(layer.motion, size, tuple(picture.shape[1:]), at, rolling)
        over = F.grid_sample(picture[None], grid, mode=mode, padding_mode="reflection", align_corners=True)[0]
        frame = over if layer.opacity is None else over[:3] + frame * (1 - over[3:].clamp(0, 1))
    return frame.clamp_min(0)


def expose(layers: list[Layer], size: tuple[int, int], shutter: Shutter, gain: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """(blurred, sharp), both [3, h, w] in linear light times `gain`: the exposure, and its frame at mid-exposure. Averaged frames are clipped one by one."""
    length = max(layer.motion.length for layer in layers)
    groups = shutter.instants(length)
    mode = "bilinear" if length >= SOFT_ENOUGH else "bicubic"
    total, sharp = torch.zeros(3, *size), None
    for index, instants in enumerate(groups):
        middle = index == len(groups) // 2
        light = sum(_sub_frame(layers, size, float(at), shutter.rolling, "bicubic" if middle else mode) for at in instants) / len(instants) * gain
        if shutter.frames:
            light = light.clamp(0, 1)
        if middle:
            sharp = light
        total += light if shutter.linear else to_srgb(light.clamp(0, 1))
    mean = total / len(groups)
    return (mean if shutter.linear else to_linear(mean)), sharp


def seen_motion(motion: Motion, shutter: Shutter) -> Motion:
    """The motion as the shutter saw it: that of averaged frames stands still between them."""
    if not shutter.frames:
        return motion
    points = 33
    at = np.linspace(-0.5, 0.5, points)
    nearest = np.round((at + 0.5) * (shutter.frames - 1)) / (shutter.frames - 1) - 0.5
    return replace(motion, offsets=_offsets(motion, nearest))
