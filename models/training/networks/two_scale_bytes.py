"""TwoScaleBackbone from bytes to bytes, as it is exported: the same weights, fewer passes over memory (see half_bytes.py)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .half import BASE
from .half_bytes import HalfLevelsBytes
from .nano import SCALE
from .nano_bytes import PIXEL, _to_channels, _to_pixels
from .transforms import LUMA
from .two_scale import TwoScaleBackbone

GROUP = 16


class TwoScaleBytes(nn.Module):
    """Frames [1, H, W, 4] of float32 in 0..255, sides multiples of 32, and priors [1, D], to restored frames of the same kind, rounded."""

    def __init__(self, backbone: TwoScaleBackbone):
        super().__init__()
        self.backbone = backbone
        self.levels = HalfLevelsBytes(backbone)
        self.enlarged_weight, self.enlarged_bias = HalfLevelsBytes.to_pixels(backbone.enlarged)
        if backbone.detail is not None:
            self.detail_stem, self.detail_bias = HalfLevelsBytes.of_pixels(backbone.detail_stem)
        # Of groups of pixels: products with matrices of one column or row are slow.
        self.register_buffer("luma_of_pixels", torch.kron(torch.eye(GROUP), torch.tensor([*LUMA, 0.0])[:, None] / 255), persistent=False)
        self.register_buffer("to_colours", torch.kron(torch.eye(GROUP), 255 * torch.tensor([[1.0, 1.0, 1.0, 0.0]])), persistent=False)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        backbone, levels = self.backbone, self.levels
        height, width = frame.shape[1:3]
        fine_prior, coarse_prior = backbone.priors(prior)
        share = backbone.shares(fine_prior, coarse_prior, height, width)
        half_share = share if share.shape[2] == 1 else F.avg_pool2d(share, BASE)
        fine = backbone.deconvolution.of_luma((frame.reshape(-1, GROUP * PIXEL) @ self.luma_of_pixels).reshape(1, 1, height, width), fine_prior) * share
        pixels = _to_channels(frame)
        half = levels.halved(pixels)
        coarse = backbone.deconvolution.of_luma(levels.luma_of(half), coarse_prior) * (1 - half_share)
        features = levels.features(half, F.pixel_unshuffle(F.avg_pool2d(fine, BASE) + coarse, SCALE), coarse_prior)
        change = levels.change(features, F.pixel_unshuffle(coarse, SCALE))
        if backbone.detail is not None:
            x = F.conv2d(pixels, self.detail_stem, self.detail_bias) + backbone.detail_linear(F.pixel_unshuffle(fine, SCALE))
            change = torch.cat([backbone.corrected(x, features, fine_prior), change], dim=1)
        enlarged = F.conv2d(change, self.enlarged_weight, self.enlarged_bias, padding=1)
        return (frame + (fine.reshape(-1, GROUP) @ self.to_colours).reshape(1, height, width, PIXEL) + _to_pixels(enlarged)).round().clamp(0, 255)
