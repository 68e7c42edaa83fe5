"""The blur encoder of the small models: a picture (or a blurred and a sharp one, for the oracle) to a latent vector.

The published encoder costs 63 kMAC per pixel, more than these whole backbones; this one strides early and costs about 1.1.
LeakyReLU(0.1) everywhere, on the output too, as published.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

SLOPE = 0.1


class _Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.leaky_relu(self.first(x), SLOPE))


class BlurEncoder(nn.Module):
    MULTIPLE = 16

    def __init__(self, images: int = 1, latent: int = 64, channels: tuple[int, int, int, int] = (48, 64, 96, 128), blocks: int = 2):
        super().__init__()
        c1, c2, c3, c4 = channels
        self.unshuffle = nn.PixelUnshuffle(4)
        self.first = nn.Conv2d(48 * images, c1, 3, stride=2, padding=1)
        self.second = nn.Conv2d(c1, c2, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(_Block(c2) for _ in range(blocks)))
        self.third = nn.Conv2d(c2, c3, 3, stride=2, padding=1)
        self.fourth = nn.Conv2d(c3, c4, 3, stride=2, padding=1)
        self.linear1 = nn.Linear(c4, latent)
        self.linear2 = nn.Linear(latent, latent)

    @property
    def last(self) -> nn.Linear:
        return self.linear2

    def forward(self, *pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [B, 3, H, W] in 0..1, sides multiples of 16, to [B, latent]."""
        x = self.unshuffle(torch.cat(pictures, dim=1) - 0.5)
        for conv in (self.first, self.second):
            x = F.leaky_relu(conv(x), SLOPE)
        x = self.blocks(x)
        for conv in (self.third, self.fourth):
            x = F.leaky_relu(conv(x), SLOPE)
        z = x.mean((2, 3)).float()
        return F.leaky_relu(self.linear2(F.leaky_relu(self.linear1(z), SLOPE)), SLOPE)
