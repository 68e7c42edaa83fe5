"""How MAXIM joins features of several scales: each resized bilinearly and through a 1x1 convolution, all of them through another."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .transforms import constant


def nearest(frame: torch.Tensor, factor: int) -> torch.Tensor:
    """Pixels [B, H, W, C] at a power of two of their size below 1, by the pixel that lies next after the middle."""
    return frame[:, factor // 2 :: factor, factor // 2 :: factor]


def enlarged(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Bilinear between the middles of pixels."""
    return F.interpolate(x.permute(0, 3, 1, 2), scale_factor=float(factor), mode="bilinear").permute(0, 2, 3, 1)


class Reduced(nn.Module):
    """Means under a triangle twice as wide as `factor`, as bilinear resizing with antialiasing has it: at the borders, of what lies inside."""

    INSIDE = 7 / 8
    """Of the first and of the last triangle, whatever the factor."""

    def __init__(self, channels: int, factor: int):
        super().__init__()
        self.channels, self.factor = channels, factor
        rise = (np.arange(factor) + 0.5) / factor**2
        triangle = np.concatenate([rise, rise[::-1]])
        self.register_buffer("kernel", constant(np.broadcast_to(np.outer(triangle, triangle), (channels, 1, 2 * factor, 2 * factor))), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(x.permute(0, 3, 1, 2), self.kernel, stride=self.factor, padding=self.factor // 2, groups=self.channels).permute(0, 2, 3, 1)
        return x * self._share(x, 1)[:, None, None] * self._share(x, 2)[:, None]

    def _share(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        return F.pad(x.new_ones(x.shape[axis] - 2), (1, 1), value=1 / self.INSIDE)


class Merge(nn.Module):
    """Features of several scales [B, H / 2^level, W / 2^level, C 2^level] to `channels` at one of them, and others of that scale beside them.

    A 1x1 convolution and a bilinear resizing may change places, and two 1x1 convolutions are one: so each feature takes the shortest way."""

    def __init__(self, width: int, levels: tuple[int, ...], level: int, beside: int = 0):
        super().__init__()
        self.levels, self.level, self.beside = levels, level, beside
        channels = width << level
        self.rescale = nn.ModuleList(nn.Linear(width << source, channels) for source in levels)
        self.reduced = nn.ModuleList(Reduced(width << source, 1 << (level - source)) if source < level else nn.Identity() for source in levels)
        self.join = nn.Linear(beside + len(levels) * channels, channels)

    def forward(self, features: list[torch.Tensor], beside: torch.Tensor | None = None) -> torch.Tensor:
        channels = self.join.out_features
        first, *parts = self.join.weight.split([self.beside] + [channels] * len(self.levels), dim=1)
        bias = self.join.bias + sum(part @ rescale.bias for part, rescale in zip(parts, self.rescale, strict=True))
        merged = None if beside is None else F.linear(beside, first, bias)
        for x, source, part, rescale, reduced in zip(features, self.levels, parts, self.rescale, self.reduced, strict=True):
            x = F.linear(reduced(x), part @ rescale.weight)
            if source > self.level:
                x = enlarged(x, 1 << (source - self.level))
            merged = x + bias if merged is None else merged + x
        return merged
