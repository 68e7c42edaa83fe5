"""Deconvolution at several scales: the scale chooses itself, for each region.

    luma ─┬─ deconvolution with the prior found at full scale ───────────── x share ─────────── + ─ what is added to the frame
          └─ mean of 2x2 ─┬─ deconvolution with that found there ─ x share ─ + ─ enlarged by 2 ─┘
                          └─ mean of 2x2 ─ deconvolution … ─ x share ─ x2 ───┘

Short blur does not show in a frame reduced by two, and what it took lies beyond such a frame's frequencies; blur beyond 24 px does not fit into the
point spread's square at full scale, nor blur beyond 48 px into that at half of it. So the same encoder, estimators and deconvolution look at every scale,
and shares that sum to 1 say for each region which of them is right.

The prior is that of the regions at full scale, one after the other, then that of the regions at the next scale. Blocks of the network behind have the mean over
regions of the scales' priors, each as much as its share.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .cells import BLOCK, enlarging, over_blocks
from .deconvolution import PriorDeconvolution
from .regions import mixture
from .windows import HOP, Windows

BORDERS = {2: 16.0, 4: 133.0}
"""px squared. Straight paths of 14 and of 40 px have these second moments: blur shorter than that is at first taken back at a finer scale, longer blur at
this one."""

SCALES = ((1, 2), (1, 2, 4))

FINE_HOP = 48
"""Of windows at full scale, where only short paths are taken back, which fit into narrow margins."""

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


class MultiScaleDeconvolution(nn.Module):
    """What the backbones that deconvolve at several scales have in common. prior: width of one region's prior at one scale. scales: by how much the
    frame is reduced where it is deconvolved. regions: see PriorDeconvolution.

    A run begins with a nano's weights (training.train --start), of which it has `deconvolution`; the shares begin with BORDERS."""

    SHIFT = 0.0

    def __init__(self, prior: int | None, scales: tuple[int, ...], spread_hidden: int, regions: tuple[int, int]):
        super().__init__()
        if prior is None:
            raise ValueError("a network of several scales has no form without a prior")
        if tuple(scales) not in SCALES:
            raise ValueError(f"scales are one of {SCALES}, not {scales}")
        self.SCALES = tuple(scales)
        self.deconvolution = PriorDeconvolution(prior, spread_hidden, regions=regions)
        self.share = ScaleShares(prior, self.SCALES)
        for index, scale in enumerate(self.SCALES[1:], 1):
            self.register_buffer(f"enlarging{index}", enlarging(BLOCK // scale), persistent=False)
        self.windows = nn.ModuleList(Windows(FINE_HOP if scale == 1 else HOP) for scale in self.SCALES)

    def reduced(self, grey: torch.Tensor) -> list[torch.Tensor]:
        """Luma [B, 1, H, W] at each of the scales."""
        return [F.avg_pool2d(grey, scale) if scale > 1 else grey for scale in self.SCALES]

    def by_scale(self, prior: torch.Tensor) -> torch.Tensor:
        """The prior [B, scales * regions * D] as [B, scales, regions, D]."""
        return torch.stack([p.unflatten(1, (-1, self.deconvolution.width)) for p in prior.chunk(len(self.SCALES), dim=1)], dim=1)

    def shares(self, priors: torch.Tensor) -> torch.Tensor:
        """How much of each region is restored at each scale [B, scales, regions], sums over scales 1, of priors [B, scales, regions, D]."""
        coarser = priors[:, 1:]
        spreads = self.deconvolution.spread(coarser.flatten(0, 2)).unflatten(0, coarser.shape[:3])
        return self.share(priors, spreads)

    def linear(self, greys: list[torch.Tensor], prior: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the deconvolutions add to the luma, as blocks of 4x4 pixels [B, 16, H / 4, W / 4], given luma at each of the scales [B, 1, h, w], and
        the prior that blocks of the network have [B, D]."""
        priors = self.by_scale(prior)
        shares = self.shares(priors)
        added = None
        for index in reversed(range(len(greys))):
            here = self._at_scale(index, greys[index], priors[:, index].flatten(1), shares[:, index])
            here = F.pixel_unshuffle(here, BLOCK // self.SCALES[index])
            added = here if added is None else here + over_blocks(added, getattr(self, f"enlarging{index + 1}"))
        return added, (shares[..., None] * priors).sum(1).mean(1)

    def _at_scale(self, index: int, grey: torch.Tensor, prior: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """What the deconvolution adds at the scale of the luma [B, 1, h, w], times the regions' shares there [B, regions]."""
        height, width = grey.shape[2:]
        whole = F.pad(grey, (0, -width % SPREAD_MULTIPLE, 0, -height % SPREAD_MULTIPLE), mode="replicate")
        return self.deconvolution.of_luma(whole, prior, self.windows[index])[:, :, :height, :width] * self._mixed(share, height, width)

    def _mixed(self, share: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """The regions' shares of one scale [B, regions], mixed between their middles: [B, 1, height, width], or 1 for both sides of one region."""
        if share.shape[1] == 1:
            return share[:, :, None, None]
        rows, columns = self.deconvolution.regions
        down, across = (mixture((torch.arange(n, device=share.device, dtype=share.dtype) + 0.5) / n, count) for n, count in ((height, rows), (width, columns)))
        return (down @ share.unflatten(1, (rows, columns)) @ across.T)[:, None]
