"""SeparableBackbone from bytes to bytes, as it is exported: the same weights, fewer passes over memory.

At the frame's full size there are only bytes: the change is rounded before its blocks become pixels, since what is added to whole numbers may be rounded
first. As in nano_bytes.py, the fourth byte is a colour that no weight touches.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .cells import BLOCK, over_blocks
from .luma_of_bytes import LumaOfBytes
from .nano_bytes import PIXEL
from .separable import SeparableBackbone


class SeparableBytes(nn.Module):
    """Frames u8 [1, H, W, 4], sides multiples of 16, and priors [1, D], to restored frames of the same kind."""

    def __init__(self, backbone: SeparableBackbone):
        super().__init__()
        self.backbone = backbone
        self.stem = _OfBytes(backbone.stem)
        self.head_out = nn.Parameter(_to_bytes(backbone.head.out))
        self.kernels = nn.Parameter(backbone.head.kernels().detach().clone())
        if backbone.detail is not None:
            self.project = _OfBytes(backbone.detail.project)
            self.detail_out = nn.Parameter(_to_bytes(backbone.detail.out))
            self.detail_kernels = nn.Parameter(backbone.detail.kernels().detach().clone())
        to_colours = 255 * torch.kron(torch.eye(BLOCK**2), torch.tensor([[1.0], [1.0], [1.0], [0.0]]))
        self.register_buffer("to_colours", to_colours[:, :, None, None], persistent=False)
        self.luma = LumaOfBytes(backbone.SCALES)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        picture = frame.permute(0, 3, 1, 2).to(torch.float32)
        linear, fused = self.backbone.linear(self.luma(picture), prior)
        features = self.backbone.features(self.stem(picture, linear), fused)
        wide = self.backbone.head.widen(features)
        change = F.conv2d(over_blocks(wide, self.kernels, wide.shape[1]), self.head_out) + F.conv2d(linear, self.to_colours)
        if self.backbone.detail is not None:
            detail = over_blocks(self.project(picture, linear), self.detail_kernels, self.detail_kernels.shape[0])
            change = change + F.conv2d(detail * self.backbone.detail.gate(features), self.detail_out)
        change = _to_pixels(change.round().clamp(-128, 127).to(torch.int8))
        return (frame.to(torch.float32) + change.to(torch.float32)).clamp(0, 255).to(torch.uint8)


class _OfBytes(nn.Module):
    """A 1x1 convolution of blocks of -0.5..0.5 and of what the deconvolutions add to them, as one of the frame's bytes where they lie and one of the rest."""

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        colours, linear = convolution.weight.detach().split([3 * BLOCK**2, BLOCK**2], dim=1)
        colours = _four_colours(colours.reshape(-1, 3, BLOCK, BLOCK), 1)
        self.frame = nn.Parameter(colours / 255)
        self.bias = nn.Parameter(convolution.bias.detach() - colours.sum((1, 2, 3)) / 2)
        self.linear = nn.Parameter(linear.clone())

    def forward(self, picture: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
        return F.conv2d(picture, self.frame, self.bias, stride=BLOCK) + F.conv2d(linear, self.linear)


def _to_bytes(out: nn.Conv2d) -> torch.Tensor:
    """Weights of a convolution to blocks [(colour, y, x)], as one to blocks [(y, x, colour)] in grey levels."""
    return 255 * _four_colours(out.weight.detach().unflatten(0, (3, BLOCK**2)).transpose(0, 1), 1).flatten(0, 1)


def _four_colours(weight: torch.Tensor, dim: int) -> torch.Tensor:
    """With a fourth colour of zeros."""
    return torch.cat([weight, torch.zeros_like(weight.narrow(dim, 0, 1))], dim)


def _to_pixels(blocks: torch.Tensor) -> torch.Tensor:
    """[1, (y, x, colour), H / 4, W / 4] to [1, H, W, 4]."""
    height, width = blocks.shape[2:]
    rows = blocks.permute(0, 2, 3, 1).reshape(1, height, width, BLOCK, BLOCK * PIXEL).transpose(2, 3)
    return rows.reshape(1, height * BLOCK, width * BLOCK, PIXEL)
