"""A backbone whose base is half the frame's scale: nano on the frame reduced by two, and a thin part at full scale for what that cannot hold.

    frame ─┬─ mean of 2x2 ─ deconvolution ─ + ─ stem ─ levels at 1/8, 1/16, 1/32 ─ head ─ change at half the scale ─┐
           │                                                    └ features at 1/8 ─ x2 ────────────┐                  │
           └─ blocks of 4x4 as channels ─ 1x1 ──────────────────────────────────────────────────── + ─ blocks at 1/4 ─┴─ head ─ shuffle 4 ─ + frame

A multiply-add at half the scale works on four pixels of the frame, and the deconvolution's 25x25 grid is 48 px of it. The change at half the scale
is enlarged inside the last convolution, which begins as a bilinear enlargement: no pass over memory at full scale is spent on it.

Begun with a nano's weights, it restores at first as that does at reduction 2.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import ModulatedBlock
from .levels import BLOCK, Enlarge, FlatLevels, balanced
from .nano import SCALE
from .regions import WHOLE

BASE = 2
HALF_BLOCK = (SCALE // BASE) ** 2


def bilinear_blocks() -> torch.Tensor:
    """[16, 4, 3, 3]: the convolution that enlarges blocks of 2x2 to blocks of 4x4 bilinearly."""
    kernel = torch.zeros(BLOCK, HALF_BLOCK, 3, 3)
    side = SCALE // BASE
    # Where the pixels of a block of 4 lie among those of the three blocks of 2 around it, and their two neighbours there.
    lines = torch.zeros(SCALE, 3 * side)
    for i in range(SCALE):
        position = (i + 0.5) / BASE - 0.5 + side
        first = int(position // 1)
        lines[i, first], lines[i, first + 1] = 1 - (position - first), position - first
    both = torch.einsum("ya,xb->yxab", lines, lines).reshape(BLOCK, 3, side, 3, side)
    kernel[:] = both.permute(0, 2, 4, 1, 3).reshape(BLOCK, HALF_BLOCK, 3, 3)
    return kernel


class HalfBackbone(FlatLevels):
    """channels, encoder, middle, decoder: see levels.FlatLevels. detail: channels of the part at full scale (in blocks of 4x4); detail_blocks: its blocks.
    Frames are in 0..1, their sides multiples of 32."""

    MULTIPLE = 32
    SHIFT = 0.0
    SCALES = (BASE,)

    def __init__(self, prior: int | None = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 1), middle: int = 2,
                 decoder: tuple[int, int] = (2, 2), detail: int = 16, detail_blocks: int = 1, spread_hidden: int = 256, regions: tuple[int, int] = WHOLE):
        super().__init__(prior, channels, encoder, middle, decoder, spread_hidden, regions)
        c1 = channels[0]
        self.detail_stem = nn.Conv2d(3 * BLOCK, detail, 1)
        self.detail_change = nn.Conv2d(3 * HALF_BLOCK, detail, 1)
        self.detail_features = Enlarge(c1, detail)
        self.detail = nn.ModuleList(ModulatedBlock(prior, detail) for _ in range(detail_blocks))
        self.detail_head = nn.Conv2d(detail + 3 * HALF_BLOCK, 3 * BLOCK, 3, padding=1)
        nn.init.zeros_(self.detail_head.weight)
        nn.init.zeros_(self.detail_head.bias)
        with torch.no_grad():
            enlarged = self.detail_head.weight[:, detail:].unflatten(0, (3, BLOCK)).unflatten(2, (3, HALF_BLOCK))
            for colour in range(3):
                enlarged[colour, :, colour] = bilinear_blocks()

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The restored frame [B, 3, H, W], given the prior [B, D] or the regions' [B, regions D]."""
        half = F.avg_pool2d(frame, BASE)
        if prior is None:
            features = self.features(self.stem(half - 0.5), None)
            change = self.change(features)
        else:
            linear = self.deconvolution(half, prior)
            features = self.features(self.stem(torch.cat([half - 0.5, linear], dim=1)), prior)
            change = self.change(features) + F.pixel_unshuffle(linear, SCALE).repeat(1, 3, 1, 1)
        change = F.pixel_shuffle(change, SCALE)
        blocks = self.detail_change_of(F.pixel_unshuffle(frame - 0.5, SCALE), F.pixel_unshuffle(change, SCALE // BASE), features, prior)
        return frame + F.pixel_shuffle(blocks, SCALE).float()

    def detail_change_of(self, frame: torch.Tensor, change: torch.Tensor, features: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The whole change as blocks of 4x4 [B, 48, H / 4, W / 4]: of the frame less 0.5 as blocks of 4x4 [B, 48, H / 4, W / 4], of the change at half
        the scale as blocks of 2x2 [B, 12, H / 4, W / 4], and of the features at 1/8."""
        prior = self.mean_prior(prior)
        x = self.detail_stem(frame) + self.detail_change(change) + self.detail_features(features)
        for block in self.detail:
            x = block(x, prior)
        return F.conv2d(torch.cat([x, change], dim=1), *balanced(self.detail_head.weight, self.detail_head.bias, BLOCK), padding=1)
