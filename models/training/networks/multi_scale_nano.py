"""Nano's U-Net behind deconvolutions at several scales (see multi_scale.py).

Parts that nano has go by its names, so that a run can begin with a nano's weights. It draws no lattice on what is flat: convolutions before a pixel shuffle are
balanced, and features are enlarged bilinearly.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import down
from .cells import BLOCK, Enlarge
from .multi_scale import MultiScaleDeconvolution
from .nano import Chain
from .regions import WHOLE
from .transforms import luma


def balanced(weight: torch.Tensor, bias: torch.Tensor, phases: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights [colours x phases, in, k, k] and bias of a convolution before a pixel shuffle, changed so that every phase answers alike to features
    that are the same everywhere (Sugawara, Kinoshita and Kiya, "Checkerboard-free sub-pixel convolution"): what is flat stays flat."""
    weight, bias = weight.unflatten(0, (-1, phases)), bias.unflatten(0, (-1, phases))
    flat = weight.sum((3, 4), keepdim=True)
    taps = weight.shape[3] * weight.shape[4]
    weight = weight - (flat - flat.mean(1, keepdim=True)) / taps
    return weight.flatten(0, 1), bias.mean(1, keepdim=True).expand_as(bias).flatten()


def initialised_from_nano(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A nano's weights, and what `Enlarge` begins with: the mean of what the pixels that a shuffle makes of one were made by."""
    made = {}
    for level in (1, 2):
        for part in ("weight", "bias"):
            if (value := weights.get(f"backbone.up{level}.0.{part}")) is not None:
                made[f"backbone.enlarge{level}.convolution.{part}"] = value.unflatten(0, (-1, 4)).mean(1)
    return weights | made


class MultiScaleBackbone(MultiScaleDeconvolution):
    """channels, encoder, middle, decoder: as of nano.NanoBackbone. prior, scales, spread_hidden, regions: see MultiScaleDeconvolution. Frames are in 0..1,
    their sides multiples of 16."""

    MULTIPLE = 16

    def __init__(self, prior: int = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 1), middle: int = 2,
                 decoder: tuple[int, int] = (2, 2), scales: tuple[int, ...] = (1, 2, 4), spread_hidden: int = 256, regions: tuple[int, int] = WHOLE):
        super().__init__(prior, scales, spread_hidden, regions)
        c1, c2, c3 = channels
        self.stem = nn.Conv2d(4, c1, 3 * BLOCK, stride=BLOCK, padding=BLOCK)
        self.level1 = Chain(prior, c1, encoder[0])
        self.down1 = down(c1, c2)
        self.level2 = Chain(prior, c2, encoder[1])
        self.down2 = down(c2, c3)
        self.level3 = Chain(prior, c3, middle)
        self.enlarge2 = Enlarge(c3, c2)
        self.decoder2 = Chain(prior, c2, decoder[1])
        self.enlarge1 = Enlarge(c2, c1)
        self.decoder1 = Chain(prior, c1, decoder[0])
        self.head = nn.Conv2d(c1, 3 * BLOCK**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """The restored frame [B, 3, H, W], given the priors of all scales [B, scales D] or of all regions at each [B, scales regions D]."""
        with torch.autocast(frame.device.type, enabled=False):
            # Half precision would lose what the filter brings back.
            blocks, fused = self.linear(self.reduced(luma(frame.float())), prior.float())
        linear = F.pixel_shuffle(blocks, BLOCK)
        features = self.features(self.stem(torch.cat([frame - 0.5, linear], dim=1)), fused)
        change = F.conv2d(features, *balanced(self.head.weight, self.head.bias, BLOCK**2), padding=1)
        return frame + linear + F.pixel_shuffle(change, BLOCK).float()

    def features(self, stem: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """What the head makes the change from, given what the stem made of the frame; both [B, channels[0], H / 4, W / 4]."""
        x1 = self.level1(stem, prior)
        x2 = self.level2(self.down1(x1), prior)
        x = x2 + self.enlarge2(self.level3(self.down2(x2), prior))
        x = x1 + self.enlarge1(self.decoder2(x, prior))
        return self.decoder1(x, prior)
