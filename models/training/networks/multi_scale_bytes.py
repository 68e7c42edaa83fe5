"""MultiScaleBackbone from bytes to bytes, as it is exported: the same weights, fewer passes over memory (see half_bytes.py)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .half import BASE
from .half_bytes import HalfLevelsBytes
from .nano import SCALE
from .nano_bytes import PIXEL, _to_channels, _to_pixels, stem_of_pixels
from .transforms import LUMA
from .multi_scale import MultiScaleBackbone

GROUP = 16


class MultiScaleBytes(nn.Module):
    """Frames [1, H, W, 4] of float32 in 0..255, sides multiples of 32, and priors [1, D], to restored frames of the same kind, rounded."""

    def __init__(self, backbone: MultiScaleBackbone):
        super().__init__()
        self.backbone = backbone
        self.levels = HalfLevelsBytes(backbone)
        self.enlarged_weight, self.enlarged_bias = HalfLevelsBytes.to_pixels(backbone.enlarged)
        if backbone.detail is not None:
            self.detail_frame, self.detail_linear = stem_of_pixels(backbone.detail_stem)
        # Of groups of pixels: products with matrices of one column or row are slow.
        self.register_buffer("luma_of_pixels", torch.kron(torch.eye(GROUP), torch.tensor([*LUMA, 0.0])[:, None] / 255), persistent=False)
        self.register_buffer("to_colours", torch.kron(torch.eye(GROUP), 255 * torch.tensor([[1.0, 1.0, 1.0, 0.0]])), persistent=False)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        backbone, levels = self.backbone, self.levels
        height, width = frame.shape[1:3]
        priors = backbone.priors(prior)
        shares = backbone.shares(priors)
        grey = (frame.reshape(-1, GROUP * PIXEL) @ self.luma_of_pixels).reshape(1, 1, height, width)
        fine = backbone.linear(grey, priors[0], shares[:, 0])
        pixels = _to_channels(frame)
        half = levels.halved(pixels)
        coarse = backbone.coarse(levels.luma_of(half), priors, shares)
        features = levels.features(half, F.pixel_unshuffle(F.avg_pool2d(fine, BASE) + coarse, SCALE), priors[1])
        change = levels.change(features, F.pixel_unshuffle(coarse, SCALE))
        if backbone.detail is not None:
            stem = F.conv2d(pixels / 255 - 0.5, self.detail_frame, backbone.detail_stem.bias, padding=1)
            stem = stem + F.conv2d(F.pixel_unshuffle(fine, SCALE), self.detail_linear, padding=1)
            change = torch.cat([backbone.corrected(stem, features, priors[0]), change], dim=1)
        enlarged = F.conv2d(change, self.enlarged_weight, self.enlarged_bias, padding=1)
        return (frame + (fine.reshape(-1, GROUP) @ self.to_colours).reshape(1, height, width, PIXEL) + _to_pixels(enlarged)).round().clamp(0, 255)
