"""The backbone of blurdm-nano and blurdm-small: a thin U-Net behind a Wiener filter of the prior's, for real time on CPU cores.

    frame ─┬─ deconvolution ─┬───────────────────────────────────────────────────── + ─ restored
           └────── + ────────┘
                   │
                 stem 1/4 ─ L1 ────────────────── + ─ D1 ─ conv ─ shuffle 4 ─ (to the sum above)
                             └ L2 (1/8) ───── + ─ D2 ┘
                                  └ L3 (1/16) ┘

The frame is in 0..1 and its sides are multiples of 16. L and D are chains of blocks that the prior modulates. Without a prior there
is no deconvolution either.
"""

from __future__ import annotations

import torch
from torch import nn

from .blocks import ModulatedBlock, down, up
from .deconvolution import PriorDeconvolution
from .regions import WHOLE

SCALE = 4


class Chain(nn.ModuleList):
    def __init__(self, prior: int | None, channels: int, blocks: int):
        super().__init__(ModulatedBlock(prior, channels) for _ in range(blocks))

    def forward(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        for block in self:
            x = block(x, prior)
        return x


class NanoBackbone(nn.Module):
    """channels: at 1/4, 1/8 and 1/16 of the frame's sides; encoder, decoder: blocks at 1/4 and at 1/8; middle: blocks at 1/16.
    prior: width of the prior, or None for a network without. spread_hidden, regions: see PriorDeconvolution."""

    MULTIPLE = 16
    SHIFT = 0.0

    def __init__(self, prior: int | None = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 1), middle: int = 2,
                 decoder: tuple[int, int] = (2, 2), spread_hidden: int = 256, regions: tuple[int, int] = WHOLE):
        super().__init__()
        c1, c2, c3 = channels
        self.deconvolution = None if prior is None else PriorDeconvolution(prior, spread_hidden, regions=regions)
        # As much as a pixel-unshuffle and a 3x3 convolution, without moving the pixels first.
        self.stem = nn.Conv2d(3 if prior is None else 4, c1, 3 * SCALE, stride=SCALE, padding=SCALE)
        self.level1 = Chain(prior, c1, encoder[0])
        self.down1 = down(c1, c2)
        self.level2 = Chain(prior, c2, encoder[1])
        self.down2 = down(c2, c3)
        self.level3 = Chain(prior, c3, middle)
        self.up2 = up(c3, c2)
        self.decoder2 = Chain(prior, c2, decoder[1])
        self.up1 = up(c2, c1)
        self.decoder1 = Chain(prior, c1, decoder[0])
        self.head = nn.Conv2d(c1, 3 * SCALE**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(SCALE)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The restored frame [B, 3, H, W], given the prior [B, D] or the regions' [B, regions D]."""
        if self.deconvolution is None:
            return frame + self._network(frame - 0.5, prior)
        linear = self.deconvolution(frame, prior)
        return frame + linear + self._network(torch.cat([frame - 0.5, linear], dim=1), prior)

    def _network(self, x: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        return self.shuffle(self.head(self.features(self.stem(x), prior))).float()

    def features(self, stem: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """What the head makes the change from, given what the stem made of the frame; both [B, channels[0], H / 4, W / 4]. The blocks have the
        mean of the regions' priors."""
        if prior is not None:
            prior = prior.unflatten(1, (-1, self.deconvolution.width)).mean(1)
        x1 = self.level1(stem, prior)
        x2 = self.level2(self.down1(x1), prior)
        x = x2 + self.up2(self.level3(self.down2(x2), prior))
        x = x1 + self.up1(self.decoder2(x, prior))
        return self.decoder1(x, prior)
