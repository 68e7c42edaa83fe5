"""The backbone of blurdm-nano and blurdm-small: a thin U-Net behind a pixel-unshuffle, for real time on CPU cores.

    frame ─ unshuffle 4 ─ conv ─ L1 ───────────────── + ─ D1 ─ conv ─ shuffle 4 ─ + ─ restored
      │                           └ L2 ────────── + ─ D2 ┘                          │
      │                                └ L3 (1/16) ┘                                │
      └─────────────────────────────────────────────────────────────────────────────┘

The frame is in 0..1 and its sides are multiples of 16. L and D are chains of blocks that the prior modulates.
"""

from __future__ import annotations

import torch
from torch import nn

from .blocks import ModulatedBlock, down, up


class Chain(nn.ModuleList):
    def __init__(self, prior: int | None, channels: int, blocks: int):
        super().__init__(ModulatedBlock(prior, channels) for _ in range(blocks))

    def forward(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        for block in self:
            x = block(x, prior)
        return x


class NanoBackbone(nn.Module):
    """channels: at 1/4, 1/8 and 1/16 of the frame's sides; encoder, decoder: blocks at 1/4 and at 1/8; middle: blocks at 1/16.
    prior: width of the prior, or None for a network without."""

    MULTIPLE = 16
    SHIFT = 0.0

    def __init__(self, prior: int | None = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 1), middle: int = 2,
                 decoder: tuple[int, int] = (2, 2)):
        super().__init__()
        c1, c2, c3 = channels
        self.unshuffle = nn.PixelUnshuffle(4)
        self.stem = nn.Conv2d(48, c1, 3, padding=1)
        self.level1 = Chain(prior, c1, encoder[0])
        self.down1 = down(c1, c2)
        self.level2 = Chain(prior, c2, encoder[1])
        self.down2 = down(c2, c3)
        self.level3 = Chain(prior, c3, middle)
        self.up2 = up(c3, c2)
        self.decoder2 = Chain(prior, c2, decoder[1])
        self.up1 = up(c2, c1)
        self.decoder1 = Chain(prior, c1, decoder[0])
        self.head = nn.Conv2d(c1, 48, 3, padding=1)
        self.shuffle = nn.PixelShuffle(4)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def residual(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """What to add to the frame [B, 3, H, W], given the prior [B, D]."""
        x1 = self.level1(self.stem(self.unshuffle(frame - 0.5)), prior)
        x2 = self.level2(self.down1(x1), prior)
        x = x2 + self.up2(self.level3(self.down2(x2), prior))
        x = x1 + self.up1(self.decoder2(x, prior))
        return self.shuffle(self.head(self.decoder1(x, prior)))

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        return frame + self.residual(frame, prior).float()
