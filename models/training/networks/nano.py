"""The backbone of blurdm-nano: a thin, deep U-Net behind a pixel-unshuffle, for real time on two CPU cores.

    frame ─ unshuffle 4 ─ conv ─ L1 ───────────────── + ─ D1 ─ conv ─ shuffle 4 ─ + ─ restored
      │                           └ L2 ────────── + ─ D2 ┘                          │
      │                                └ L3 (1/16) ┘                                │
      └─────────────────────────────────────────────────────────────────────────────┘

The frame is in 0..1 and its sides are multiples of 16. L: residual blocks; D: decoder blocks, where the prior is fused.
"""

from __future__ import annotations

import torch
from torch import nn

from .blocks import DecoderBlock, ResidualBlock, down, up


class NanoBackbone(nn.Module):
    MULTIPLE = 16

    def __init__(self, prior: int = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (1, 2), middle: int = 4,
                 decoder: tuple[int, int] = (1, 2)):
        super().__init__()
        c1, c2, c3 = channels
        self.unshuffle = nn.PixelUnshuffle(4)
        self.stem = nn.Conv2d(48, c1, 3, padding=1)
        self.level1 = nn.Sequential(*(ResidualBlock(c1) for _ in range(encoder[0])))
        self.down1 = down(c1, c2)
        self.level2 = nn.Sequential(*(ResidualBlock(c2) for _ in range(encoder[1])))
        self.down2 = down(c2, c3)
        self.level3 = nn.Sequential(*(ResidualBlock(c3) for _ in range(middle)))
        self.up2 = up(c3, c2)
        self.decoder2 = nn.ModuleList(DecoderBlock(prior, c2) for _ in range(decoder[1]))
        self.up1 = up(c2, c1)
        self.decoder1 = nn.ModuleList(DecoderBlock(prior, c1) for _ in range(decoder[0]))
        self.head = nn.Conv2d(c1, 48, 3, padding=1)
        self.shuffle = nn.PixelShuffle(4)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def residual(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """What to add to the frame [B, 3, H, W], given the prior [B, D]."""
        x1 = self.level1(self.stem(self.unshuffle(frame - 0.5)))
        x2 = self.level2(self.down1(x1))
        x = x2 + self.up2(self.level3(self.down2(x2)))
        for block in self.decoder2:
            x = block(x, prior)
        x = x1 + self.up1(x)
        for block in self.decoder1:
            x = block(x, prior)
        return self.shuffle(self.head(x))

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        return frame + self.residual(frame, prior).float()
