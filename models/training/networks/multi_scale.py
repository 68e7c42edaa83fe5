"""The backbone that deconvolves at several scales: the scale chooses itself, for each region.

    frame ─┬─ luma ─┬─ deconvolution with the prior found at full scale ───── x share ────────── + ─┬───────────────────────────── + ─ restored
           │        └─ mean of 2x2 ─┬─ deconvolution with that found there ─ x share ─ + ─ x2 ─ ┘   │                              │
           │                        └─ mean of 2x2 ─ deconvolution … ─────── x share ─ x2 ┘         │                              │
           └─────────────────────────────────────────────────────────────────────────────────────── + ─ stem, levels, head, shuffle 4

Short blur does not show in a frame reduced by two, and what it took lies beyond such a frame's frequencies; blur beyond 24 px does not fit into the
point spread's square at full scale, nor blur beyond 48 px into that at half of it. So the same encoder, estimators and deconvolution look at every scale,
and shares that sum to 1 say for each region which of them is right. One U-Net, nano's, corrects the sum: in 8 bits its convolutions are a quarter of
nano's time (REAL_BLUR.md).

The prior is that of the regions at full scale, one after the other, then that of the regions at the next scale. Blocks have the mean over regions of the
scales' priors, each as much as its share.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from .levels import FlatLevels
from .nano import SCALE
from .regions import WHOLE, mixture
from .transforms import luma

BORDERS = {2: 16.0, 4: 133.0}
"""px squared. Straight paths of 14 and of 40 px have these second moments: blur shorter than that is at first taken back at a finer scale, longer blur at
this one."""

SPREAD_MULTIPLE = 16
"""What the deconvolution's sides are multiples of."""


class ScaleShares(nn.Module):
    """For each region how much of the linear restoration is that at each scale: by how far the spreads found at the coarser scales reach, and by what is
    learnt of all priors."""

    def __init__(self, prior: int, scales: tuple[int, ...], hidden: int = 32):
        super().__init__()
        self.scales = scales
        self.hidden = nn.Linear(len(scales) * prior, hidden)
        self.out = nn.Linear(hidden, len(scales))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.steepness = nn.Parameter(torch.full((len(scales) - 1,), 1.5))

    def forward(self, priors: torch.Tensor, spreads: torch.Tensor) -> torch.Tensor:
        """[B, scales, regions], sums over scales 1, of priors [B, scales, regions, D] and point spreads at all scales but the first, each in its own pixels
        [B, scales - 1, regions, 25, 25]."""
        offset = torch.arange(spreads.shape[3], device=spreads.device, dtype=spreads.dtype) - spreads.shape[3] // 2
        distance = offset[:, None] ** 2 + offset**2
        logits = [torch.zeros_like(spreads[:, 0, :, 0, 0])]
        for index, scale in enumerate(self.scales[1:]):
            moment = (spreads[:, index] * distance).sum((2, 3)) * scale**2
            logits.append(logits[-1] + self.steepness[index] * torch.log((moment + 0.5) / BORDERS[scale]))
        learnt = self.out(torch.relu(self.hidden(priors.transpose(1, 2).flatten(2))))
        return (torch.stack(logits, dim=1) + learnt.transpose(1, 2)).softmax(1)


class MultiScaleBackbone(FlatLevels):
    """channels, encoder, middle, decoder: see levels.FlatLevels. scales: by how much the frame is reduced where it is deconvolved, 1 and 2 and perhaps 4.
    prior: width of one region's prior at one scale. Frames are in 0..1, their sides multiples of 32.

    A run begins with a nano's weights (levels.initialised_from_nano); the shares begin with BORDERS."""

    MULTIPLE = 32
    SHIFT = 0.0

    def __init__(self, prior: int = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 1), middle: int = 2,
                 decoder: tuple[int, int] = (2, 2), scales: tuple[int, ...] = (1, 2, 4), spread_hidden: int = 256, regions: tuple[int, int] = WHOLE):
        if prior is None:
            raise ValueError("the multi-scale network has no form without a prior")
        if tuple(scales) not in ((1, 2), (1, 2, 4)):
            raise ValueError(f"scales are 1, 2 or 1, 2, 4, not {scales}")
        super().__init__(prior, channels, encoder, middle, decoder, spread_hidden, regions)
        self.SCALES = tuple(scales)
        self.share = ScaleShares(prior, self.SCALES)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """The restored frame [B, 3, H, W], given the priors of all scales [B, scales D] or of all regions at each [B, scales regions D]."""
        with torch.autocast(frame.device.type, enabled=False):
            # Half precision would lose what the filter brings back.
            linear, blocks = self.linear(luma(frame.float()), prior.float())
        features = self.features(self.stem(torch.cat([frame - 0.5, linear], dim=1)), blocks)
        return frame + linear + F.pixel_shuffle(self.change(features), SCALE).float()

    def linear(self, grey: torch.Tensor, prior: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the deconvolutions add to the luma [B, 1, H, W], and the prior that blocks have [B, D]."""
        priors = torch.stack([p.unflatten(1, (-1, self.deconvolution.width)) for p in prior.chunk(len(self.SCALES), dim=1)], dim=1)
        coarser = priors[:, 1:]
        spreads = self.deconvolution.spread(coarser.flatten(0, 2)).unflatten(0, coarser.shape[:3])
        shares = self.share(priors, spreads)
        greys = [grey]
        for finer, reduced in pairwise(self.SCALES):
            greys.append(F.avg_pool2d(greys[-1], reduced // finer))
        added = None
        for index in reversed(range(len(greys))):
            here = self._at_scale(greys[index], priors[:, index].flatten(1), shares[:, index])
            added = here if added is None else here + F.interpolate(added, scale_factor=2.0, mode="bilinear", align_corners=False)
        return added, (shares[..., None] * priors).sum(1).mean(1)

    def _at_scale(self, grey: torch.Tensor, prior: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """What the deconvolution adds at the scale of the luma [B, 1, h, w], times the regions' shares there [B, regions]."""
        height, width = grey.shape[2:]
        whole = F.pad(grey, (0, -width % SPREAD_MULTIPLE, 0, -height % SPREAD_MULTIPLE), mode="replicate")
        return self.deconvolution.of_luma(whole, prior)[:, :, :height, :width] * self._mixed(share, height, width)

    def _mixed(self, share: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """The regions' shares of one scale [B, regions], mixed between their middles: [B, 1, height, width], or 1 for both sides of one region."""
        if share.shape[1] == 1:
            return share[:, :, None, None]
        rows, columns = self.deconvolution.regions
        down, across = (mixture((torch.arange(n, device=share.device) + 0.5) / n, count) for n, count in ((height, rows), (width, columns)))
        return (down @ share.unflatten(1, (rows, columns)) @ across.T)[:, None]
