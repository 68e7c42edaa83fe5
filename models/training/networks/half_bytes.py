"""HalfBackbone from bytes to bytes, as it is exported: the same weights, fewer passes over memory.

In full size there are only bytes and floats of four channels; everything else is in blocks. As in nano_bytes.py, the fourth byte is a colour that no
weight touches.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .half import BASE, HALF_BLOCK, HalfBackbone
from .levels import BLOCK, balanced
from .nano import SCALE
from .nano_bytes import PIXEL, _to_channels, _to_pixels
from .transforms import LUMA

CELLS = BASE
"""A block of 4x4 at 1/8 is 2x2 cells of 2x2 at 1/4."""


def _by_cell(blocks: torch.Tensor) -> torch.Tensor:
    """[n, 16, ...] over blocks of 4x4 (y, x) to the order (y, x within a cell, cell row, cell column), which shuffling cells makes."""
    within = SCALE // CELLS
    order = torch.arange(BLOCK).reshape(CELLS, within, CELLS, within).permute(1, 3, 0, 2).flatten()
    return blocks[:, order]


class HalfLevelsBytes(nn.Module):
    """What exported backbones with their base at half the scale share: from blocks of 4x4 pixels to the change at half the scale."""

    def __init__(self, backbone: HalfBackbone):
        super().__init__()
        self.backbone = backbone
        stem = backbone.stem
        blocks = stem.weight.detach().reshape(stem.out_channels, 4, 3, SCALE, 3, SCALE)
        # [out, colour, block row, y, block column, x] to [out, (colour, y, x), block row, block column], y and x by cell and within it for colours.
        self.stem_colours = nn.Parameter(_by_cell(blocks[:, :3].permute(0, 1, 3, 5, 2, 4).reshape(-1, BLOCK, 3, 3)).reshape(stem.out_channels, -1, 3, 3))
        self.stem_linear = nn.Parameter(blocks[:, 3].permute(0, 2, 4, 1, 3).reshape(stem.out_channels, BLOCK, 3, 3))
        # From pixels (y, x, colour of 4) in grey levels to the halved frame's blocks of 2x2 (colour, y, x) in 0..1.
        halve = torch.zeros(3, SCALE // BASE, SCALE // BASE, SCALE, SCALE, PIXEL)
        for y in range(SCALE):
            for x in range(SCALE):
                for colour in range(3):
                    halve[colour, y // BASE, x // BASE, y, x, colour] = 1 / (255 * BASE**2)
        self.register_buffer("halve", halve.reshape(3 * HALF_BLOCK, BLOCK * PIXEL, 1, 1), persistent=False)
        half_weight, half_bias = (value.detach() for value in balanced(backbone.head.weight, backbone.head.bias, BLOCK))
        self.half_weight = nn.Parameter(_by_cell(half_weight.unflatten(0, (3, BLOCK))).flatten(0, 1))
        self.half_bias = nn.Parameter(_by_cell(half_bias.unflatten(0, (3, BLOCK))).flatten())
        to_colours = _by_cell(torch.eye(BLOCK).expand(3, -1, -1)).reshape(3 * BLOCK, BLOCK)
        self.register_buffer("to_colours", to_colours[:, :, None, None], persistent=False)
        self.register_buffer("luma", torch.kron(torch.tensor([LUMA]), torch.eye(HALF_BLOCK))[:, :, None, None], persistent=False)

    @staticmethod
    def to_pixels(head: nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter]:
        """Weight and bias of a balanced convolution before a shuffle by 4, from [(colour, y, x), ...] to [(y, x, colour of 4), ...], in grey levels."""
        weight, bias = (255 * value.detach().reshape(3, BLOCK, *value.shape[1:]).transpose(0, 1) for value in balanced(head.weight, head.bias, BLOCK))
        return tuple(nn.Parameter(torch.cat([value, torch.zeros_like(value[:, :1])], 1).flatten(0, 1)) for value in (weight, bias))

    @staticmethod
    def of_pixels(stem: nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter]:
        """Weight and bias of a 1x1 convolution of a frame less 0.5 in blocks of 4x4, from (colour, y, x) in 0..1 to (y, x, colour of 4) in grey levels."""
        weight = stem.weight.detach().reshape(-1, 3, SCALE, SCALE).permute(0, 2, 3, 1)
        weight = torch.cat([weight, torch.zeros_like(weight[..., :1])], 3).reshape(len(weight), BLOCK * PIXEL, 1, 1)
        return nn.Parameter(weight / 255), nn.Parameter(stem.bias.detach() - 0.5 * stem.weight.detach().sum((1, 2, 3)))

    def halved(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels as channels [1, 64, H / 4, W / 4] to the halved frame in blocks of 2x2 [1, 12, H / 4, W / 4], in 0..1."""
        return F.conv2d(pixels, self.halve)

    def luma_of(self, half: torch.Tensor) -> torch.Tensor:
        """[1, 1, H / 2, W / 2]."""
        return F.pixel_shuffle(F.conv2d(half, self.luma), SCALE // BASE)

    def features(self, half: torch.Tensor, linear: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """At 1/8, of the halved frame in blocks of 2x2, and of what the deconvolution adds to it in blocks of 4x4 [1, 16, H / 8, W / 8]."""
        stem = F.conv2d(F.pixel_unshuffle(half, CELLS) - 0.5, self.stem_colours, self.backbone.stem.bias, padding=1)
        return self.backbone.features(stem + F.conv2d(linear, self.stem_linear, padding=1), prior)

    def change(self, features: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
        """The change at half the scale in blocks of 2x2 [1, 12, H / 4, W / 4]."""
        return F.pixel_shuffle(F.conv2d(features, self.half_weight, self.half_bias, padding=1) + F.conv2d(linear, self.to_colours), CELLS)


class HalfBytes(nn.Module):
    """Frames [1, H, W, 4] of float32 in 0..255, sides multiples of 32, and priors [1, D], to restored frames of the same kind, rounded."""

    def __init__(self, backbone: HalfBackbone):
        super().__init__()
        self.backbone = backbone
        self.levels = HalfLevelsBytes(backbone)
        self.detail_stem, self.detail_bias = HalfLevelsBytes.of_pixels(backbone.detail_stem)
        self.head_weight, self.head_bias = HalfLevelsBytes.to_pixels(backbone.detail_head)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        backbone, levels = self.backbone, self.levels
        pixels = _to_channels(frame)
        half = levels.halved(pixels)
        linear = F.pixel_unshuffle(backbone.deconvolution.of_luma(levels.luma_of(half), prior), SCALE)
        features = levels.features(half, linear, prior)
        change = levels.change(features, linear)
        mean = backbone.mean_prior(prior)
        x = F.conv2d(pixels, self.detail_stem, self.detail_bias) + backbone.detail_change(change) + backbone.detail_features(features)
        for block in backbone.detail:
            x = block(x, mean)
        return (frame + _to_pixels(F.conv2d(torch.cat([x, change], dim=1), self.head_weight, self.head_bias, padding=1))).round().clamp(0, 255)
