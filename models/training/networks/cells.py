"""Pictures as blocks: what covers the same square of the frame at different scales lies in one place, as channels. Enlarging is then a small convolution,
which runtimes do many times faster than they resize a picture of one channel."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

BLOCK = 4
"""Side of the blocks of pixels that networks see as one."""


def enlarging(cell: int) -> torch.Tensor:
    """Weights [4 cell^2, cell^2, 3, 3] that take blocks of cell x cell (y, x) to the blocks of twice their side that bilinear enlargement makes of them."""
    line = torch.zeros(2 * cell, 3 * cell)
    for fine in range(2 * cell):
        at = cell + (fine + 0.5) / 2 - 0.5
        low = int(at)
        line[fine, low], line[fine, low + 1] = 1 - (at - low), at - low
    line = line.unflatten(1, (3, cell))
    return torch.einsum("yiv,xjw->yxvwij", line, line).reshape(4 * cell * cell, cell * cell, 3, 3)


def over_blocks(x: torch.Tensor, weight: torch.Tensor, groups: int = 1) -> torch.Tensor:
    """A 3x3 convolution of blocks, which are repeated beyond the frame's border: zeros would be an edge."""
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, groups=groups)


class Enlarge(nn.Module):
    """Features at twice their scale, with other channels: convolved before, since that is four times less work."""

    def __init__(self, channels: int, to: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, to, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(self.convolution(x), scale_factor=2.0, mode="bilinear", align_corners=False)
