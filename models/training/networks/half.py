"""A backbone whose base is half the frame's scale: nano on the frame reduced by two, and a thin part at full scale for what that cannot hold.

    frame ─┬─ mean of 2x2 ─ deconvolution ─ + ─ stem ─ levels at 1/8, 1/16, 1/32 ─ head ─ change at half the scale ─┐
           │                                                    └ features at 1/8 ─ x2 ────────────┐                  │
           └─ blocks of 4x4 as channels ─ 1x1 ──────────────────────────────────────────────────── + ─ blocks at 1/4 ─┴─ head ─ shuffle 4 ─ + frame

A multiply-add at half the scale works on four pixels of the frame, and the deconvolution's 25x25 grid is 48 px of it. The change at half the scale
is enlarged inside the last convolution, which begins as a bilinear enlargement: no pass over memory at full scale is spent on it.

Nothing here draws a lattice on what is flat. Convolutions before a pixel shuffle are balanced (see `balanced`), and features are enlarged bilinearly.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import ModulatedBlock, down
from .deconvolution import PriorDeconvolution
from .nano import SCALE, Chain
from .regions import WHOLE

BASE = 2
BLOCK = SCALE * SCALE
HALF_BLOCK = (SCALE // BASE) ** 2


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


def bilinear_blocks() -> torch.Tensor:
    """[16, 4, 3, 3]: the convolution that enlarges blocks of 2x2 to blocks of 4x4 bilinearly."""
    kernel = torch.zeros(BLOCK, HALF_BLOCK, 3, 3)
    side = SCALE // BASE
    # Where the pixels of a block of 4 lie among those of the three blocks of 2 around it, and their two neighbours there.
    lines = torch.zeros(SCALE, 3 * side)
    for i in range(SCALE):
        position = (i + 0.5) / BASE - 0.5 + side
        first = int(position // 1)
        lines[i, first], lines[i, first + 1] = 1 - (position - first), position - first
    both = torch.einsum("ya,xb->yxab", lines, lines).reshape(BLOCK, 3, side, 3, side)
    kernel[:] = both.permute(0, 2, 4, 1, 3).reshape(BLOCK, HALF_BLOCK, 3, 3)
    return kernel


def initialised_from_nano(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A nano's weights, and what parts that it lacks begin with: `Enlarge` with the mean of what the pixels that a shuffle makes of one were made by; the
    detail of MultiScaleBackbone with nano's first level, of which the last convolution takes half, since the base at half the scale corrects as well."""
    made = {}
    for level in (1, 2):
        for part in ("weight", "bias"):
            if (value := weights.get(f"backbone.up{level}.0.{part}")) is not None:
                made[f"backbone.enlarge{level}.convolution.{part}"] = value.unflatten(0, (-1, 4)).mean(1)
    if made:
        made |= {name.replace(".stem.", ".detail_stem."): value for name, value in weights.items() if name.startswith("backbone.stem.")}
        made |= {name.replace(".decoder1.", ".detail."): value for name, value in weights.items() if name.startswith("backbone.decoder1.")}
        enlarged = torch.zeros(3, BLOCK, 3, HALF_BLOCK, 3, 3)
        for colour in range(3):
            enlarged[colour, :, colour] = bilinear_blocks()
        made["backbone.enlarged.weight"] = torch.cat([0.5 * weights["backbone.head.weight"], enlarged.reshape(3 * BLOCK, 3 * HALF_BLOCK, 3, 3)], 1)
        made["backbone.enlarged.bias"] = 0.5 * weights["backbone.head.bias"]
    return weights | made


class HalfLevels(nn.Module):
    """What backbones with their base at half the scale share. channels: at 1/8, 1/16 and 1/32 of the frame's sides; encoder, decoder: blocks at 1/8 and at
    1/16; middle: blocks at 1/32. prior, spread_hidden, regions: as of NanoBackbone.

    Parts that nano has go by its names: a run can begin with a nano's weights, and then restores at first as that does at reduction 2."""

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
        """What the heads make the change from, given what the stem made of the frame; both [B, channels[0], H / 8, W / 8]."""
        prior = self.mean_prior(prior)
        x1 = self.level1(stem, prior)
        x2 = self.level2(self.down1(x1), prior)
        x = x2 + self.enlarge2(self.level3(self.down2(x2), prior))
        x = x1 + self.enlarge1(self.decoder2(x, prior))
        return self.decoder1(x, prior)

    def mean_prior(self, prior: torch.Tensor | None) -> torch.Tensor | None:
        """The mean of the regions' priors [B, D], which blocks have."""
        return None if prior is None else prior.unflatten(1, (-1, self.deconvolution.width)).mean(1)

    def half_change(self, features: torch.Tensor) -> torch.Tensor:
        """The network's change at half the scale, as blocks of 4x4 [B, 48, H / 8, W / 8]."""
        return F.conv2d(features, *balanced(self.head.weight, self.head.bias, BLOCK), padding=1)


class HalfBackbone(HalfLevels):
    """channels, encoder, middle, decoder: see HalfLevels. detail: channels of the part at full scale (in blocks of 4x4); detail_blocks: its blocks.
    Frames are in 0..1, their sides multiples of 32."""

    MULTIPLE = 32
    SHIFT = 0.0
    SCALES = (BASE,)

    def __init__(self, prior: int | None = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 1), middle: int = 2,
                 decoder: tuple[int, int] = (2, 2), detail: int = 16, detail_blocks: int = 1, spread_hidden: int = 256, regions: tuple[int, int] = WHOLE):
        super().__init__(prior, channels, encoder, middle, decoder, spread_hidden, regions)
        c1 = channels[0]
        self.detail_stem = nn.Conv2d(3 * BLOCK, detail, 1)
        self.detail_change = nn.Conv2d(3 * HALF_BLOCK, detail, 1)
        self.detail_features = Enlarge(c1, detail)
        self.detail = nn.ModuleList(ModulatedBlock(prior, detail) for _ in range(detail_blocks))
        self.detail_head = nn.Conv2d(detail + 3 * HALF_BLOCK, 3 * BLOCK, 3, padding=1)
        nn.init.zeros_(self.detail_head.weight)
        nn.init.zeros_(self.detail_head.bias)
        with torch.no_grad():
            enlarged = self.detail_head.weight[:, detail:].unflatten(0, (3, BLOCK)).unflatten(2, (3, HALF_BLOCK))
            for colour in range(3):
                enlarged[colour, :, colour] = bilinear_blocks()

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The restored frame [B, 3, H, W], given the prior [B, D] or the regions' [B, regions D]."""
        half = F.avg_pool2d(frame, BASE)
        if prior is None:
            features = self.features(self.stem(half - 0.5), None)
            change = self.half_change(features)
        else:
            linear = self.deconvolution(half, prior)
            features = self.features(self.stem(torch.cat([half - 0.5, linear], dim=1)), prior)
            change = self.half_change(features) + F.pixel_unshuffle(linear, SCALE).repeat(1, 3, 1, 1)
        change = F.pixel_shuffle(change, SCALE)
        blocks = self.detail_change_of(F.pixel_unshuffle(frame - 0.5, SCALE), F.pixel_unshuffle(change, SCALE // BASE), features, prior)
        return frame + F.pixel_shuffle(blocks, SCALE).float()

    def detail_change_of(self, frame: torch.Tensor, change: torch.Tensor, features: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """The whole change as blocks of 4x4 [B, 48, H / 4, W / 4]: of the frame less 0.5 as blocks of 4x4 [B, 48, H / 4, W / 4], of the change at half
        the scale as blocks of 2x2 [B, 12, H / 4, W / 4], and of the features at 1/8."""
        prior = self.mean_prior(prior)
        x = self.detail_stem(frame) + self.detail_change(change) + self.detail_features(features)
        for block in self.detail:
            x = block(x, prior)
        return F.conv2d(torch.cat([x, change], dim=1), *balanced(self.detail_head.weight, self.detail_head.bias, BLOCK), padding=1)
