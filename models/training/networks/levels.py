"""Nano's U-Net, which draws no lattice on what is flat: convolutions before a pixel shuffle are balanced, and features are enlarged bilinearly.

Parts that nano has go by its names, so that a run can begin with a nano's weights.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import down
from .deconvolution import PriorDeconvolution
from .nano import SCALE, Chain

BLOCK = SCALE * SCALE


def balanced(weight: torch.Tensor, bias: torch.Tensor, phases: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights [colours x phases, in, k, k] and bias of a convolution before a pixel shuffle, changed so that every phase answers alike to features
    that are the same everywhere (Sugawara, Kinoshita and Kiya, "Checkerboard-free sub-pixel convolution"): what is flat stays flat."""
    weight, bias = weight.unflatten(0, (-1, phases)), bias.unflatten(0, (-1, phases))
    flat = weight.sum((3, 4), keepdim=True)
    taps = weight.shape[3] * weight.shape[4]
    weight = weight - (flat - flat.mean(1, keepdim=True)) / taps
    return weight.flatten(0, 1), bias.mean(1, keepdim=True).expand_as(bias).flatten()


class Enlarge(nn.Module):
    """Features at twice their scale, with other channels: convolved before, since that is four times less work."""

    def __init__(self, channels: int, to: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, to, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(self.convolution(x), scale_factor=2.0, mode="bilinear", align_corners=False)


def initialised_from_nano(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A nano's weights, and what `Enlarge` begins with: the mean of what the pixels that a shuffle makes of one were made by."""
    made = {}
    for level in (1, 2):
        for part in ("weight", "bias"):
            if (value := weights.get(f"backbone.up{level}.0.{part}")) is not None:
                made[f"backbone.enlarge{level}.convolution.{part}"] = value.unflatten(0, (-1, 4)).mean(1)
    return weights | made


class FlatLevels(nn.Module):
    """channels: at 1/4, 1/8 and 1/16 of the sides of what the stem sees; encoder, decoder: blocks at 1/4 and at 1/8; middle: blocks at 1/16. prior,
    spread_hidden, regions: as of NanoBackbone."""

    def __init__(self, prior: int | None, channels: tuple[int, int, int], encoder: tuple[int, int], middle: int, decoder: tuple[int, int], spread_hidden: int,
                 regions: tuple[int, int]):
        super().__init__()
        c1, c2, c3 = channels
        self.deconvolution = None if prior is None else PriorDeconvolution(prior, spread_hidden, regions=regions)
        self.stem = nn.Conv2d(3 if prior is None else 4, c1, 3 * SCALE, stride=SCALE, padding=SCALE)
        self.level1 = Chain(prior, c1, encoder[0])
        self.down1 = down(c1, c2)
        self.level2 = Chain(prior, c2, encoder[1])
        self.down2 = down(c2, c3)
        self.level3 = Chain(prior, c3, middle)
        self.enlarge2 = Enlarge(c3, c2)
        self.decoder2 = Chain(prior, c2, decoder[1])
        self.enlarge1 = Enlarge(c2, c1)
        self.decoder1 = Chain(prior, c1, decoder[0])
        self.head = nn.Conv2d(c1, 3 * BLOCK, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def features(self, stem: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """What the heads make the change from, given what the stem made of the frame; both [B, channels[0], h / 4, w / 4]."""
        prior = self.mean_prior(prior)
        x1 = self.level1(stem, prior)
        x2 = self.level2(self.down1(x1), prior)
        x = x2 + self.enlarge2(self.level3(self.down2(x2), prior))
        x = x1 + self.enlarge1(self.decoder2(x, prior))
        return self.decoder1(x, prior)

    def mean_prior(self, prior: torch.Tensor | None) -> torch.Tensor | None:
        """The mean of the regions' priors [B, D], which blocks have."""
        return None if prior is None else prior.unflatten(1, (-1, self.deconvolution.width)).mean(1)

    def change(self, features: torch.Tensor) -> torch.Tensor:
        """The network's change of what the stem saw, as blocks of 4x4 [B, 48, h / 4, w / 4]."""
        return F.conv2d(features, *balanced(self.head.weight, self.head.bias, BLOCK), padding=1)
