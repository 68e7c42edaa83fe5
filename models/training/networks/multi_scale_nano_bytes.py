"""MultiScaleBackbone from bytes to bytes, as it is exported: the same weights, fewer passes over memory (see nano_bytes.py)."""

from __future__ import annotations

import torch

from .cells import BLOCK
from .luma_of_bytes import LumaOfBytes
from .multi_scale_nano import MultiScaleBackbone, balanced
from .nano_bytes import NanoBytes


class MultiScaleBytes(NanoBytes):
    """Frames u8 [1, H, W, 4], sides multiples of 16, and priors [1, D], to restored frames of the same kind."""

    def __init__(self, backbone: MultiScaleBackbone):
        super().__init__(backbone, *balanced(backbone.head.weight, backbone.head.bias, BLOCK**2))
        self.luma_of_bytes = LumaOfBytes(backbone.SCALES)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        numbers = frame.to(torch.float32)
        linear, fused = self.backbone.linear(self.luma_of_bytes(numbers.permute(0, 3, 1, 2)), prior)
        return self.restored(numbers, linear, fused).to(torch.uint8)
