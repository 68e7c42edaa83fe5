"""The oracle prior of blurdm-nano and -small: what the exposure really was, as a latent vector.

The published oracle sees the blurred and the sharp picture and must find the blur between them by itself. Exposures that are made
know theirs: how much of the scene at each displacement they gathered. An embedding of that teaches the backbone within minutes
to use a prior. A path and the same path turned by half a circle get one embedding: no power spectrum, which is what the blur encoder
has, tells them apart, and an encoder that must would learn the mean of both.
"""

from __future__ import annotations

import torch
from torch import nn

SLOPE = 0.1


class ExposureOracle(nn.Module):
    """Point spreads [B, 2 RADIUS + 1, 2 RADIUS + 1], sum 1 (see exposure.point_spread), to [B, latent]."""

    RADIUS = 12

    def __init__(self, latent: int = 64, hidden: int = 256):
        super().__init__()
        side = 2 * self.RADIUS + 1
        self.embedding = nn.Sequential(nn.Linear(side * side, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, hidden // 2), nn.LeakyReLU(SLOPE),
                                       nn.Linear(hidden // 2, latent))

    @property
    def last(self) -> nn.Linear:
        return self.embedding[-1]

    def forward(self, spread: torch.Tensor) -> torch.Tensor:
        # Spreads of long paths are small everywhere: bring the numbers near 1.
        spread = spread.flatten(1) * (2 * self.RADIUS)
        return (self.embedding(spread) + self.embedding(spread.flip(1))) / 2
