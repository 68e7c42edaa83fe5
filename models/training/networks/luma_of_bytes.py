"""Luma at several scales out of a frame's bytes, each scale one convolution of blocks of 4x4 pixels: runtimes reduce a picture of one channel slowly."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .cells import BLOCK
from .transforms import LUMA


class LumaOfBytes(nn.Module):
    """Pictures [1, 4, H, W] in 0..255, sides multiples of 4, of which the fourth channel counts nothing, to luma in 0..1 at each of the scales 1, 2 or 4
    [1, 1, h, w]."""

    def __init__(self, scales: tuple[int, ...]):
        super().__init__()
        self.scales = scales
        for scale in scales:
            self.register_buffer(f"of_scale{scale}", _of_blocks(scale), persistent=False)

    def forward(self, picture: torch.Tensor) -> list[torch.Tensor]:
        return [self._at(picture, scale) for scale in self.scales]

    def _at(self, picture: torch.Tensor, scale: int) -> torch.Tensor:
        blocks = F.conv2d(picture, getattr(self, f"of_scale{scale}"), stride=BLOCK)
        return F.pixel_shuffle(blocks, BLOCK // scale) if scale < BLOCK else blocks


def _of_blocks(scale: int) -> torch.Tensor:
    """Weights [n^2, 4, 4, 4] that take a block of 4x4 pixels to the means of luma over its squares of scale x scale, n = 4 / scale each way."""
    line = torch.kron(torch.eye(BLOCK // scale), torch.full((1, scale), 1 / scale))
    means = torch.einsum("vy,wx->vwyx", line, line).reshape(-1, 1, BLOCK, BLOCK)
    return means * torch.tensor([*LUMA, 0.0])[:, None, None] / 255
