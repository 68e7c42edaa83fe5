"""MultiScaleBackbone from bytes to bytes, as it is exported: the same weights, fewer passes over memory (see nano_bytes.py)."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .levels import BLOCK, balanced
from .multi_scale import MultiScaleBackbone
from .nano import SCALE
from .nano_bytes import PIXEL, NanoBytes
from .transforms import LUMA

GROUP = 16


class MultiScaleBytes(NanoBytes):
    """Frames [1, H, W, 4] of float32 in 0..255, sides multiples of 32, and priors [1, D], to restored frames of the same kind, rounded."""

    def __init__(self, backbone: MultiScaleBackbone):
        super().__init__(backbone, *balanced(backbone.head.weight, backbone.head.bias, BLOCK))
        # Of groups of pixels: products with matrices of one column are slow.
        self.register_buffer("luma_of_pixels", torch.kron(torch.eye(GROUP), torch.tensor([*LUMA, 0.0])[:, None] / 255), persistent=False)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        height, width = frame.shape[1:3]
        grey = (frame.reshape(-1, GROUP * PIXEL) @ self.luma_of_pixels).reshape(1, 1, height, width)
        linear, blocks = self.backbone.linear(grey, prior)
        return self.restored(frame, F.pixel_unshuffle(linear, SCALE), blocks)
